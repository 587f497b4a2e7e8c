"""Language models: one port, and what can stand behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from codemonkeys.errors import BadSettings
from codemonkeys.registry import Registry

if TYPE_CHECKING:
    from codemonkeys.models.base import Model
    from codemonkeys.settings import OperationSettings

    ModelOpener = Callable[[str, OperationSettings], Model]


def _check(found: Any) -> ModelOpener:
    if not callable(found):
        raise TypeError(f"it is of type {type(found).__name__}, not a function of a name and OperationSettings")
    opener: ModelOpener = found
    return opener


MODELS: Registry[ModelOpener] = Registry(
    "model",
    "codemonkeys.models",
    # A replay may read a run's journal, of which nothing in this package knows: named here, imported when opened.
    {"fake": "codemonkeys.models.fake_answers:open_fake", "replay": "codemonkeys.runs.replays:open_replay"},
    _check,
)
"""Functions that open a model, given its whole name (`replay:FILE`) and the run's OperationSettings."""


def open_model(spec: str, operation: OperationSettings) -> Model:
    """The model of a name: one of `MODELS` as NAME or NAME:ARGUMENT, a `module:attribute`, or a litellm name.

    A litellm name takes seconds, as litellm is imported to look for the key, unless calls go without it. Raises
    BadSettings, MissingKey, and BadRecord for a malformed recording.
    """
    name = spec.partition(":")[0]
    if name in MODELS.names():
        return _opened(spec, MODELS.get(name)(spec, operation))
    if spec in MODELS:
        try:
            opener = MODELS.get(spec)
        except BadSettings as error:
            raise BadSettings(f"{error}. A litellm name begins with its provider, as in ollama/llama3:8b") from error
        return _opened(spec, opener(spec, operation))
    return _open_hosted(spec, operation)


def _opened(spec: str, found: Any) -> Model:
    from codemonkeys.models.base import Model

    if not isinstance(found, Model):
        raise BadSettings(
            f"model {spec!r}: what it opens is of type {type(found).__name__}, which is not a model; it needs all "
            "members of codemonkeys.models.base.Model"
        )
    return found


def _open_hosted(spec: str, operation: OperationSettings) -> Model:
    from codemonkeys.models.hosted import HostedModel
    from codemonkeys.models.retry import Patience
    from codemonkeys.models.throttle import Throttle

    limits = operation.limits_of(spec)
    assert limits.calls is not None
    model = HostedModel(
        spec,
        operation.api_base,
        operation.call_seconds,
        Patience(attempts=operation.attempts),
        limits.calls,
        operation.prices,
        Throttle(limits.calls, limits.requests_a_minute or math.inf, limits.tokens_a_minute or math.inf),
        operation.key_variable,
        operation.transport,
    )
    model.check()
    return model
