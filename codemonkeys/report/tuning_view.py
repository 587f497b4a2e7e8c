"""The frontier of a search as a table, and as a file of settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType

from codemonkeys.report.statistics import Interval
from codemonkeys.report.tables import heading, new_table, plain
from codemonkeys.report.tuning import FOLDS, Point, Tuned


def tuned_view(tuned: Tuned, priced: bool) -> RenderableType:
    """The frontier, and what it rests on."""
    unit = "USD" if priced else "calls"
    columns = (f"{unit} per task", "resolved", "", "against the run", " ", "in sample")
    table = new_table("settings", *columns, numbers=columns)
    for point in tuned.frontier:
        cells = (*cells_of(point.resolved), *cells_of(point.against_run, signed=True), f"{point.in_sample:.1%}")
        table.add_row(plain(point.config.words()), f"{point.usd:.4g}", *cells)
    table.add_row("as the run chose", f"{tuned.run_usd:.4g}", *cells_of(tuned.run_resolved), "", "", "", style="bold")
    lines = [
        f"{tuned.configs} settings on {tuned.tasks} graded tasks, whose trajectories were drawn again; no model was "
        f"asked. Resolved: cross-validated in {FOLDS} folds of tasks, with 95 % intervals over tasks; in sample: by "
        "what the same tasks chose. Costs are those of trajectories; context and selection are not among them.",
    ]
    if (found := tuned.calibration) is not None:
        lines.append(
            f"Tests accept {found.accepts_right:.0%} of the right candidates and reject {found.refuses_wrong:.0%} of "
            "the wrong ones."
        )
    if (fitted := tuned.exponents) is not None:
        lines.append(
            f"For solve-or-verify: samples grow with power {fitted.solve:g} of compute, tests with {fitted.verify:g}, "
            f"from {fitted.verify_from} samples on: -c compute.solve_exponent={fitted.solve:g} "
            f"-c compute.verify_exponent={fitted.verify:g} -c compute.verify_from={fitted.verify_from}."
        )
    return Group(heading("Resolved tasks against cost"), table, *(plain(line, "dim") for line in lines))


def cells_of(interval: Interval, signed: bool = False) -> tuple[str, str]:
    """A share and its interval, as two cells."""
    if signed:
        return f"{interval.value:+.1%}", f"{interval.low:+.1%} to {interval.high:+.1%}"
    return f"{interval.value:.1%}", f"{interval.low:.0%} to {interval.high:.0%}"


def settings_of(tuned: Tuned, point: Point, kinds: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of a point, with what policies know of kinds of tasks and tests, as a tree.

    `kinds`: `generation.kinds` of the runs, which a point over all kinds has too; empty: not known.
    """
    values = point.config.values()
    if kinds:
        values["generation"].setdefault("kinds", list(kinds))
    if tuned.calibration is not None and point.config.policy != "fixed":
        measured = tuned.calibration
        values["compute"]["chances"] = list(measured.chances)
        values["selection"] |= {"accepts_right": measured.accepts_right, "refuses_wrong": measured.refuses_wrong}
    return values


def settings_file(tuned: Tuned, point: Point, runs: Sequence[str], kinds: Sequence[str] = ()) -> str:
    """A settings file (YAML) for `-c`, with what is known of it in its head. `kinds`: as for `settings_of`."""
    import yaml

    share, against = point.resolved, point.against_run
    head = (
        f"# {point.config.words()}: by `codemonkeys tune` on {', '.join(runs)}, {tuned.tasks} graded tasks.\n"
        f"# Cross-validated: {share.value:.1%} resolved ({share.low:.1%} to {share.high:.1%}), {against.value:+.1%} "
        f"({against.low:+.1%} to {against.high:+.1%}) against the run.\n"
    )
    return head + yaml.safe_dump(settings_of(tuned, point, kinds), sort_keys=False)
