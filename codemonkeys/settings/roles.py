"""Which models a run uses, in which roles, and with which parameters."""

from __future__ import annotations

from typing import Any

from codemonkeys.errors import BadSettings
from codemonkeys.settings.model_settings import CONNECTION, ModelSettings
from codemonkeys.settings.tree import OperationSettings, Settings
from codemonkeys.stages import ROLES, Role


def names_of(settings: Settings, role: Role) -> tuple[str, ...]:
    """Names of the models that play a role, in turn; empty if the settings name no model."""
    if role == "scan" and settings.scan_model:
        return (settings.scan_model,)
    if role == "writer" and settings.generation.models:
        return settings.generation.models
    if role == "judge" and settings.selection.model:
        return (settings.selection.model,)
    return () if settings.model is None else (settings.model,)


def parameters_of(settings: Settings, role: Role, name: str) -> ModelSettings:
    """The parameters of a model in a role: those of the role win over those of the name.

    Fields of `extra_body` and `extra_headers` are merged one by one. The general settings are not merged in.
    """
    values: dict[str, Any] = {}
    for given in (settings.models.get(name), settings.models.get(role)):
        for field, value in (given or ModelSettings()).given().items():
            values[field] = {**values.get(field, {}), **value} if isinstance(value, dict) else value
    return ModelSettings(**values)


def operation_of(settings: Settings, role: Role, name: str) -> OperationSettings:
    """How calls of a model in a role are carried out: its connection wins over the general settings."""
    own = parameters_of(settings, role, name)
    given = {field: getattr(own, field) for field in CONNECTION if getattr(own, field) is not None}
    return settings.operation.model_copy(update=given)


def check_models(settings: Settings) -> None:
    """Raise BadSettings for parameters of a model that the run does not use."""
    used = list(dict.fromkeys(name for role in ROLES for name in names_of(settings, role)))
    for name in settings.models:
        if name not in (*ROLES, *used):
            raise BadSettings(
                f"settings: models.{name}: this run uses no such model; name a role ({', '.join(ROLES)}) or one of its "
                f"models ({', '.join(used)})"
            )
