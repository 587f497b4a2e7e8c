"""Figures of a study, as PNG and SVG. The same study gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemonkeys.errors import BadInput
from codemonkeys.redact import safe_terminal
from codemonkeys.report.statistics import Interval
from codemonkeys.report.study import Study
from codemonkeys.wording import option

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"
"""Colours that stay apart for all kinds of sight (Okabe and Ito)."""
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.hashsalt": "codemonkeys",
    # Names of systems and tasks are text, never a formula.
    "text.parse_math": False,
}
NAME_CHARACTERS = 40


def write_figures(study: Study, folder: Path) -> list[Path]:
    """Write those figures that the study has numbers for; returns the files. Raises BadInput if none can be written."""
    import matplotlib

    drawn: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context(STYLE):
            for name, draw in FIGURES.items():
                figure = draw(study)
                if figure is not None:
                    drawn += save(figure, folder / name)
    except OSError as error:
        raise BadInput(
            f"{option('figures', str(folder))}: cannot be written: {error.strerror}; choose another folder"
        ) from None
    return drawn


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as .png and .svg, without the date."""
    files = [path.with_suffix(".png"), path.with_suffix(".svg")]
    figure.savefig(files[0], dpi=160, metadata={"Software": None})
    figure.savefig(files[1], metadata={"Date": None})
    return files


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of a size in inches; it belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def shown(name: str) -> str:
    """Somebody's name for something, short and without control characters."""
    clean = " ".join(safe_terminal(name).split())
    return clean if len(clean) <= NAME_CHARACTERS else clean[: NAME_CHARACTERS - 1] + "…"


def rules_figure(study: Study) -> Figure | None:
    """The score of every rule with its interval, between random and oracle."""
    if study.random is None or study.oracle is None or not study.rules:
        return None
    rules = sorted(study.rules, key=lambda r: (r.score.value if r.score else 0.0, r.name))
    figure, axes = new_figure(7.2, 1.3 + 0.27 * len(rules))
    places = range(len(rules))
    intervals = [row.score for row in rules if row.score is not None]
    colours = [ORANGE if row.name == "as the run chose" else BLUE for row in rules]
    for place, interval, colour in zip(places, intervals, colours, strict=True):
        axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=1.6, alpha=0.55)
    axes.scatter([i.value for i in intervals], list(places), color=colours, s=26, zorder=3)
    bounds = [("random", study.random.value), ("oracle", study.oracle.value)]
    if study.members:
        bounds.append(("best system, known only afterwards", study.members[0][1]))
    for (word, value), style in zip(bounds, ("--", "-", ":"), strict=False):
        axes.axvline(value, color=GREY, linestyle=style, linewidth=1.1, label=f"{word}: {value:.1%}")
    axes.set_yticks(list(places), [shown(row.name) for row in rules])
    axes.set_ylim(-0.7, len(rules) - 0.3)
    as_percent(axes, "x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"tasks resolved, of {study.tasks}; bars: 95 % over resampled tasks")
    axes.set_title("What each selection rule reaches on the same candidates")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def coverage_figure(study: Study) -> Figure | None:
    """Coverage by samples, drawn and forecast, and the best rule's score below it."""
    if len(study.coverage) + len(study.forecast) < 2:
        return None
    figure, axes = new_figure(6.4, 4.0)
    curve(axes, study.coverage, BLUE, "of the samples drawn" if not study.members else "of so many systems", "o")
    if study.forecast:
        curve(axes, [study.coverage[-1], *study.forecast], ORANGE, "forecast", "s", "--")
        axes.set_xscale("log")
    best = max(study.rules, key=lambda r: r.score.value if r.score else 0.0, default=None)
    if best is not None and best.score is not None:
        label = f"best rule on all of them, {shown(best.name)}: {best.score.value:.1%}"
        axes.axhline(best.score.value, color=GREY, linestyle=":", linewidth=1.2, label=label)
    ticks = [k for k, _ in (*study.coverage, *study.forecast)]
    axes.set_xticks(few(ticks), [str(k) for k in few(ticks)])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    as_percent(axes, "y")
    axes.set_xlabel("samples for each task" if not study.members else "systems")
    axes.set_ylabel("tasks with a right candidate")
    axes.set_title(f"Coverage, {study.tasks} tasks; bands: 95 % over resampled tasks")
    axes.legend(loc="lower right", fontsize=8)
    return figure


def turns_figure(study: Study) -> Figure | None:
    """Coverage after each model call of the edit conversations."""
    if len(study.turns) < 2:
        return None
    figure, axes = new_figure(6.4, 3.6)
    turns = [row.turn for row in study.turns]
    axes.plot(turns, [row.any for row in study.turns], color=BLUE, marker="o", markersize=4, label="any trajectory")
    axes.plot(
        turns, [row.single for row in study.turns], color=GREEN, marker="s", markersize=4, label="one, on average"
    )
    axes.set_xticks(turns)
    axes.set_ylim(bottom=0)
    as_percent(axes, "y")
    axes.set_xlabel("model calls of the edit conversation")
    axes.set_ylabel("tasks with a right candidate")
    axes.set_title(f"Coverage by turns, {study.turn_tasks} tasks")
    axes.legend(loc="lower right", fontsize=8)
    return figure


def verifiers_figure(study: Study) -> Figure | None:
    """For each verifier how often it accepts right and wrong candidates, estimated and true."""
    rows = [row for row in study.verifiers if None not in (row.tpr, row.fpr, row.true_tpr, row.true_fpr)][::-1]
    if not rows:
        return None
    figure, axes = new_figure(7.2, 1.5 + 0.36 * len(rows))
    for kind, colour, word, shift in (("tpr", BLUE, "right", 0.12), ("fpr", ORANGE, "wrong", -0.12)):
        places = [place + shift for place in range(len(rows))]
        true, estimated = ([getattr(row, name) for row in rows] for name in (f"true_{kind}", kind))
        axes.hlines(places, true, estimated, color=colour, linewidth=1.4, alpha=0.5)
        axes.scatter(true, places, color=colour, s=28, zorder=3, label=f"{word} candidates, true")
        axes.scatter(
            *(estimated, places),
            s=28,
            zorder=3,
            facecolors="white",
            edgecolors=colour,
            linewidths=1.3,
            label=f"{word} candidates, estimated",
        )
    axes.set_yticks(range(len(rows)), [shown(row.name) for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlim(-0.03, 1.03)
    axes.grid(visible=False, axis="y")
    as_percent(axes, "x")
    axes.set_xlabel("of right or wrong candidates, accepted; estimates use no label")
    axes.set_title("How often verifiers accept candidates")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def curve(
    axes: Axes, points: Sequence[tuple[int, Interval]], colour: str, label: str, marker: str, style: str = "-"
) -> None:
    """A curve with a band around it."""
    ks = [k for k, _ in points]
    axes.fill_between(
        ks, [i.low for _, i in points], [i.high for _, i in points], color=colour, alpha=0.15, linewidth=0
    )
    values = [i.value for _, i in points]
    axes.plot(ks, values, color=colour, marker=marker, markersize=4, linestyle=style, label=label)


def few(ticks: Sequence[int]) -> list[int]:
    """Some of the ticks, the first and the last among them, so that their numbers do not touch."""
    if ticks[-1] - ticks[0] < 12:
        return list(ticks)
    kept = [
        tick for n, tick in enumerate(ticks) if n == 0 or n == len(ticks) - 1 or tick in (2, 3, 5) or tick % 10 == 0
    ]
    return [tick for tick in kept if tick == kept[-1] or kept[-1] / tick > 1.15 or tick <= 5]


def as_percent(axes: Any, axis: str) -> None:
    """Show the numbers of an axis as whole percents."""
    from matplotlib.ticker import PercentFormatter

    getattr(axes, f"{axis}axis").set_major_formatter(PercentFormatter(1.0, decimals=0))


FIGURES: dict[str, Callable[[Study], Figure | None]] = {
    "rules": rules_figure,
    "coverage": coverage_figure,
    "turns": turns_figure,
    "verifiers": verifiers_figure,
}
"""By file name; None where the study has no numbers for it."""
