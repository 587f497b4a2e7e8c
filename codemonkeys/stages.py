"""The stages of the pipeline and the modes of its context stage, each defined once; every table about them reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

Role = Literal["scan", "primary", "writer", "judge"]
"""Which model of a run answers: the cheap one that reads every file, the primary one, one of those that write tests and
edits, or the one that judges them."""
ROLES: tuple[Role, ...] = get_args(Role)
Phase = Literal["context", "generation", "selection"]
Form = Literal["digest", "outline", "whole"]
"""How much of a file the scan model reads."""


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline. Its name is part of every step's key, and so of stored journals: it never changes."""

    name: str
    phase: Phase
    """Where `status` says a task is once it has taken a step of this stage."""
    priority: int
    """Steps of a higher priority go first, so that tasks end early."""
    role: Role | None = None
    """Which model answers; None for a stage that only executes."""
    reserve: str | None = None
    """The reserve that its calls draw on: the name of the first stage that shares it. None: what is not reserved."""
    always: bool = False
    """Part of every run, whatever its settings."""
    per_sample: bool = False
    """Held once for each sample or candidate, and listed so by `show`."""
    exported: bool = False
    """Its conversations are exported message by message; others are summed up."""
    evidence: tuple[str, ...] = ()
    """Fields of `selection.evidence.Evidence` that it takes part in making."""
    shortened_by: tuple[str, ...] = ()
    """Settings that make its prompts shorter."""

    @property
    def answer_length(self) -> str:
        """The setting with the maximum answer length of its calls."""
        return f"{self.section}.max_tokens"

    @property
    def section(self) -> str:
        """The section of the settings that its conversations are bounded by."""
        return "generation" if self.role == "writer" else self.phase

    def __str__(self) -> str:
        return self.name


TESTED = ("edited", "ballots", "conversation", "matches")
"""Evidence that rests on test scripts and their votes."""

ENVIRONMENT = Stage("environment", "context", 1)
DIGEST = Stage("digest", "context", 1, "scan", reserve="relevance", shortened_by=("context.outline_batch_tokens",))
RELEVANCE = Stage(
    *("relevance", "context", 1, "scan"),
    reserve="relevance",
    always=True,
    shortened_by=("context.file_tokens", "context.batch_tokens", "context.outline_batch_tokens"),
)
RANK = Stage("rank", "context", 2, "primary", reserve="rank", always=True, exported=True)
TEST = Stage(
    *("test", "generation", 2, "writer"),
    always=True,
    per_sample=True,
    exported=True,
    evidence=TESTED,
    shortened_by=("context.test_tokens", "sandbox.output_characters"),
)
EDIT = Stage(
    *("edit", "generation", 3, "writer"),
    reserve="edit",
    always=True,
    per_sample=True,
    exported=True,
    shortened_by=("context.tokens",),
)
AGENT = Stage(
    *("agent", "generation", 3, "writer"),
    reserve="edit",
    per_sample=True,
    exported=True,
    evidence=TESTED,
    shortened_by=("agent.history_tokens", "context.tokens"),
)
BRANCH = Stage(
    *("branch", "generation", 3, "writer"),
    per_sample=True,
    shortened_by=("agent.history_tokens", "context.tokens"),
)
PRUNE = Stage(
    *("prune", "generation", 4, "judge"),
    shortened_by=("context.tokens",),
)
MEMORY = Stage("memory", "generation", 4)
DISTILL = Stage(
    *("distill", "generation", 4, "scan"),
    per_sample=True,
    shortened_by=("generation.distill_characters",),
)
VOTES = Stage("votes", "selection", 5, evidence=TESTED)
REGRESSION = Stage("regression", "selection", 6, evidence=("breaks",))
CHANGED = ("context.tokens",)
"""What bounds the files that candidates change, which these stages show."""
COMPARE = Stage(
    *("compare", "generation", 4, "judge"),
    per_sample=True,
    shortened_by=(*CHANGED, "selection.evidence_tokens"),
)
CRITIQUE = Stage(
    *("critique", "generation", 4, "judge"),
    per_sample=True,
    shortened_by=CHANGED,
)
RERANK = Stage(
    *("rerank", "generation", 4, "judge"),
    per_sample=True,
    shortened_by=CHANGED,
)
FUSE = Stage(
    *("fuse", "generation", 4, "writer"),
    per_sample=True,
    exported=True,
    shortened_by=("context.tokens",),
)
VERIFY = Stage("verify", "generation", 4)
JUDGE = Stage(
    *("judge", "selection", 7, "judge"),
    reserve="select",
    per_sample=True,
    evidence=("scores",),
    shortened_by=CHANGED,
)
BALLOT = Stage(
    *("ballot", "selection", 8, "judge"),
    reserve="select",
    per_sample=True,
    evidence=("ballots",),
    shortened_by=(*CHANGED, "selection.candidates"),
)
TOURNAMENT = Stage(
    *("tournament", "selection", 8, "judge"),
    reserve="select",
    per_sample=True,
    evidence=("matches",),
    shortened_by=(*CHANGED, "selection.evidence_tokens"),
)
SELECT = Stage(
    *("select", "selection", 9, "judge"),
    reserve="select",
    always=True,
    per_sample=True,
    exported=True,
    evidence=("conversation",),
    shortened_by=(*CHANGED, "selection.candidates"),
)

STAGES = {
    stage.name: stage
    for stage in (
        *(ENVIRONMENT, DIGEST, RELEVANCE, RANK, TEST, EDIT, AGENT),
        *(BRANCH, PRUNE, MEMORY, DISTILL, COMPARE, CRITIQUE, RERANK, FUSE, VERIFY),
        *(VOTES, REGRESSION, JUDGE, BALLOT, TOURNAMENT, SELECT),
    )
}
"""All stages by name, in the order in which reports list them."""

ASKING = tuple(stage for stage in STAGES.values() if stage.role is not None)
"""Stages that call a model."""

TRAJECTORY = tuple(stage.name for stage in ASKING if stage.role == "writer" and stage.exported)
"""Stages whose conversations, under the number of a sample, are the trajectory that makes its candidate."""

PER_TRAJECTORY = tuple(stage.name for stage in (TEST, EDIT, AGENT, BRANCH))
"""Stages that every further trajectory pays for."""

RESERVES = tuple(dict.fromkeys(stage.reserve for stage in ASKING if stage.reserve is not None))
"""Names of the reserves, in the order in which a task uses them up."""

BEGIN = 0
"""Priority of a task that has not begun: below every stage."""


def stage_of_choice(stage: str, choice: str) -> str:
    """A stage as a named choice takes it, `judge@NAME`: its steps and their costs stand apart. The run's own: ''."""
    return f"{stage}@{choice}" if choice else stage


def base_stage(stage: str) -> str:
    """The stage that a named choice takes, without the choice."""
    return stage.partition("@")[0]


def choice_of(stage: str) -> str:
    """The named choice that takes a stage; empty for the run itself."""
    return stage.partition("@")[2]


@cache
def role_of(stage: str) -> Role:
    """The role whose model answers a stage; of one that is not known here, the primary one."""
    stage = base_stage(stage)
    return (STAGES[stage].role if stage in STAGES else None) or "primary"


@cache
def priority_of(stage: str) -> int:
    """The priority of a stage; of one that is not known here, the highest."""
    stage = base_stage(stage)
    return STAGES[stage].priority if stage in STAGES else max(s.priority for s in STAGES.values()) + 1


@cache
def reserve_of(stage: str) -> str:
    """The name of the reserve that a stage draws on; of a stage without one, its own name."""
    stage = base_stage(stage)
    return (STAGES[stage].reserve if stage in STAGES else None) or stage


@cache
def sharing(reserve: str) -> tuple[str, ...]:
    """Stages that draw on a reserve, or the stage of that name where there is no such reserve."""
    return tuple(stage.name for stage in ASKING if stage.reserve == reserve) or (reserve,)


@dataclass(frozen=True)
class ContextMode:
    """How relevance reads the files of a repository."""

    name: str
    forms: tuple[Form, ...]
    """How a file is read, shortest form first; each longer form only of files that the one before did not rule out."""

    lexical: bool = False
    """Only the files that share most words with the issue are read, and those that the model asks for beyond."""

    @property
    def passes(self) -> int:
        """How often the files are paid for at most: once for each form, and once to make the digests."""
        return len(self.forms) + ("digest" in self.forms)


CONTEXT_MODES = {
    mode.name: mode
    for mode in (
        ContextMode("full", ("whole",)),
        ContextMode("outline", ("outline", "whole")),
        ContextMode("digest", ("digest", "outline", "whole")),
        ContextMode("lexical", ("outline", "whole"), lexical=True),
    )
}
