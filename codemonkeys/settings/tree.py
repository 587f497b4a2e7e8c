"""The settings tree: every setting with its default, its bounds and its description."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from codemonkeys.settings.agent_settings import AgentSettings
from codemonkeys.settings.compute_settings import ComputeSettings
from codemonkeys.settings.layers import LayerName, checked_layers
from codemonkeys.settings.model_settings import ModelSettings, checked_variable
from codemonkeys.settings.sandbox_settings import ClusterSettings, SandboxSettings
from codemonkeys.settings.search_settings import SearchSettings
from codemonkeys.settings.section import RegularFile, Section
from codemonkeys.settings.selection_settings import SelectionSettings


class ContextSettings(Section):
    """Which files of the repository a model sees."""

    mode: Literal["full", "outline", "digest", "lexical"] = "full"
    """How relevance reads a file. `full`: the whole file. `outline`: the outline first, then the whole file unless the
    outline rules it out. `digest`: a short summary before both, generated once and shared by all tasks and runs.
    `lexical`: as `outline`, but only the files that share most words with the issue, and those that the model asks for
    beyond."""
    lexical_files: int = Field(30, ge=1)
    """For mode `lexical`: number of files that relevance reads first, and at most beyond."""
    digests: RegularFile | None = None
    """Path of the digest store; by default a file in CODEMONKEYS_HOME or the user's cache folder."""
    tests: bool = False
    """Also read files in test folders."""
    also: tuple[str, ...] | None = None
    """Names of files that relevance reads beside source, such as [*.html, conf/*.yaml, docs]; `docs` is documentation
    that tests name. By default what fixes in the task's language change, see the page on languages."""
    also_files: int = Field(100, ge=0)
    """Maximum number of those; of more, the ones that share most words with the issue."""
    batch_tokens: int = Field(4_000, ge=0)
    """Maximum tokens per call when small files are batched."""
    outline_batch_tokens: int = Field(12_000, ge=0)
    """Maximum tokens per call when outlines and digests are batched."""
    file_tokens: int = Field(100_000, ge=1_000)
    """Files longer than this, in tokens, are read as outlines."""
    rankings: int = Field(3, ge=1)
    """Number of rankings of the relevant files; they are merged by mean relative rank."""
    aim_tokens: int = Field(60_000, ge=0)
    """Context size, in tokens, that a ranking is asked to aim for."""
    most_tokens: int = Field(120_000, ge=0)
    """Maximum context size, in tokens, that a ranking may choose."""
    tokens: int = Field(128_000, ge=0)
    """Maximum context size in tokens; files are added in rank order."""
    around_tokens: int = Field(16_000, ge=0)
    """Maximum tokens, within `tokens`, of files that define what the issue names, or import, call or test the chosen
    ones, which no ranking chose; at most a quarter of what the chosen ones take, or of this if that is more."""
    test_tokens: int = Field(16_000, ge=0)
    """Maximum tokens of the repository that a test conversation sees: the nearest existing test, chosen files whole
    where each takes at most half of what is left, and outlines of the others; 0 shows none."""
    max_tokens: int = Field(4_096, ge=1)
    """Maximum answer length of a relevance or ranking call, in tokens."""
    fit: Literal["lower", "refuse"] = "lower"
    """What to do when these settings ask for more than a model's window holds, as far as that is known. `lower`: lower
    `file_tokens`, the batches, `tokens` and what else fills prompts, and say so. `refuse`: do not begin the run."""
    token_margin: float = Field(1.25, ge=1, le=4)
    """By how much models may count more tokens than we do (cl100k), when their windows are filled."""


class GenerationSettings(Section):
    """Number and length of the trajectories, each of which writes a test script and an edit."""

    samples: int = Field(10, ge=1)
    """Trajectories per task."""
    kinds: tuple[Literal["edit", "agent"], ...] = Field(("edit",), min_length=1)
    """Kinds of trajectories, assigned round-robin, so that each model gets each kind. `edit`: a test conversation, then
    an edit conversation, of few turns, which see what the context stage found. `agent`: looks around by commands in a
    sandbox (section `agent`)."""
    branch: bool = False
    """Agents of a wave and of one model share what the first of them does, up to steps where sampled next commands
    disagree. It costs fewer tokens than as many independent agents (EGSS, arXiv 2602.05242), and takes longer."""
    test_turns: int = Field(4, ge=1)
    """Maximum model calls per test conversation; malformed answers count."""
    edit_turns: int = Field(4, ge=1)
    """Maximum model calls per edit conversation; malformed answers count."""
    early_tests: bool = False
    """Write tests while the context is being found, from the issue alone. A task takes less time and `test` fewer
    tokens, but tests that see no line of the repository are more often wrong."""
    temperature: float = Field(0.5, ge=0, le=2)
    """Sampling temperature; with `readings` it is what makes trajectories differ."""
    max_tokens: int = Field(8_192, ge=1)
    """Maximum answer length per turn, in tokens."""
    models: tuple[str, ...] = ()
    """Models that write tests and edits, assigned to trajectories round-robin; by default the primary model."""
    wave: int | None = Field(None, ge=1)
    """Trajectories per wave; a wave starts when the one before has finished. By default all run in one wave."""
    diversity: Literal["none", "memory", "distill", "evoscale"] = "none"
    """What a wave is told of earlier ones. `memory`: what they tried and how it failed, to steer it elsewhere; models
    not trained for it may get worse (EvoScale, arXiv 2505.23604). `distill`: summaries of the best few, made by the
    scan model, so that it begins where they ended (Parallel-Distill-Refine, arXiv 2604.16529). `evoscale`: the best few
    by tests, to review first, as long as tests accept none (EvoScale)."""
    parents: int = Field(5, ge=1)
    """For `evoscale`: number of candidates that a wave reviews."""
    distill_best: int = Field(3, ge=1)
    """For `distill`: number of trajectories that a wave is told of."""
    distill_by: Literal["evidence", "tournament"] = "evidence"
    """For `distill`: what ranks them: `selection.shortlist`, by tests alone, or a tournament besides."""
    distill_characters: int = Field(32_000, ge=1_000)
    """For `distill`: maximum characters of a trajectory from which its summary is made; the oldest are left out."""
    readings: bool = True
    """Ask each trajectory but the first for a different reading of the issue (template `edit.reading`), unless it is
    shown what earlier waves tried."""
    memory_characters: int = Field(6_000, ge=500)
    """Maximum characters of patches and outputs of earlier waves that a trajectory is shown."""
    layers: tuple[LayerName, ...] = ("generate",)
    """What becomes of candidates before one is selected (Archon, arXiv 2409.15254), in order. `generate`: trajectories.
    `critique`: a call for each candidate on its strengths and faults. `rank`: a call that orders them. `fuse`: one more
    trajectory, which merges the best. `verify`: that stays only if tests find it no worse than what it merges."""
    fuse_best: int = Field(5, ge=2)
    """For layer `fuse`: number of candidates that are merged."""
    repository_tests: bool = True
    """After an edit run the repository's own tests that concern it, chosen and limited as for `selection.regression_*`,
    and show the model which fail."""

    def kind_of(self, sample: int) -> str:
        """The kind of a trajectory."""
        return self.kinds[sample // max(1, len(self.models)) % len(self.kinds)]

    def count(self, kind: str) -> int:
        """How many trajectories of a task are of a kind."""
        return sum(self.kind_of(sample) == kind for sample in range(self.samples))

    @field_validator("layers")
    @classmethod
    def _layers_in_order(cls, layers: tuple[LayerName, ...]) -> tuple[LayerName, ...]:
        return checked_layers(layers)

    @model_validator(mode="after")
    def _memory_needs_waves(self) -> GenerationSettings:
        if self.diversity != "none" and self.wave is None:
            raise ValueError(f"diversity={self.diversity} needs more than one wave: set wave too, such as wave=2")
        return self


class ModelLimits(Section):
    """Concurrency and rate limits of one model."""

    calls: int | None = Field(None, ge=1)
    """Maximum concurrent calls."""
    requests_a_minute: float | None = Field(None, gt=0)
    """Rate limit in requests per minute, retries included."""
    tokens_a_minute: float | None = Field(None, gt=0)
    """Rate limit in tokens per minute, prompts (estimated locally) and answers together."""
    token_ratio: float | None = Field(None, ge=1)
    """Tokens that the provider may count for one of the cl100k vocabulary, in upper bounds."""
    reasoning_beside: bool | None = None
    """Whether reasoning may come on top of the maximum answer length, in upper bounds."""


class BatchSettings(Section):
    """Calls through the provider's batch API, at about half the price and within a day (OpenAI and Anthropic)."""

    stages: tuple[Literal["digest", "relevance", "rank", "judge", "ballot"], ...] = ()
    """Stages whose first calls go in batches; `--batch` stands for digest, relevance and rank."""
    linger_seconds: float = Field(10.0, ge=0)
    """A batch is submitted when no call has joined it for so long, or when it is full."""
    poll_seconds: float = Field(30.0, gt=0)
    """Time to the second poll of a batch; it grows by half with each, up to ten minutes."""
    hours: float = Field(25.0, gt=0)
    """A batch that has not ended by then is cancelled, and what it has not answered goes out call by call."""


class OperationSettings(Section):
    """How a run is carried out; these do not affect results and may change when a run is resumed."""

    api_base: str | None = None
    """Base URL of an OpenAI-compatible endpoint, used for all hosted models."""
    key_variable: str | None = None
    """Environment variable that holds the key for all hosted models; by default the one that litellm reads."""
    transport: Literal["auto", "litellm"] = "auto"
    """`auto` asks an OpenAI-compatible endpoint at `api_base` directly; `litellm` goes through litellm there too."""
    prices: RegularFile | None = None
    """Model registry file (JSON, as in LITELLM_MODEL_REGISTRY_PATH) with prices of models unknown to litellm."""
    budget: float | None = Field(None, gt=0)
    """Budget of the whole run in US dollars; a call that could exceed it is not sent."""
    task_budget: float | None = Field(None, gt=0)
    """Budget of one task in US dollars."""
    selection_share: float = Field(0.1, ge=0, lt=1)
    """Share of a started task's part of the budget that is reserved for its selection stage."""
    tasks: int = Field(16, ge=1)
    """Maximum concurrent tasks; another starts only when there is capacity for model calls and none is queued."""
    calls: int = Field(32, ge=1)
    """Maximum concurrent calls per model; lowered while the provider reports too many requests."""
    requests_a_minute: float | None = Field(None, gt=0)
    """Rate limit per model in requests per minute, retries included."""
    tokens_a_minute: float | None = Field(None, gt=0)
    """Rate limit per model in tokens per minute, prompts (estimated locally) and answers together."""
    token_ratio: float | None = Field(None, ge=1)
    """Tokens that a provider may count for one of the cl100k vocabulary, in upper bounds of costs; by default 1.25 for
    OpenAI's own models, else 2.3, and more once a provider has counted more."""
    reasoning_beside: bool | None = None
    """Whether reasoning may come on top of the maximum answer length, in upper bounds of costs; by default yes, unless
    the provider is known to count it within."""
    models: dict[str, ModelLimits] = Field(default_factory=dict[str, ModelLimits])
    """Overrides of the last five by model name, such as {openai/gpt-4o: {calls: 8, tokens_a_minute: 30000}}."""
    batch: BatchSettings = BatchSettings()
    executions: int | None = Field(None, ge=1)
    """Maximum concurrent executions; by default one per core of this machine, or of the cluster."""
    executions_memory_mb: int | None = Field(None, ge=1)
    """Memory for all concurrent executions in MiB, each counted at its limit; one is always allowed. By default four
    fifths of this machine's, or that of the cluster."""
    cluster: ClusterSettings = ClusterSettings()
    keep_images: int | None = Field(None, ge=0)
    """Maximum number of container images that stay once their tasks have ended, the last used; those that codemonkeys
    pulled before are removed, with their copies. By default all stay."""
    call_seconds: float = Field(600.0, gt=0)
    """Timeout of one model call, in seconds."""
    attempts: int = Field(8, ge=1)
    """Maximum attempts per model call on transient errors."""
    cache_ttl: Literal["auto", "5m", "1h"] = "auto"
    """How long providers that can be asked (Anthropic, also through Bedrock and OpenRouter) keep what is cached. An
    hour costs 2 instead of 1.25 times the price of what is written. `auto`: an hour if two executions between turns may
    take longer than five minutes, by `sandbox.seconds`."""
    empty_answers: int = Field(8, ge=0)
    """Stop the run when this number of answers of a stage have come and all are empty or cut at their length, as of a
    model that thinks until nothing is left for the answer; 0 never stops it."""

    @field_validator("key_variable")
    @classmethod
    def _is_kept_secret(cls, name: str | None) -> str | None:
        return checked_variable(name)

    def limits_of(self, model: str) -> ModelLimits:
        """The limits of one model: its own, else the defaults for all models."""
        own = self.models.get(model, ModelLimits())
        return ModelLimits(
            calls=own.calls or self.calls,
            requests_a_minute=own.requests_a_minute or self.requests_a_minute,
            tokens_a_minute=own.tokens_a_minute or self.tokens_a_minute,
            token_ratio=own.token_ratio or self.token_ratio,
            reasoning_beside=self.reasoning_beside if own.reasoning_beside is None else own.reasoning_beside,
        )


CACHE_SECONDS = 300
"""How long providers keep what is cached unless asked for more."""


class Settings(BaseSettings):
    """The settings of a run."""

    model_config = SettingsConfigDict(
        env_prefix="CODEMONKEYS_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    model: str | None = None
    """Primary model: a litellm name (`anthropic/...`, `openai/...`), `fake`, `replay:FILE`, the name of a model that
    another package provides, or `module:attribute`."""
    scan_model: str | None = None
    """Cheap model that reads every file; by default the primary model."""
    models: dict[str, ModelSettings] = Field(default_factory=dict[str, ModelSettings])
    """Parameters by role (scan, primary, writer, judge) or model name, such as {writer: {effort: high}}; those of the
    role win. Concurrency and rate limits are in operation.models."""
    prompts: Path | None = None
    """Folder with templates that override built-in ones of the same name."""
    context: ContextSettings = ContextSettings()
    generation: GenerationSettings = GenerationSettings()
    agent: AgentSettings = AgentSettings()
    compute: ComputeSettings = ComputeSettings()
    search: SearchSettings = SearchSettings()
    selection: SelectionSettings = SelectionSettings()
    sandbox: SandboxSettings = SandboxSettings()
    operation: OperationSettings = OperationSettings()

    @property
    def shows_files(self) -> bool:
        """Whether any trajectory is shown what the context stage finds."""
        return bool(self.generation.count("edit")) or self.agent.context != "none"

    @property
    def keeps_caches_an_hour(self) -> bool:
        """Whether providers are asked to keep what is cached for an hour."""
        ttl = self.operation.cache_ttl
        return ttl == "1h" or (ttl == "auto" and 2 * self.sandbox.seconds > CACHE_SECONDS)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit values first, then the environment; no other source."""
        return init_settings, env_settings
