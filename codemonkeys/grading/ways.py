"""Which tasks are graded in a way of their own, and how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from codemonkeys.errors import BadRecord
from codemonkeys.grading.containers import Way
from codemonkeys.grading.harbor import HarborWay
from codemonkeys.grading.live import LiveWay
from codemonkeys.grading.multi_swe import MultiSweWay
from codemonkeys.grading.own_script import OwnScriptWay
from codemonkeys.grading.poly import PolyWay
from codemonkeys.grading.pro import ProWay
from codemonkeys.grading.r2e import R2EWay
from codemonkeys.grading.rebench import RebenchWay
from codemonkeys.grading.smith import SmithWay
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.formats import mined, multi_swe, pro, training
from codemonkeys.tasks.sources import task_folders


def own_ways(source: str, scripts: Path | None) -> dict[str, Way]:
    """All ways, by the name that a key has in place of a parser of swebench.

    `scripts`: what a data set is graded by that is not in its rows; None: it lies beside them.
    """
    place = Path(source).expanduser()
    folder = scripts or (place if place.is_dir() else place.parent)
    return {
        pro.PARSER: ProWay(folder),
        task_folders.PARSER: HarborWay(place),
        mined.REBENCH_PARSER: RebenchWay(folder),
        mined.LIVE_PARSER: LiveWay(folder),
        mined.POLY_PARSER: PolyWay(folder),
        multi_swe.PARSER: MultiSweWay(folder),
        training.SMITH_PARSER: SmithWay(folder),
        training.R2E_PARSER: R2EWay(folder),
        training.OWN_PARSER: OwnScriptWay(folder),
    }


def check_parsers(keys: Mapping[str, AnswerKey]) -> None:
    """Raise BadRecord for the first key whose parser swebench does not have."""
    if not keys:
        return
    from swebench.harness.log_parsers import PARSER_REGISTRY

    for id, key in keys.items():
        if key.log_parser and key.log_parser not in PARSER_REGISTRY:
            raise BadRecord(f"{id}: its log_parser is {key.log_parser[:80]!r}, which swebench does not have")
