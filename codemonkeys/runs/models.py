"""Opens the models that a run needs."""

from __future__ import annotations

from collections.abc import Iterable

from codemonkeys.errors import BadInput, UnpricedModel
from codemonkeys.models import open_model
from codemonkeys.models.base import Model, Remote
from codemonkeys.models.roles import ModelSet
from codemonkeys.settings import OperationSettings, Settings
from codemonkeys.wording import option


def open_models(settings: Settings) -> ModelSet:
    """The models of a run, each opened once. May import litellm, which takes seconds.

    Raises BadInput when no primary model is named, MissingKey, UnpricedModel under a budget, NothingAnswers.
    """
    if settings.model is None:
        raise BadInput(
            f"no model was named: give one with {option('model')}, such as anthropic/claude-sonnet-4-5, openai/NAME "
            f"with {option('api_base', 'URL')} for a local endpoint, or fake to try everything without a model"
        )
    by_name: dict[str, Model] = {}
    for name in (settings.model, settings.scan_model or settings.model, *settings.generation.models):
        if name not in by_name:
            by_name[name] = open_model(name, settings.operation)
    check_prices(settings.operation, by_name.values())
    for model in by_name.values():
        if isinstance(model, Remote):
            model.check_reach()
    scan = by_name[settings.scan_model or settings.model]
    return ModelSet(by_name[settings.model], scan, tuple(by_name[name] for name in settings.generation.models))


def check_prices(operation: OperationSettings, models: Iterable[Model]) -> None:
    """Raise UnpricedModel for a model of unknown price under a budget."""
    for model in models:
        if operation.budget is not None and model.price is None:
            raise UnpricedModel(
                f"a budget was given, but nobody knows what {model.name} costs: give its prices in a registry file, "
                "the setting operation.prices (JSON, as LITELLM_MODEL_REGISTRY_PATH has it)"
            )
