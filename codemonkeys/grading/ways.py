"""Which data sets are graded in a way of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from codemonkeys.errors import BadInput
from codemonkeys.grading.containers import Way
from codemonkeys.grading.harbor import HarborWay
from codemonkeys.grading.pro import ProWay
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.formats import pro
from codemonkeys.tasks.sources import task_folders


def own_way(source: str, keys: Mapping[str, AnswerKey], scripts: Path | None) -> Way | None:
    """The way of the data set of these tasks; None for SWE-bench's. Raises BadInput for tasks of several.

    `scripts`: of SWE-bench Pro; None: they lie beside the rows.
    """
    parsers, place = {key.log_parser for key in keys.values()}, Path(source).expanduser()
    ways: dict[str, Way] = {
        pro.PARSER: ProWay(scripts or (place if place.is_dir() else place.parent)),
        task_folders.PARSER: HarborWay(place),
    }
    if not parsers & ways.keys():
        return None
    if len(parsers) > 1:
        raise BadInput(f"{source}: its tasks are graded in several ways; grade those of each data set by themselves")
    return ways[parsers.pop()]
