"""The graded trajectories of a stored run, to be drawn again in other orders and numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from codemonkeys.generation.candidate import is_fused
from codemonkeys.journal.queries import rows
from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import StoredRun
from codemonkeys.report.verdict_sources import Verdicts, patch_hash
from codemonkeys.selection.evidence import Evidence
from codemonkeys.stages import AGENT, EDIT, TEST


@dataclass(frozen=True)
class Trajectory:
    """One trajectory: what its calls cost, and what it came to."""

    sample: int
    kind: str
    usd: Mapping[str, tuple[float, ...]]
    """By stage, the cost of each call in US dollars."""
    candidate: int | None
    """Position of its candidate in the evidence; None if it came to none."""
    after: tuple[int | None, ...] = ()
    """For each call of its edit conversation, the candidate with the patch as it then was; None if none had it."""

    def cost(self, turns: int | None = None) -> float:
        """Its cost in US dollars, with at most so many calls in its edit conversation.

        A test conversation and an agent have as many as they had: the script and the files that they had before they
        ended are not in the evidence, and what they ended with is not to be had for the price of less.
        """
        return sum(sum(calls[:turns] if stage == EDIT.name else calls) for stage, calls in self.usd.items())

    def result(self, turns: int | None = None) -> int | None:
        """Its candidate with at most so many of them. A patch that no trajectory ended with has no evidence: None."""
        return self.candidate if turns is None or len(self.after) <= turns else self.after[turns - 1]

    @property
    def calls(self) -> int:
        """Number of its calls: the time at which it ends, if all take equally long."""
        return sum(map(len, self.usd.values()))

    def cost_until(self, calls: int) -> float:
        """Cost of its first calls, in the order of its stages."""
        return sum([each for stage in (TEST, EDIT, AGENT) for each in self.usd.get(stage.name, ())][:calls])


@dataclass(frozen=True)
class GradedTask:
    """A task whose candidates all have a verdict."""

    id: str
    evidence: Evidence | None
    """None without a candidate."""
    verdicts: tuple[Verdict, ...]
    trajectories: tuple[Trajectory, ...]

    def of_kind(self, kind: str | None) -> list[Trajectory]:
        """Its trajectories of a kind; None: all."""
        return [each for each in self.trajectories if kind in (None, each.kind)]


def graded_tasks(
    connection: sqlite3.Connection, run: StoredRun, verdicts: Verdicts, priced: bool = True
) -> list[GradedTask]:
    """The tasks of a run that are graded whole, with their trajectories. Those of an ensemble are its members.

    `priced`: costs are in US dollars; else a call costs 1, as does a member of an ensemble.
    """
    made: dict[str, dict[int, dict[str, list[float]]]] = {}
    query = (
        "SELECT c.task, c.stage, c.sample, k.cost_usd FROM call_steps c JOIN costs k ON k.id = c.id "
        "WHERE c.stage IN (?, ?, ?) AND c.state = 'done' ORDER BY c.task, c.stage, c.sample, c.turn"
    )
    for task, stage, sample, usd in connection.execute(query, (TEST.name, EDIT.name, AGENT.name)):
        made.setdefault(task, {}).setdefault(sample, {}).setdefault(stage, []).append((usd or 0.0) if priced else 1.0)
    ends: dict[str, dict[int, int]] = {}
    for row in rows(connection, "SELECT * FROM candidates"):
        if is_fused(row.get("source", "")):
            continue  # made of samples, and none itself
        ends.setdefault(row["task"], {})[row["sample"]] = row["number"] - 1
    found = []
    for task in [*run.evidence, *run.without]:
        evidence = run.evidence.get(task)
        labels = verdicts.of_candidates(evidence) if evidence else ()
        if None not in labels and (made.get(task) or evidence):
            told = trajectories_of(made.get(task, {}), ends.get(task, {}), evidence, run.turns.get(task, ()))
            found.append(GradedTask(task, evidence, labels, told))
    return found


def trajectories_of(
    made: Mapping[int, Mapping[str, Sequence[float]]],
    ends: Mapping[int, int],
    evidence: Evidence | None,
    turns: Sequence[Sequence[str | None]],
) -> tuple[Trajectory, ...]:
    """The trajectories of a task, by sample. `turns`: hashes of patches, by those with calls of stage edit."""
    position = {patch_hash(patch): k for k, patch in reversed([*enumerate(evidence.patches)])} if evidence else {}
    edited = iter(turns)
    found = []
    for sample in sorted({*made, *ends}):
        usd = {stage: tuple(calls) for stage, calls in made.get(sample, {EDIT.name: (1.0,)}).items()}
        if not {EDIT.name, AGENT.name} & usd.keys() and sample not in ends:
            continue  # a test conversation without a trajectory
        states = next(edited, ()) if EDIT.name in made.get(sample, ()) else ()
        after = tuple(None if state is None else position.get(state) for state in states)
        kind = "agent" if AGENT.name in usd else "edit"
        found.append(Trajectory(sample, kind, usd, ends.get(sample), after))
    return tuple(found)


def subset(evidence: Evidence, kept: Sequence[int]) -> Evidence:
    """The evidence as it would be with these candidates alone, in this order: without the tests of others, too.

    What models said of all candidates is left out, but for a judge's beliefs, which are about one each.
    """
    mine = [evidence.own[k] for k in kept] if evidence.own else []
    of_others = {test for test in evidence.own if test is not None} - set(mine)
    tests = [test for test in range(len(evidence.original)) if test not in of_others]
    place = {test: n for n, test in enumerate(tests)}
    first: dict[int, int] = {}
    return replace(
        evidence,
        patches=tuple(evidence.patches[k] for k in kept),
        classes=tuple(first.setdefault(evidence.classes[k], n) for n, k in enumerate(kept)),
        sources=tuple(evidence.sources[k] for k in kept if evidence.sources),
        families=tuple(evidence.families[k] for k in kept if evidence.families),
        original=tuple(evidence.original[test] for test in tests),
        edited=tuple(tuple(evidence.edited[k][test] for test in tests) for k in kept if evidence.edited),
        own=tuple(None if test is None else place[test] for test in mine),
        approved=tuple(evidence.approved[k] for k in kept if evidence.approved),
        breaks=tuple(evidence.breaks[k] for k in kept if evidence.breaks),
        scores=tuple(evidence.scores[k] for k in kept if evidence.scores),
        ballots=(),
        conversation=(),
        matches=(),
    )
