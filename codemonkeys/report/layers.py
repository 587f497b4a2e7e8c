"""What each layer of a run gained: candidates, tasks with a correct one, and whether the first one is correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from codemonkeys.generation.candidate import is_fused
from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import StoredRun
from codemonkeys.report.tables import new_table, plain
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.evolving import by_fitness


@dataclass(frozen=True)
class LayerResult:
    """Contribution of one layer. Shares are over graded tasks with candidates; None without verdicts."""

    layer: str
    tasks: int
    """Tasks that it took part in."""
    candidates: int
    """Candidates that it made."""
    right: float | None
    """Share of these that are correct."""
    coverage: float | None
    """Share of tasks with a correct candidate of this layer or an earlier one."""
    first: float | None
    """Share of tasks whose first candidate is correct: by tests, or as the layer ranks them."""


def layer_results(
    run: StoredRun, used: Sequence[str], labels: Mapping[str, Sequence[Verdict]]
) -> tuple[LayerResult, ...]:
    """The layers of a run, in order; empty if it had none but trajectories. `labels`: of tasks graded whole."""
    tasks = [run.evidence[task] for task in used if task in labels] or [run.evidence[task] for task in used]
    graded = bool(tasks) and all(e.task in labels for e in tasks)
    if not tasks or (not run.rankings and not any(is_fused(source) for e in tasks for source in e.sources)):
        return ()
    ranked = {task: order for task, order in run.rankings.items() if any(e.task == task for e in tasks)}
    drawn = {e.task: [k for k in range(len(e.patches)) if not merged(e, k)] for e in tasks}
    fused = {e.task: [k for k in range(len(e.patches)) if merged(e, k)] for e in tasks}
    every = {e.task: [*range(len(e.patches))] for e in tasks}

    def share(chosen: Mapping[str, Sequence[int]], each: bool = False) -> float | None:
        """Of tasks, how many have a correct one of these; `each`: of candidates, how many are correct."""
        said = [[bool(labels[e.task][k]) for k in chosen[e.task]] for e in tasks] if graded else []
        found = [verdict for row in said for verdict in row] if each else [any(row) for row in said]
        return sum(found) / len(found) if found else None

    def first(among: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        return {e.task: [k for k in by_fitness(e) if k in among[e.task]][:1] for e in tasks}

    by_tests = first(drawn)
    by_rank = by_tests | {task: list(order[:1]) for task, order in ranked.items()}
    generated = sum(map(len, drawn.values()))
    found = [LayerResult("generate", len(tasks), generated, share(drawn, True), share(drawn), share(by_tests))]
    if ranked:
        found.append(LayerResult("rank", len(ranked), 0, None, share(drawn), share(by_rank)))
    if any(fused.values()):
        made, where = sum(map(len, fused.values())), sum(map(bool, fused.values()))
        found.append(LayerResult("fuse", where, made, share(fused, True), share(every), share(first(every))))
    return tuple(found)


def merged(evidence: Evidence, candidate: int) -> bool:
    """Whether a candidate was merged from others."""
    return bool(evidence.sources) and is_fused(evidence.sources[candidate])


def layers_table(layers: Sequence[LayerResult]) -> Table:
    """One line per layer."""
    columns = ("tasks", "candidates", "correct", "tasks with a correct one", "first is correct")
    table = new_table("layer", *columns, numbers=columns)
    for row in layers:
        shares = ["" if share is None else f"{share:.1%}" for share in (row.right, row.coverage, row.first)]
        table.add_row(plain(row.layer), str(row.tasks), str(row.candidates or ""), *shares)
    return table
