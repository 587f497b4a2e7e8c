"""What each layer of a run gained: candidates, tasks with a correct one, and whether the first one is correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.generation.candidate import is_fused
from codemonkeys.report.layer_records import Verification
from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import Cost, StoredRun
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.evolving import breaks, by_fitness, fitness
from codemonkeys.selection.rules_base import passed, valid_tests
from codemonkeys.stages import CRITIQUE, FUSE, PER_TRAJECTORY, RERANK, VERIFY

STAGES_OF = {
    "generate": PER_TRAJECTORY,
    "critique": (CRITIQUE.name,),
    "rank": (RERANK.name,),
    "fuse": (FUSE.name,),
    "verify": (VERIFY.name,),
}
"""The stages of each layer."""

Shares = tuple[float | None, float | None, float | None]
"""Fields `right`, `coverage` and `first` of a result."""


@dataclass(frozen=True)
class LayerResult:
    """Contribution of one layer. Shares are over graded tasks with candidates; None without verdicts."""

    layer: str
    tasks: int
    """Tasks that it took part in."""
    candidates: int
    """Candidates that it made, or, of `verify`, that it let stay."""
    right: float | None
    """Share of these that are correct."""
    coverage: float | None
    """Share of tasks with a correct candidate of this layer or an earlier one."""
    first: float | None
    """Share of tasks whose first candidate is correct: by tests, or as the layer ranks them."""
    cost: Cost = Cost()
    """Of all its steps in the run."""


def layer_results(
    run: StoredRun,
    used: Sequence[str],
    labels: Mapping[str, Sequence[Verdict]],
    by_patch: Mapping[tuple[str, str], bool] | None = None,
) -> tuple[LayerResult, ...]:
    """The layers of a run, in order; empty if it had none but trajectories.

    `labels`: of tasks graded whole. `by_patch`: verdicts by task and hash of the patch, for what tests refused.
    """
    tasks = [run.evidence[task] for task in used if task in labels] or [run.evidence[task] for task in used]
    graded = bool(tasks) and all(e.task in labels for e in tasks)
    ids = {e.task for e in tasks}
    ranked = {task: order for task, order in run.rankings.items() if task in ids}
    drawn = {e.task: [k for k in range(len(e.patches)) if not merged(e, k)] for e in tasks}
    fused = {e.task: [k for k in range(len(e.patches)) if merged(e, k)] for e in tasks}
    every = {e.task: [*range(len(e.patches))] for e in tasks}
    verified = {task: found for task, found in run.verifications.items() if task in ids}
    refused = {task: [one for one in found if not one.stays] for task, found in verified.items()}

    def verdicts(chosen: Mapping[str, Sequence[int]]) -> list[list[bool]]:
        return [[bool(labels[e.task][k]) for k in chosen[e.task]] for e in tasks] if graded else []

    def said(one: Verification, task: str) -> bool | None:
        return (by_patch or {}).get((task, one.patch_hash))

    def first(among: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        return {e.task: [k for k in by_fitness(e) if k in among[e.task]][:1] for e in tasks}

    def result(layer: str, where: int, made: int, shares: Shares) -> LayerResult:
        cost = Cost()
        for stage in STAGES_OF[layer]:
            cost = cost.plus(run.costs.get(stage, Cost()))
        return LayerResult(layer, where, made, *shares, cost=cost)

    by_tests = first(drawn)
    by_rank = by_tests | {task: list(order[:1]) for task, order in ranked.items()}
    before, last = any_of(verdicts(drawn)), first(every)
    generated = sum(map(len, drawn.values()))
    as_drawn = any_of(verdicts(by_tests))
    found = [result("generate", len(tasks), generated, (share(verdicts(drawn)), before, as_drawn))]
    if critiqued := run.critiqued & ids:
        # It neither makes candidates nor orders them: what it gains is in the rows of the layers that read it.
        found.append(result("critique", len(critiqued), 0, (None, before, as_drawn)))
    if ranked:
        found.append(result("rank", len(ranked), 0, (None, before, any_of(verdicts(by_rank)))))
    if any(fused.values()) or any(refused.values()):
        # As it would be without verification: of a refused one without a verdict, it is not known.
        added = {e.task: [said(one, e.task) for one in refused.get(e.task, ())] for e in tasks}
        known = graded and all(verdict is not None for row in added.values() for verdict in row)
        lead = [
            [said(one, e.task) for one in refused.get(e.task, ()) if leads(e, one)][:1] or row
            for e, row in zip(tasks, verdicts(last), strict=False)
        ]
        made = [[*row, *added[e.task]] for e, row in zip(tasks, verdicts(fused), strict=False)]
        best = [[*row, *added[e.task]] for e, row in zip(tasks, verdicts(every), strict=False)]
        where = sum(bool(fused[e.task] or refused.get(e.task)) for e in tasks)
        count = sum(map(len, fused.values())) + sum(map(len, refused.values()))
        shares: Shares = (share(made), any_of(best), any_of(lead)) if known else (None, None, None)
        found.append(result("fuse", where, count, shares))
    if verified:
        kept = {e.task: fused[e.task] if e.task in verified else [] for e in tasks}
        shares = share(verdicts(kept)), any_of(verdicts(every)), any_of(verdicts(last))
        found.append(result("verify", len(verified), sum(map(len, kept.values())), shares))
    return tuple(found) if len(found) > 1 else ()


def leads(evidence: Evidence, one: Verification) -> bool:
    """Whether a merged candidate that was refused would be the first one by tests."""
    order, scripts = by_fitness(evidence), valid_tests(evidence)
    if not order or one.scripts != len(scripts):
        return False
    best = fitness(evidence, passed(evidence, order[0], scripts), breaks(evidence, order[0]))
    return fitness(evidence, one.passed, one.broken) > best


def share(verdicts: Sequence[Sequence[Verdict]]) -> float | None:
    """How many of all candidates are correct."""
    found = [bool(verdict) for row in verdicts for verdict in row]
    return sum(found) / len(found) if found else None


def any_of(verdicts: Sequence[Sequence[Verdict]]) -> float | None:
    """In how many tasks one of these candidates is correct."""
    return sum(any(row) for row in verdicts) / len(verdicts) if verdicts else None


def merged(evidence: Evidence, candidate: int) -> bool:
    """Whether a candidate was merged from others."""
    return bool(evidence.sources) and is_fused(evidence.sources[candidate])
