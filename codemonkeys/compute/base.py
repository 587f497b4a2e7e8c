"""What a policy is, what it knows, and what it can decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.stop_policy import Decision, StopPolicy
from codemonkeys.settings import ComputeSettings, GenerationSettings, SelectionSettings


class Counts(NamedTuple):
    """How far a task is: samples drawn, and those among them that tests accept."""

    drawn: int
    accepted: int


@dataclass(frozen=True)
class PolicyInput:
    """All that a policy knows when it decides about a task. No labels: evidence, money, and settings."""

    evidence: Evidence | None
    """Of the candidates so far; None if there are none."""
    drawn: int
    """Trajectories that have ended, with or without a candidate."""
    running: int
    """Trajectories of the wave that have not; 0 unless the policy decides at each end."""
    tests: int
    """Test conversations held beside those of trajectories."""
    spent: float
    """US dollars that the task has cost so far."""
    sample_cost: float
    """Mean cost of a trajectory of this task in US dollars; 0 if prices are unknown."""
    left: float | None
    """US dollars left of the run's budget for generating, over all tasks; None without a budget."""
    others: tuple[Counts, ...]
    """Other tasks that have decided on another wave, as they stood then."""
    waiting: int
    """Other tasks that have not ended and have not decided yet."""
    forecast: StopPolicy
    """Distribution over tasks of the probability that a sample is right, and how often tests err about one."""
    compute: ComputeSettings
    generation: GenerationSettings
    selection: SelectionSettings

    @property
    def next_wave(self) -> int:
        """Trajectories of the next wave by the settings; 0 once all samples are drawn."""
        samples = self.generation.samples
        return max(0, min(self.generation.wave or samples, samples - self.drawn))


@dataclass(frozen=True)
class Allocation:
    """What a task gets next. What goes beyond the settings' limits is cut to them."""

    decision: Decision
    samples: int = 0
    """Trajectories of the next wave."""
    kind: str | None = None
    """Their kind; by default the kinds of the settings in turn."""
    model: str | None = None
    """Name of their model; by default the models of the settings in turn."""
    turns: int | None = None
    """Maximum turns of each of their conversations, or steps of an agent."""
    parents: tuple[int, ...] = ()
    """For each of them, the position of the candidate that it goes on from."""
    tests: int = 0
    """Test conversations beside those of trajectories."""
    votes: int | None = None
    """Answers of a judge, ballots, or votes of a match, where the selection rule asks for them."""
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    """What decided, for readers of the journal."""


STOP = Allocation(Decision.STOP)
Decide = Callable[[PolicyInput], Allocation]


@dataclass(frozen=True)
class Policy:
    """A way to decide what a task gets next. Its decision depends on its input alone."""

    source: str
    """Its origin, in one line."""
    decide: Decide
    needs_waves: bool = True
    """Whether it has nothing to decide unless `generation.wave` is set."""
    at_each_end: bool = False
    """Whether it also decides when a trajectory ends; a decision to stop then stops those that still run."""


def fixed(given: PolicyInput) -> Allocation:
    """Every task gets all samples, in waves."""
    wave = given.next_wave
    return Allocation(Decision.ANOTHER_WAVE, wave) if wave else STOP
