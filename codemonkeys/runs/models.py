"""Opens the models that a run needs."""

from __future__ import annotations

from collections.abc import Iterable

from codemonkeys.errors import BadInput, BadSettings, UnpricedModel
from codemonkeys.models import open_model
from codemonkeys.models.base import Completion, Model, Parametrised, Price, Remote, Request, ToolCalling
from codemonkeys.models.batch_prices import WITH_BATCHES
from codemonkeys.models.batching import Batching
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.roles import ModelSet, call_parameters, stage_answer
from codemonkeys.settings import OperationSettings, Settings
from codemonkeys.settings.model_settings import CONNECTION
from codemonkeys.settings.roles import check_models, names_of, operation_of, parameters_of
from codemonkeys.stages import ROLES, Role
from codemonkeys.wording import option


def open_models(settings: Settings) -> ModelSet:
    """The models of a run, each opened once. May import litellm, which takes seconds.

    Raises BadInput when no primary model is named, BadSettings for parameters that do not fit, MissingKey,
    UnpricedModel under a budget, NothingAnswers.
    """
    if settings.model is None:
        raise BadInput(
            f"no model was named: give one with {option('model')}, such as anthropic/claude-sonnet-4-5, openai/NAME "
            f"with {option('api_base', 'URL')} for a local endpoint, or fake to try everything without a model"
        )
    check_models(settings)
    opened: dict[tuple[object, ...], Model] = {}
    roles: dict[Role, tuple[Model, ...]] = {}
    parameters: dict[tuple[Role, str], Parameters] = {}
    for role in ROLES:
        for name in names_of(settings, role):
            operation = operation_of(settings, role, name)
            connection = (name, *(getattr(operation, field) for field in CONNECTION))
            if connection not in opened:
                opened[connection] = open_model(name, operation)
            model = opened[connection]
            roles[role] = (*roles.get(role, ()), model)
            parameters[role, model.name] = call_parameters(settings, role, name)
            check_parameters(settings, role, model, parameters[role, model.name])
    check_prices(settings.operation, opened.values())
    for model in opened.values():
        if isinstance(model, Remote):
            model.check_reach()
    models = ModelSet(roles["primary"][0], roles["scan"][0], roles["writer"], roles["judge"][0], parameters)
    check_batches(settings.operation, models)
    return models


def open_judge(settings: Settings) -> ModelSet:
    """The model that judges, and no other: the keys of the rest are not needed. Raises what `open_models` raises."""
    name = names_of(settings, "judge")[:1]
    if not name:
        raise BadInput(f"no model was named: give one with {option('model')}")
    parts = {"generation": {"models": ()}, "selection": {"model": name[0]}}
    sections = {section: getattr(settings, section).model_copy(update=given) for section, given in parts.items()}
    # In every role with the parameters and the connection of the judge: nothing else is opened.
    used = {name[0]: parameters_of(settings, "judge", name[0])}
    return open_models(settings.model_copy(update={**sections, "model": name[0], "scan_model": None, "models": used}))


def tool_models_of(models: ModelSet, settings: Settings) -> list[str]:
    """Names of the models that `agent.calls=auto` gives tools. Raises BadSettings where `tools` cannot be."""
    if not settings.generation.count("agent"):
        return []
    known = {model.name: model for model in models.distinct() if isinstance(model, ToolCalling)}
    if settings.agent.calls == "tools":
        for model in known.values():
            model.check_tools()
    return sorted(name for name, model in known.items() if model.takes_tools)


class NoModel:
    """Placeholder for runs without model calls."""

    name = "none"
    price: Price | None = Price()

    def count_tokens(self, text: str) -> int:
        """Zero: nothing is ever sent."""
        return 0

    async def complete(self, request: Request) -> Completion:
        """Refuse. Raises BadInput."""
        raise BadInput(f"{request.key} needs a model, but none was given; give one with {option('model')}")

    async def close(self) -> None:
        """Nothing to release."""


def check_batches(operation: OperationSettings, models: ModelSet) -> None:
    """Raise BadSettings where a stage is to go in batches whose model has no batch API."""
    for stage in operation.batch.stages:
        model = models.of(stage, 0)
        if not isinstance(model, Batching) or model.batch_factors is None:
            known = " and ".join(f"{provider}/NAME" for provider in WITH_BATCHES)
            raise BadSettings(
                f"{option('batch')}: calls of {stage} go to {model.name}, which has no batch API that we speak; models "
                f"named {known} have, the former also at an endpoint of your own. Leave it out, or choose another model"
            )


def check_parameters(settings: Settings, role: Role, model: Model, parameters: Parameters) -> None:
    """Raise BadSettings for parameters that the model, as far as is known, does not take."""
    where, thinking = f"models of {role} ({model.name})", parameters.thinking_tokens
    if thinking is not None and parameters.effort is not None:
        raise BadSettings(f"settings: {where}: give effort or thinking_tokens, not both")
    longest = parameters.longest_answer(stage_answer(settings, role))
    if thinking is not None and thinking >= longest:
        raise BadSettings(f"settings: {where}: thinking_tokens={thinking} leave no answer of max_tokens={longest}")
    if isinstance(model, Parametrised):
        try:
            model.check_parameters(parameters, longest)
        except BadSettings as error:
            raise BadSettings(f"{error} (in the role {role}: models.{role})") from None


def check_prices(operation: OperationSettings, models: Iterable[Model]) -> None:
    """Raise UnpricedModel for a model of unknown price under a budget."""
    for model in models:
        if operation.budget is not None and model.price is None:
            raise UnpricedModel(
                f"a budget was given, but {model.name} has no known price: give its prices in a registry file, "
                "the setting operation.prices (JSON, as LITELLM_MODEL_REGISTRY_PATH has it)"
            )
