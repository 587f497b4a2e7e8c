"""The tree of settings: every setting with its default, its limits and what it means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class Section(BaseModel):
    """A part of the tree; unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ContextSettings(Section):
    """Which files of the codebase a model sees."""

    mode: Literal["full", "outline", "digest"] = "full"
    """How relevance reads a file. `full`: whole. `outline`: its outline first, the whole only if that does not rule it
    out. `digest`: before these a few words about it, which are made once and shared by all tasks and runs."""
    digests: Path | None = None
    """File of the store of digests; one in the folder CODEMONKEYS_HOME or the user's cache folder if not given."""
    tests: bool = False
    """Also read files in test folders."""
    batch_tokens: int = Field(4_000, ge=0)
    """Small files are read several to a call, up to this many tokens a call."""
    outline_batch_tokens: int = Field(12_000, ge=0)
    """Outlines and digests are read several to a call, up to this many tokens a call."""
    file_tokens: int = Field(100_000, ge=1_000)
    """A file longer than this is read as its outline."""
    rankings: int = Field(3, ge=1)
    """How often the relevant files are ranked; the rankings are merged by mean relative rank."""
    aim_tokens: int = Field(60_000, ge=0)
    """How much context a ranking is asked to aim at."""
    most_tokens: int = Field(120_000, ge=0)
    """How much context a ranking may choose at most."""
    tokens: int = Field(128_000, ge=0)
    """The context is filled in rank order up to this many tokens."""
    max_tokens: int = Field(4_096, ge=1)
    """Longest answer of a relevance or ranking call, in tokens."""


class GenerationSettings(Section):
    """How many trajectories write an edit and a test, and how long each may take."""

    samples: int = Field(10, ge=1)
    """Trajectories for each task."""
    test_turns: int = Field(4, ge=1)
    """Model calls of a test conversation at most; malformed answers count."""
    edit_turns: int = Field(4, ge=1)
    """Model calls of an edit conversation at most; malformed answers count."""
    temperature: float = Field(0.5, ge=0, le=2)
    """Sampling temperature; it is what makes trajectories differ."""
    max_tokens: int = Field(8_192, ge=1)
    """Longest answer of one turn, in tokens."""
    models: tuple[str, ...] = ()
    """Models that write tests and edits, in turn by trajectory; the primary model alone if none is given."""
    wave: int | None = Field(None, ge=1)
    """Trajectories of one wave; the next wave begins when they have ended. All in one wave if not given."""
    diversity: Literal["none", "memory"] = "none"
    """`memory` shows trajectories what those of earlier waves tried and how it failed, so that they try otherwise. It
    makes candidates differ; models not trained for it may get worse by it (EvoScale, arXiv 2505.23604)."""
    memory_characters: int = Field(6_000, ge=500)
    """Of what earlier waves tried, shown to a trajectory at most."""

    @model_validator(mode="after")
    def _memory_needs_waves(self) -> GenerationSettings:
        if self.diversity == "memory" and self.wave is None:
            raise ValueError("diversity=memory needs waves that come after each other: give wave too, such as wave=2")
        return self


class SelectionSettings(Section):
    """How one candidate is chosen."""

    rule: str = "conversation"
    """`conversation`: the selection conversation on the shortlist; `judge`: the belief of a judge on all candidates;
    `top judge`: the same on the shortlist; `hybrid`: the better half by a judge, then tests; `ballots`: several
    conversations in shuffled order; a rule that calls no model, by its name in `codemonkeys study`; or a rule of your
    own, as `module:attribute`."""
    shortlist: str = "tests then agreement"
    """Rule, calling no model, that chooses the shortlist, and decides where the model does not."""
    candidates: int = Field(3, ge=1)
    """Candidates of the shortlist, best first, that go to the selection conversation."""
    turns: int = Field(10, ge=0)
    """Model calls of the selection conversation at most; 0 takes the first of the shortlist."""
    max_tokens: int = Field(8_192, ge=1)
    """Longest answer of one turn, in tokens."""
    judge_samples: int = Field(5, ge=1)
    """How often the judge is asked of one candidate; its belief is the share of yes."""
    ballots: int = Field(5, ge=1)
    """Ballots at most; they end as soon as one choice has more than half of them."""
    regression_files: int = Field(5, ge=0)
    """The repository's own test files to run on every candidate, those that matter most to what it touches; 0: none."""
    regression_seconds: float = Field(120.0, gt=0)
    """Wall-clock time of these tests on the unedited code; a candidate may take twice as long."""
    stop: bool = False
    """Decide after each wave (`generation.wave`) whether another one pays, the best candidate is to be trusted, or none
    is and the task ends without a prediction (arXiv 2411.17501)."""
    wrong_worth: float = Field(-0.5, le=0)
    """For `stop`: what a wrong patch is worth, where a right one is worth 1 and none is worth 0."""
    sample_cost: float = Field(0.0, ge=0)
    """For `stop`: what one trajectory costs, in the same unit."""
    accepts_right: float = Field(0.96, gt=0, lt=1)
    """For `stop`: how often a right candidate passes most tests and breaks nothing. An assumption, of the order of what
    Trae Agent reports for regression tests (arXiv 2507.23370); `codemonkeys study` measures it."""
    refuses_wrong: float = Field(0.67, gt=0, lt=1)
    """For `stop`: how often a wrong candidate does not. See `accepts_right`."""


class SandboxSettings(Section):
    """What one execution of a script may use."""

    kind: str = Field("auto", min_length=1)
    """Where scripts run: `local`, `docker`, another sandbox by its name or as `module:attribute`, or `auto`: the first
    that works here for all tasks, `local` before `docker`."""
    seconds: float = Field(100.0, gt=0)
    """Wall-clock time of one execution."""
    memory_mb: int = Field(4_096, ge=64)
    """Memory of one execution, in MiB."""
    processes: int = Field(256, ge=8)
    """Processes and threads of one execution."""
    reuse: bool = False
    """Keep a container for the candidate's next script if the last one left nothing in it; `docker` only."""
    output_characters: int = Field(8_192, ge=256)
    """Output shown to a model; more is cut in the middle."""


class ModelLimits(Section):
    """What the calls of one model may take up at one time."""

    calls: int | None = Field(None, ge=1)
    """Model calls in flight at one time."""
    requests_a_minute: float | None = Field(None, gt=0)
    """Requests a minute, those asked again included."""
    tokens_a_minute: float | None = Field(None, gt=0)
    """Tokens a minute, of prompts (as counted here) and answers."""


class OperationSettings(Section):
    """How a run is carried out; these decide no answer and may change when a run is resumed."""

    api_base: str | None = None
    """Address of an OpenAI-compatible endpoint, for both models."""
    prices: Path | None = None
    """Model registry file (JSON as LITELLM_MODEL_REGISTRY_PATH has it) with prices of models that litellm lacks."""
    budget: float | None = Field(None, gt=0)
    """US dollars the whole run may cost; no call goes out that could pass it."""
    task_budget: float | None = Field(None, gt=0)
    """US dollars one task may cost."""
    selection_share: float = Field(0.1, ge=0, lt=1)
    """Share of a begun task's part of the budget that only its selection stage may use."""
    tasks: int = Field(16, ge=1)
    """Tasks in work at one time at most; another begins only while model calls could go out and none waits."""
    calls: int = Field(32, ge=1)
    """Model calls in flight at one time, for each model; fewer while the provider says that it is too many."""
    requests_a_minute: float | None = Field(None, gt=0)
    """Requests a minute, for each model, those asked again included."""
    tokens_a_minute: float | None = Field(None, gt=0)
    """Tokens a minute, for each model, of prompts (as counted here) and answers."""
    models: dict[str, ModelLimits] = Field(default_factory=dict[str, ModelLimits])
    """The last three for single models by name, such as {openai/gpt-4o: {calls: 8, tokens_a_minute: 30000}}."""
    executions: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Executions at one time."""
    executions_memory_mb: int = Field(default_factory=lambda: memory_mb() * 4 // 5, ge=1)
    """MiB that executions may take together, each counted with what it may use; one always runs."""
    call_seconds: float = Field(600.0, gt=0)
    """Longest wait for one answer, in seconds."""
    attempts: int = Field(8, ge=1)
    """Attempts of one model call that fails for a passing reason."""

    def limits_of(self, model: str) -> ModelLimits:
        """The limits of one model: its own, else those of all."""
        own = self.models.get(model, ModelLimits())
        return ModelLimits(
            calls=own.calls or self.calls,
            requests_a_minute=own.requests_a_minute or self.requests_a_minute,
            tokens_a_minute=own.tokens_a_minute or self.tokens_a_minute,
        )


def memory_mb() -> int:
    """Memory of this machine, in MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


class Settings(BaseSettings):
    """The settings of a run."""

    model_config = SettingsConfigDict(
        env_prefix="CODEMONKEYS_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    model: str | None = None
    """Primary model: a litellm name (`anthropic/...`, `openai/...`), `fake`, `replay:FILE`, one that another package
    has installed, or `module:attribute`."""
    scan_model: str | None = None
    """Cheap model that reads every file; the primary model if not given."""
    prompts: Path | None = None
    """Folder whose templates replace those of the same name."""
    context: ContextSettings = ContextSettings()
    generation: GenerationSettings = GenerationSettings()
    selection: SelectionSettings = SelectionSettings()
    sandbox: SandboxSettings = SandboxSettings()
    operation: OperationSettings = OperationSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values first, then the environment; nothing else is read."""
        return init_settings, env_settings
