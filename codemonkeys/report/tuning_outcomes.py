"""What settings would have come to on graded trajectories, drawn again: resolved tasks, and dollars."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from codemonkeys.compute.base import PolicyInput
from codemonkeys.compute.beliefs import forecast_of
from codemonkeys.compute.policies import POLICIES
from codemonkeys.report.calibration import Calibration
from codemonkeys.report.resampling import GradedTask, Trajectory, subset
from codemonkeys.selection.deciding import MODEL_FIELDS, complete_ranking
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules import EXECUTION, RULES
from codemonkeys.selection.stop_policy import Decision
from codemonkeys.settings import Settings, build
from codemonkeys.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

RULE_NAMES = tuple(
    name
    for name, rule in RULES.items()
    if not rule.pooled and not MODEL_FIELDS.intersection(rule.needs) and name != "random"
)
"""Rules that decide a task alone, and by what any of its candidates have."""
SAMPLES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
TURNS = (1, 2, 4, 8)
WAVE = 2
"""Samples per wave of policies that decide after each."""
Thresholds = Mapping[str, Sequence[Mapping[str, float]]]
"""By policy, the settings with which it is tried."""
POLICY_SETTINGS: Thresholds = {
    "stop": tuple({"selection.wrong_worth": worth} for worth in (-0.1, -0.25, -0.5, -1.0)),
    "marginal": tuple({"selection.sample_cost": cost} for cost in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)),
    "first-finish": tuple({"compute.agreeing": count} for count in (1, 2, 3)),
}
"""Policies that can be replayed on what a run has, with their thresholds. The others draw what it has not: tests beside
those of trajectories, and candidates that go on from others."""


class Config(NamedTuple):
    """One point of the search."""

    samples: int
    turns: int | None
    """Of edit conversations; None: as many as the run had, as test conversations always have."""
    kind: str | None
    """None: all kinds of the run, in turn."""
    rule: str
    policy: str = "fixed"
    threshold: tuple[tuple[str, float], ...] = ()

    def values(self) -> dict[str, Any]:
        """The settings that it stands for, as a tree."""
        generation: dict[str, Any] = {"samples": self.samples}
        if self.turns is not None:
            generation["edit_turns"] = self.turns
        if self.kind is not None:
            generation["kinds"] = [self.kind]
        if POLICIES[self.policy].needs_waves:
            generation["wave"] = WAVE
        found = {"generation": generation, "selection": {"rule": self.rule}, "compute": {"policy": self.policy}}
        for name, value in self.threshold:
            section, _, key = name.partition(".")
            found[section][key] = value
        return found

    def words(self) -> str:
        """In a few words."""
        turns = "" if self.turns is None else f", {counted(self.turns, 'edit turn')}"
        kind = "" if self.kind is None else f", {self.kind}"
        threshold = "".join(f", {name.partition('.')[2]} {value:g}" for name, value in self.threshold)
        policy = "" if self.policy == "fixed" else f", {self.policy}{threshold}"
        return f"{self.samples} samples{turns}{kind}, {self.rule}{policy}"


class Variant(NamedTuple):
    """Which trajectories are drawn from, and how far each goes."""

    kind: str | None
    turns: int | None
    most: int
    """Most trajectories of that kind that a task has."""
    rules: Sequence[str]


@dataclass
class Outcomes:
    """Of each point of the search, by task: the share of draws that resolve it, and the mean cost of a draw."""

    tasks: list[str]
    resolved: dict[Config, NDArray[Any]] = field(default_factory=dict[Config, "NDArray[Any]"])
    usd: dict[Config, NDArray[Any]] = field(default_factory=dict[Config, "NDArray[Any]"])

    def add(self, config: Config, task: int, resolved: float, usd: float) -> None:
        """Add a draw's share."""
        import numpy as np

        if config not in self.resolved:
            self.resolved[config] = np.zeros(len(self.tasks), dtype=np.float32)
            self.usd[config] = np.zeros(len(self.tasks), dtype=np.float32)
        self.resolved[config][task] += resolved
        self.usd[config][task] += usd


def outcomes(
    tasks: Sequence[GradedTask],
    calibrations: Sequence[Calibration | None],
    draws: int = 4,
    seed: int = 0,
    rules: Sequence[str] = RULE_NAMES,
    thresholds: Thresholds = POLICY_SETTINGS,
) -> Outcomes:
    """Outcomes of all points of the search.

    `calibrations`: for each task, what policies know of kinds of tasks and tests; to be measured on other tasks.
    `draws`: orders in which the trajectories of a task are drawn again.
    """
    found = Outcomes([task.id for task in tasks])
    kinds = sorted({each.kind for task in tasks for each in task.trajectories})
    longest = max((len(each.after) for task in tasks for each in task.trajectories), default=0)
    caps = [None, *(turns for turns in TURNS if turns < longest)]
    several = [None, *(kinds if len(kinds) > 1 else ())]
    # An agent with fewer steps would have come to another patch, of which nothing is known.
    variants = [(kind, turns) for kind, turns in product(several, caps) if turns is None or kind != "agent"]
    most = {kind: max(len(task.of_kind(kind)) for task in tasks) for kind, _ in variants}
    policies = {calibration: forecast_settings(calibration, thresholds) for calibration in set(calibrations)}
    for number, (task, calibration) in enumerate(zip(tasks, calibrations, strict=True)):
        dice = random.Random(f"{seed} {task.id}")
        for kind, turns in variants:
            drawn = task.of_kind(kind)
            # With fewer turns than the run had, half the draws and no policies: most of such points are far behind.
            given, times = (policies[calibration], draws) if turns is None else ({}, -(-draws // 2))
            for _ in range(times):
                order = dice.sample(drawn, len(drawn))
                replay(found, number, task, order, Variant(kind, turns, most[kind], rules), given, 1 / times)
    return found


def forecast_settings(calibration: Calibration | None, tried: Thresholds) -> dict[Config, Settings]:
    """The settings of each policy with each threshold."""
    found = {}
    for policy, thresholds in tried.items():
        for threshold in thresholds:
            point = Config(1, None, None, EXECUTION, policy, tuple(threshold.items()))
            settings = build(point.values())
            found[point] = calibration.apply(settings) if calibration else settings
    return found


def replay(
    found: Outcomes,
    number: int,
    task: GradedTask,
    order: Sequence[Trajectory],
    variant: Variant,
    policies: Mapping[Config, Settings],
    share: float,
) -> None:
    """Add what an order of a task's trajectories comes to, by number of samples and by policy.

    A task with fewer trajectories than others uses all it has. `share`: of the order, among all draws.
    """
    kind, turns, most, rules = variant
    prefixes = Prefixes(task, order, turns)
    by_end = prefixes.sorted_by_end()
    spent = [0.0]
    for each in order:
        spent.append(spent[-1] + each.cost(turns))
    for samples in (*(samples for samples in SAMPLES if samples < most), most):
        drawn = min(samples, len(order))
        for rule in rules:
            config = Config(samples, turns, kind, rule)
            found.add(config, number, prefixes.right(drawn, rule) * share, spent[drawn] * share)
    for point, settings in policies.items():
        if point.policy == "first-finish":
            used, abstains = by_end, False
            drawn, cost = first_finished(by_end, settings, turns)
        else:
            used, (drawn, abstains) = prefixes, decided(prefixes, settings)
            cost = spent[drawn]
        for rule in rules:
            right = 0.0 if abstains else used.right(drawn, rule)
            config = Config(most, turns, kind, rule, point.policy, point.threshold)
            found.add(config, number, right * share, cost * share)


class Prefixes:
    """The first trajectories of an order: their evidence, and what rules choose by it; each is made when asked for."""

    def __init__(self, task: GradedTask, order: Sequence[Trajectory], turns: int | None) -> None:
        self._task, self.order, self._turns = task, order, turns
        self._kept = [each.result(turns) for each in order]
        self._evidence: dict[int, Evidence | None] = {}
        self._rankings: dict[tuple[int, str], float] = {}

    def evidence(self, drawn: int) -> Evidence | None:
        """The evidence after so many trajectories; None without a candidate."""
        if drawn not in self._evidence:
            kept = [k for k in self._kept[:drawn] if k is not None]
            whole = self._task.evidence
            self._evidence[drawn] = subset(whole, kept) if whole and kept else None
        return self._evidence[drawn]

    def right(self, drawn: int, rule: str) -> float:
        """1 if what a rule chooses after so many trajectories is right."""
        if (drawn, rule) not in self._rankings:
            evidence = self.evidence(drawn)
            chosen = first_of(evidence, rule) if evidence else None
            kept = [k for k in self._kept[:drawn] if k is not None]
            self._rankings[drawn, rule] = float(chosen is not None and bool(self._task.verdicts[kept[chosen]]))
        return self._rankings[drawn, rule]

    def sorted_by_end(self) -> Prefixes:
        """The same trajectories in the order in which they end."""
        return Prefixes(self._task, sorted(self.order, key=lambda each: each.calls), self._turns)


def first_of(evidence: Evidence, rule: str) -> int:
    """What a rule chooses; where it abstains, as the pipeline does: by tests, else by likeness."""
    if len(set(evidence.classes)) == 1:
        return 0
    ranking = RULES[rule].rank(evidence)
    if not ranking.order:
        ranking = RULES[EXECUTION].rank(evidence)
    return ranking.order[0] if ranking.order else complete_ranking(evidence, Ranking((), 0.0))[0]


def input_of(prefixes: Prefixes, drawn: int, settings: Settings) -> PolicyInput:
    """What a policy knows after so many trajectories; of money nothing, so that thresholds decide."""
    generation = settings.generation.model_copy(update={"samples": len(prefixes.order), "wave": WAVE})
    return PolicyInput(
        *(prefixes.evidence(drawn), drawn, 0, 0, 0.0, 0.0, None, (), 0),
        forecast_of(settings.selection, settings.compute.chances),
        *(settings.compute, generation, settings.selection),
    )


def decided(prefixes: Prefixes, settings: Settings) -> tuple[int, bool]:
    """How many trajectories a policy draws, and whether it abstains then."""
    most, decide = len(prefixes.order), POLICIES[settings.compute.policy].decide
    drawn = min(WAVE, most)
    while True:
        found = decide(input_of(prefixes, drawn, settings))
        if found.decision is not Decision.ANOTHER_WAVE or drawn >= most or not found.samples:
            return drawn, found.decision is Decision.ABSTAIN
        drawn = min(most, drawn + found.samples)


def first_finished(by_end: Prefixes, settings: Settings, turns: int | None) -> tuple[int, float]:
    """How many trajectories end before the others are stopped, and what all cost; calls take equally long."""
    most = len(by_end.order)
    for drawn in range(1, most):
        decision = POLICIES["first-finish"].decide(input_of(by_end, drawn, settings)).decision
        if decision is not Decision.ANOTHER_WAVE:
            until = by_end.order[drawn - 1].calls
            rest = sum(min(each.cost_until(until), each.cost(turns)) for each in by_end.order[drawn:])
            return drawn, sum(each.cost(turns) for each in by_end.order[:drawn]) + rest
    return most, sum(each.cost(turns) for each in by_end.order)
