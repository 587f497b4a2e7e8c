"""Small figures as SVG, by pure functions. Every text is escaped; colours are classes of the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

from codemonkeys.report.fitting import one_line, shorten

WIDTH = 420
"""Of every figure, in units of which a letter is about six wide: wide enough for a page, readable on a phone."""
LABEL = 26
"""Letters of a label at most."""
ROOM = 22.0
"""Between two labels of an axis at least."""


@dataclass(frozen=True)
class Caption:
    """What a figure is called, and what it shows, for those who do not see it."""

    name: str
    """Unique on the page: letters, digits and hyphens."""
    title: str
    description: str


@dataclass(frozen=True)
class Point:
    """A point of a line; `low` and `high` bound its interval, if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A line of a chart with its label."""

    label: str
    points: Sequence[Point]
    style: str
    """Class of its colour: c1 to c6, or quiet."""


def figure(caption: Caption, height: float, parts: Iterable[Markup]) -> str:
    """The whole figure."""
    frame = Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>{parts}</svg>'
    )
    return frame.format(
        width=WIDTH,
        height=number(height),
        name=caption.name,
        title=clean(caption.title),
        description=clean(caption.description),
        parts=Markup("").join(parts),
    )


def number(value: float) -> str:
    """A coordinate, with one decimal where it needs one."""
    return f"{value:.1f}".removesuffix(".0")


def clean(text: str, width: int = 400) -> str:
    """A text in one line without control codes, shortened."""
    return shorten(one_line(text), width)


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> Markup:
    """A text at its base line."""
    made = Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>')
    return made.format(number(x), number(y), style, anchor, clean(words, 80))


def rectangle(x: float, y: float, width: float, height: float, style: str) -> Markup:
    """A filled rectangle."""
    made = Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"/>')
    return made.format(*map(number, (x, y, max(0.0, width), height)), style)


def stroke(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """A straight line."""
    return Markup('<path d="M{} {}L{} {}" class="{}"/>').format(*map(number, (x1, y1, x2, y2)), style)


def marker(x: float, y: float, style: str, size: float = 4.0) -> Markup:
    """A point; its shape depends on its colour, so that colour is not needed to tell them apart."""
    shapes = {
        "c2": f"M{number(x - size)} {number(y - size)}h{2 * size}v{2 * size}h-{2 * size}z",
        "c3": f"M{number(x)} {number(y - size)}l{size} {2 * size}h-{2 * size}z",
        "c4": f"M{number(x)} {number(y - size)}l{size} {size}l-{size} {size}l-{size} -{size}z",
        "c5": f"M{number(x)} {number(y + size)}l{size} -{2 * size}h-{2 * size}z",
    }
    if style in shapes:
        return Markup('<path d="{}" class="fill {}"/>').format(shapes[style], style)
    return Markup('<circle cx="{}" cy="{}" r="{}" class="fill {}"/>').format(number(x), number(y), number(size), style)


def legend(entries: Sequence[tuple[str, str]], y: float) -> tuple[list[Markup], float]:
    """Markers with their labels, in as many lines as they need; and the height of these."""
    parts: list[Markup] = []
    x, line = 0.0, 0
    for label, style in entries:
        width = 24 + 7.2 * len(clean(label, LABEL))
        if x and x + width > WIDTH:
            x, line = 0.0, line + 1
        parts += [marker(x + 6, y + 8 + 18 * line, style), text(x + 14, y + 12 + 18 * line, clean(label, LABEL))]
        x += width
    return parts, 18.0 * (line + 1) if entries else 0.0


def bars(
    caption: Caption,
    rows: Sequence[tuple[str, Sequence[float], str]],
    kinds: Sequence[tuple[str, str]],
) -> str:
    """Stacked bars below each other. `rows`: label, an amount of each kind, and the total as text; `kinds`: legend."""
    parts, top = legend(kinds if len(kinds) > 1 else (), 0)
    most = max((sum(amounts) for _, amounts, _ in rows), default=0.0) or 1.0
    for place, (label, amounts, total) in enumerate(rows):
        y = top + 6 + 34 * place
        parts += [text(0, y + 10, clean(label, 36)), text(WIDTH, y + 10, total, "strong", "end")]
        parts.append(rectangle(0, y + 15, WIDTH, 12, "track"))
        x = 0.0
        for amount, (_, style) in zip(amounts, kinds, strict=True):
            width = WIDTH * amount / most
            # A gap tells neighbours apart where colours do not.
            parts += [rectangle(x, y + 15, max(0.5, width - 1), 12, f"fill {style}")] if amount else []
            x += width
    return figure(caption, top + 8 + 34 * len(rows), parts)


def intervals(
    caption: Caption, rows: Sequence[tuple[str, float, float, float, str]], bounds: Sequence[tuple[str, float]]
) -> str:
    """Shares with their intervals below each other. `rows`: label, value, low, high, colour; `bounds`: shares marked
    across all of them."""
    left, right, top = 152.0, WIDTH - 20.0, 20.0 + 14 * len(bounds)

    def place_of(share: float) -> float:
        return left + (right - left) * min(1.0, max(0.0, share))

    bottom = top + 20 * len(rows)
    parts = [stroke(place_of(tick / 4), top, place_of(tick / 4), bottom, "grid") for tick in range(5)]
    parts += [text(place_of(tick / 4), bottom + 15, f"{25 * tick}%", "quiet", "middle") for tick in range(5)]
    for line, (label, share) in enumerate(bounds):
        parts.append(stroke(place_of(share), 14.0 * line + 16, place_of(share), bottom, "mark"))
        anchor = "end" if share > 0.75 else "start"
        shift = -4 if share > 0.75 else 4
        parts.append(text(place_of(share) + shift, 14.0 * line + 18, f"{label}: {share:.0%}", "quiet", anchor))
    for line, (label, value, low, high, style) in enumerate(rows):
        y = top + 20 * line + 10
        parts.append(text(0, y + 4, clean(label, 21), "strong" if style == "c2" else ""))
        parts += [stroke(place_of(low), y, place_of(high), y, f"whisker {style}"), marker(place_of(value), y, style)]
    return figure(caption, bottom + 22, parts)


def chart(caption: Caption, lines: Sequence[Line], ticks: Sequence[tuple[float, str]], axis: str) -> str:
    """Lines of shares over an axis. `ticks`: places on it with their labels."""
    head, top = legend([(line.label, line.style) for line in lines] if len(lines) > 1 else (), 0)
    left, right, up, down = 44.0, WIDTH - 14.0, top + 12, top + 200
    places = [point.x for line in lines for point in line.points] + [place for place, _ in ticks]
    first, last = min(places), max(places)
    margin = 12 if first > 0 else 0

    def x_of(value: float) -> float:
        return left + margin + (right - left - margin) * ((value - first) / (last - first) if last > first else 0.5)

    def y_of(share: float) -> float:
        return down - (down - up) * share

    parts = [*head, *(stroke(left, y_of(tick / 4), right, y_of(tick / 4), "grid") for tick in range(5))]
    parts += [text(left - 6, y_of(tick / 4) + 4, f"{25 * tick}%", "quiet", "end") for tick in range(5)]
    shown = -ROOM
    for place, label in ticks:
        if x_of(place) - shown >= ROOM:
            shown = x_of(place)
            parts.append(text(shown, down + 16, label, "quiet", "middle"))
    parts.append(text((left + right) / 2, down + 33, axis, "quiet", "middle"))
    for line in lines:
        bounded = [(point.x, point.low, point.high) for point in line.points if None not in (point.low, point.high)]
        if len(bounded) > 1:
            upper = [f"{number(x_of(x))} {number(y_of(high or 0.0))}" for x, _, high in bounded]
            lower = [f"{number(x_of(x))} {number(y_of(low or 0.0))}" for x, low, _ in reversed(bounded)]
            parts.append(Markup('<path d="M{}Z" class="band {}"/>').format("L".join(upper + lower), line.style))
        route = "L".join(f"{number(x_of(point.x))} {number(y_of(point.y))}" for point in line.points)
        parts.append(Markup('<path d="M{}" class="line {}"/>').format(route, line.style))
        parts += [marker(x_of(point.x), y_of(point.y), line.style) for point in line.points]
    return figure(caption, down + 40, parts)


def round_ticks(most: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to the first that is not below `most`."""
    step = most / count if most > 0 else 1.0
    size = 10.0 ** floor(log10(step))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= step * 0.999)
    ticks = [0.0]
    while ticks[-1] < most * 0.999:
        ticks.append(step * len(ticks))
    return ticks
