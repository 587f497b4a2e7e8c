"""The flow of tasks through a run as a Sankey diagram: bars in columns, and ribbons as wide as the tasks they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from codemonkeys.report.overview.drawing import WIDTH, Caption, clean, figure, number, rectangle, text

HEIGHT = 260.0
GAP = 34.0
"""Between bars of a column: two lines of text."""
BAR = 9.0


def sankey(caption: Caption, paths: Sequence[Sequence[str]], styles: Mapping[str, str]) -> str:
    """Flows of equal weight. `paths`: for each, the bars it passes, one per column, ending early where it is lost.

    `styles`: colour of a bar by its label; within a column, bars stand in the order of this mapping.
    """
    columns = max(map(len, paths))
    order = {label: place for place, label in enumerate(styles)}
    labels = [
        sorted({path[c] for path in paths if len(path) > c}, key=lambda label: (order.get(label, 99), label))
        for c in range(columns)
    ]
    most = max(map(len, labels))
    unit = (HEIGHT - GAP * most) / len(paths)
    pitch = (WIDTH - 90.0) / max(1, columns - 1)
    tops: dict[tuple[int, str], float] = {}
    parts: list[Markup] = []
    for c, column in enumerate(labels):
        y = GAP - 6
        for label in column:
            tops[c, label] = y
            size = unit * sum(len(path) > c and path[c] == label for path in paths)
            count = sum(len(path) > c and path[c] == label for path in paths)
            parts.append(rectangle(pitch * c, y, BAR, size, f"fill {styles.get(label, 'quiet')}"))
            parts.append(text(pitch * c, y - 15, str(count), "strong"))
            parts.append(text(pitch * c, y - 4, clean(label, 16)))
            y += size + GAP
    return figure(caption, HEIGHT + GAP, [*ribbons(paths, labels, tops, unit, pitch, styles), *parts])


def ribbons(
    paths: Sequence[Sequence[str]],
    labels: Sequence[Sequence[str]],
    tops: Mapping[tuple[int, str], float],
    unit: float,
    pitch: float,
    styles: Mapping[str, str],
) -> list[Markup]:
    """A ribbon for each pair of bars in neighbouring columns that some path joins."""
    parts = []
    for c in range(len(labels) - 1):
        joined = Counter((path[c], path[c + 1]) for path in paths if len(path) > c + 1)
        left = {label: tops[c, label] for label in labels[c]}
        right = {label: tops[c + 1, label] for label in labels[c + 1]}
        for pair in ((one, other) for one in labels[c] for other in labels[c + 1]):
            size = unit * joined[pair]
            if size:
                parts.append(
                    ribbon(
                        pitch * c + BAR,
                        left[pair[0]],
                        pitch * (c + 1),
                        right[pair[1]],
                        size,
                        styles.get(pair[1], "quiet"),
                    )
                )
                left[pair[0]] += size
                right[pair[1]] += size
    return parts


def ribbon(x1: float, y1: float, x2: float, y2: float, size: float, style: str) -> Markup:
    """A curved band of equal height from one bar to another."""
    middle = (x1 + x2) / 2
    route = "M{0} {1}C{2} {1} {2} {4} {3} {4}V{5}C{2} {5} {2} {6} {0} {6}Z".format(
        *map(number, (x1, y1, middle, x2, y2, y2 + size, y1 + size))
    )
    return Markup('<path d="{}" class="band {}"/>').format(route, style)
