"""How tasks end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from codemonkeys.errors import (
    BadInput,
    BudgetReached,
    CodeMonkeysError,
    EnvironmentFailed,
    ExecutionFailed,
    JournalError,
    ModelError,
    RetriesExhausted,
    RunInterrupted,
)
from codemonkeys.selection.deciding import Choice
from sandboxes.base import SandboxError


class State(StrEnum):
    """How a task ended, as the journal has it."""

    PREDICTED = "predicted"
    """A patch was chosen."""
    NO_CANDIDATE = "no candidate"
    """No trajectory ended with an edit that applies."""
    ABSTAINED = "abstained"
    """None of the candidates is to be trusted."""
    DIGESTED = "digested"
    """The digests of its repository are made; no more was asked for."""
    OVER_BUDGET = "over budget"
    ENVIRONMENT_FAILED = "environment failed"
    SANDBOX_FAILED = "sandbox failed"
    MODEL_FAILED = "model failed"
    FAILED = "failed"
    """A fault of codemonkeys itself."""


FINAL = frozenset({State.PREDICTED, State.NO_CANDIDATE, State.ABSTAINED, State.DIGESTED})
"""States that a resumed run leaves as they are; every other task is taken up again."""


@dataclass(frozen=True)
class TaskResult:
    """How a task ended, in this session or in an earlier one."""

    task: str
    state: str
    reason: str
    may_pass: bool = False
    """The infrastructure failed: another attempt may end otherwise."""


class Digested(NamedTuple):
    """What a task comes to whose repository is only read ahead."""

    reason: str


def state_of_choice(choice: Choice | Digested | None, ended_early: Sequence[Exception]) -> tuple[State, str]:
    """State and reason of a task whose pipeline came to its end."""
    if isinstance(choice, Digested):
        return State.DIGESTED, choice.reason
    if choice is not None:
        return State.ABSTAINED if choice.number is None else State.PREDICTED, choice.reason
    for error in ended_early:
        if isinstance(error, BudgetReached):
            return State.OVER_BUDGET, str(error)
    early = "; ".join(dict.fromkeys(str(error) for error in ended_early))
    return State.NO_CANDIDATE, early or "no trajectory ended with an edit that applies"


def state_of_error(error: Exception) -> State:
    """State of a task that an error ended."""
    match error:
        case BudgetReached():
            return State.OVER_BUDGET
        case EnvironmentFailed() | SandboxError():
            return State.ENVIRONMENT_FAILED
        case ExecutionFailed():
            return State.SANDBOX_FAILED
        case ModelError():
            return State.MODEL_FAILED
        case _:
            return State.FAILED


def said_of(error: Exception) -> str:
    """What an error tells of a task's end: its message, with the kind of one that nobody raised on purpose."""
    if isinstance(error, CodeMonkeysError | SandboxError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def is_infrastructure(error: Exception) -> bool:
    """Whether it was the infrastructure that failed, so that another attempt may end otherwise."""
    return isinstance(error, EnvironmentFailed | SandboxError | ExecutionFailed | RetriesExhausted)


def concerns_the_run(error: Exception) -> bool:
    """Whether an error ends the whole run and not one task."""
    return isinstance(error, BadInput | JournalError)


def gravest(error: Exception) -> Exception:
    """The error to act on among those of a group: what concerns the whole run, then an interruption, then the first."""
    if not isinstance(error, ExceptionGroup):
        return error
    errors = [gravest(inner) for inner in error.exceptions]
    for kind in (BadInput | JournalError, RunInterrupted):
        for inner in errors:
            if isinstance(inner, kind):
                return inner
    return errors[0]
