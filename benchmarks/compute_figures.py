"""Draws what each policy comes to: resolved tasks over cost, and what decides where no replay can tell.

    python -m benchmarks.compute > measured.txt
    python -m benchmarks.compute_figures measured.txt FILE.svg

`fixed`, `marginal`, `stop` and `first-finish` are the simulated tasks that `benchmarks.compute` printed.
`solve-or-verify` is simulated here, for it draws tests that no run has stored: each trajectory brings a test, and a
test beside them costs a quarter of a trajectory, as in table 1 of the CodeMonkeys paper. Of `particles` the figure has
what the policy does with candidates that pass so many of the tests, for what their successors come to is not known.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.compute import simulated
from codemonkeys.compute.particles import TEMPERATURE, resample
from codemonkeys.compute.solve_or_verify import verifications
from codemonkeys.report.exponents import judged_by
from codemonkeys.report.figures import BLUE, GREEN, GREY, ORANGE, STYLE
from codemonkeys.report.resampling import GradedTask
from codemonkeys.selection.rules import RULES
from codemonkeys.settings import ComputeSettings

LINE = re.compile(r"(fixed|marginal|stop|first-finish)\S* .*? +(\d+\.\d\d) +(\d+\.\d)% ")
STYLES = {"fixed": (GREY, "o-"), "marginal": (BLUE, "s-"), "stop": (ORANGE, "^-"), "first-finish": (GREEN, "D-")}
TEST_COST = 0.24
"""Of a test conversation, relative to a trajectory with its own: 0.88 of 0.88 + 2.73 US dollars."""
MOST = 32
"""Samples of `solve-or-verify`, at most."""
Curve = list[tuple[float, float]]
"""Cost in samples, and share resolved."""


def printed(text: str, name: str) -> dict[str, Curve]:
    """By policy, the points that a section of the benchmark's output has."""
    section = text.partition(f"{name}: ")[2].partition("at equal resolved")[0]
    found: dict[str, Curve] = {}
    for policy, cost, resolved in LINE.findall(section):
        found.setdefault(policy, []).append((float(cost), float(resolved) / 100))
    return found


def resolved(tasks: Sequence[GradedTask], samples: int, tests: int) -> float:
    """Share of tasks that the first so many samples and tests resolve."""
    rule, outcomes = RULES["behaviour clusters"], []
    for task in tasks:
        assert task.evidence is not None
        evidence = judged_by(task.evidence, range(samples), range(tests))
        order = rule.fit([evidence]).rank(evidence).order
        outcomes.append(bool(order and task.verdicts[order[0]]))
    return sum(outcomes) / len(outcomes)


def solved_and_verified(right_pass: float, wrong_pass: float) -> dict[str, Curve]:
    """By the samples' tests alone, with those of the policy, and with a test more for each sample."""
    tasks = simulated(1_000, right_pass, wrong_pass, 0, MOST, 2 * MOST)
    found: dict[str, Curve] = {"fixed": [], "solve-or-verify": [], "a test more per sample": []}
    for samples in (2, 4, 8, 16, MOST):
        policy = verifications(samples, ComputeSettings())
        for name, more in zip(found, (0, policy, samples), strict=True):
            cost, share = samples + TEST_COST * more, resolved(tasks, samples, samples + more)
            found[name].append((cost, share))
            print(f"{name:22} {samples:3} samples, {samples + more:3} tests, cost {cost:6.2f}: {share:.1%}", flush=True)
    return found


def successors(shares: Sequence[float], count: int) -> list[int]:
    """How many of the next wave go on from each of the candidates that pass these shares of the tests."""
    drawn = resample([math.exp(share / TEMPERATURE) for share in shares], count)
    return [drawn.count(k) for k in range(len(shares))]


def draw(text: str, path: Path) -> None:
    """Write the figure."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 7.0), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, 2)
        for plot, name in zip(axes[0], ("simulated, sound tests", "simulated, weak tests"), strict=True):
            for policy, points in printed(text, name).items():
                colour, style = STYLES[policy]
                plot.plot(*zip(*sorted(points), strict=True), style, color=colour, label=policy, markersize=4)
            label(plot, f"{name[len('simulated, ') :].capitalize()}, ten samples at most", "cost, in samples per task")
        weak = solved_and_verified(0.8, 0.45)
        for (name, points), colour in zip(weak.items(), (GREY, BLUE, ORANGE), strict=True):
            axes[1][0].plot(*zip(*points, strict=True), "o-", color=colour, label=name, markersize=4)
        label(axes[1][0], f"solve-or-verify, weak tests, 2 to {MOST} samples", "cost, in samples per task")
        shares = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
        axes[1][1].bar([f"{share:.0%}" for share in shares], successors(shares, 20), color=BLUE)
        axes[1][1].set(title="particles: from whom the next 20 of six candidates go on", ylabel="successors")
        axes[1][1].set_xlabel("tests that a candidate passes")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def label(plot: Any, title: str, below: str) -> None:
    """Title, axes and legend of a plot of resolved tasks."""
    from matplotlib.ticker import PercentFormatter

    plot.set(title=title, xlabel=below, ylabel="resolved")
    plot.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    plot.legend(loc="lower right")


if __name__ == "__main__":
    draw(Path(sys.argv[1]).read_text(), Path(sys.argv[2]))
