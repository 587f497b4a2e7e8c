"""The models of a run, by the role that each plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from codemonkeys.models.base import Model, Request
from codemonkeys.models.parameters import DEFAULT_PARAMETERS, Parameters
from codemonkeys.settings import Settings
from codemonkeys.settings.model_settings import CONNECTION
from codemonkeys.settings.roles import names_of, parameters_of
from codemonkeys.stages import Role, role_of


@dataclass(frozen=True)
class ModelSet:
    """The models of a run, open."""

    primary: Model
    scan: Model
    """Reads every file: the cheap one."""
    writers: tuple[Model, ...] = ()
    """Write tests and edits, in turn by sample; the primary model if empty."""
    judge: Model | None = None
    """Judges candidates; the primary model if None."""
    parameters: Mapping[tuple[Role, str], Parameters] = field(default_factory=dict[tuple[Role, str], Parameters])
    """By role and name of the model; the defaults where it has none."""

    def of(self, stage: str, sample: int) -> Model:
        """The model that a sample of a stage calls."""
        role = role_of(stage)
        if role == "scan":
            return self.scan
        if role == "writer" and self.writers:
            return self.writers[sample % len(self.writers)]
        return self.judge if role == "judge" and self.judge is not None else self.primary

    def parameters_of(self, stage: str, sample: int) -> Parameters:
        """The parameters with which a sample of a stage calls its model."""
        return self.parameters.get((role_of(stage), self.of(stage, sample).name), DEFAULT_PARAMETERS)

    def fitted(self, request: Request) -> Request:
        """A stage's request with the parameters of its model, which win over what the stage asks for."""
        own = self.parameters_of(request.key.stage, request.key.sample)
        if own == request.parameters:
            return request
        temperature = request.temperature if own.temperature is None else own.temperature
        longest = own.longest_answer(request.max_tokens)
        return replace(request, temperature=temperature, max_tokens=longest, parameters=own)

    def distinct(self) -> tuple[Model, ...]:
        """Every model once, whatever its roles."""
        judges = () if self.judge is None else (self.judge,)
        return tuple({id(model): model for model in (self.primary, self.scan, *self.writers, *judges)}.values())

    async def close(self) -> None:
        """Release the connections of all."""
        for model in self.distinct():
            await model.close()


def call_parameters(settings: Settings, role: Role, name: str) -> Parameters:
    """The parameters of a model in a role that shape its answers."""
    if not (settings.models.get(name) or settings.models.get(role)):
        return DEFAULT_PARAMETERS
    given = parameters_of(settings, role, name).given()
    return Parameters(**{field: value for field, value in given.items() if field not in CONNECTION})


def stage_answer(settings: Settings, role: Role) -> int:
    """Maximum answer length that the stages of a role ask for, in tokens."""
    if role == "writer":
        return settings.generation.max_tokens
    return settings.selection.max_tokens if role == "judge" else settings.context.max_tokens


def longest_answer(settings: Settings, role: Role) -> int:
    """Maximum answer length of the models of a role, thinking included, in tokens."""
    asked = stage_answer(settings, role)
    lengths = [call_parameters(settings, role, name).longest_answer(asked) for name in names_of(settings, role)]
    return max(lengths, default=asked)
