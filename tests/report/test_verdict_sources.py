"""Verdicts from files in all their forms, and from a run's journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import BadInput
from codemonkeys.report.verdict_sources import Verdicts, add_file, patch_hash
from codemonkeys.selection.evidence import Evidence

SOURCES = ("one", "two", "org/three")
EVIDENCE = Evidence("t-1", ("p1", "p2", "p3"), (0, 1, 2), SOURCES)


def read(tmp_path: Path, content: Any, name: str = "verdicts.json", system: str = "") -> tuple[bool | None, ...]:
    (tmp_path / name).write_text(json.dumps(content))
    verdicts = Verdicts()
    add_file(verdicts, f"{system}{tmp_path / name}", SOURCES)
    return verdicts.of_candidates(EVIDENCE)


def test_resolved_ids_of_systems(tmp_path: Path) -> None:
    assert read(tmp_path, {"one": ["t-1"], "two": ["t-2"], "four": []}) == (True, False, None)


def test_table_of_patches_and_systems(tmp_path: Path) -> None:
    table = {"t-1": {patch_hash("p1"): "resolved", "two": False, patch_hash("p3"): "infrastructure failure"}}
    assert read(tmp_path, table) == (True, False, None)


def test_summary_of_the_harness(tmp_path: Path) -> None:
    summary = {
        "resolved_ids": ["t-1"],
        "unresolved_ids": ["t-2"],
        "empty_patch_ids": [],
        "infra_failure_ids": ["t-3"],
        "schema_version": 2,
    }
    assert read(tmp_path, summary, "org__three.run.json") == (None, None, True)
    assert read(tmp_path, summary, system="two=") == (None, True, None)
    with pytest.raises(BadInput, match="whose summary"):
        read(tmp_path, summary, "nobody.run.json")


def test_results_of_the_leaderboard(tmp_path: Path) -> None:
    assert read(tmp_path, {"resolved": ["t-2"], "no_generation": []}, system="one=") == (False, None, None)


def test_equivalent_candidates_share_a_verdict_that_nobody_contradicts(tmp_path: Path) -> None:
    verdicts = Verdicts(by_patch={("t-1", patch_hash("p1")): True})
    same = Evidence("t-1", ("p1", "p2", "p3"), (0, 0, 2), SOURCES)
    assert verdicts.of_candidates(same) == (True, True, None)
    verdicts.by_patch["t-1", patch_hash("p2")] = False
    assert verdicts.of_candidates(same) == (True, False, None)


@pytest.mark.parametrize("content", [7, [], {"t-1": 3}, {"t-1": {"one": 3}}, {"nobody": ["t-1"]}, {"resolved_ids": 1}])
def test_what_is_no_verdict_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(BadInput, match=r"verdicts\.json"):
        read(tmp_path, content, system="one=" if isinstance(content, dict) and "resolved_ids" in content else "")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        add_file(Verdicts(), str(tmp_path / "missing.json"), SOURCES)
