"""Abstaining: what it buys by a rule's confidence, and on which tasks, without labels."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys import open_run
from codemonkeys.ensembles.ensemble import Ensemble, read_ensemble
from codemonkeys.ensembles.running import choose
from codemonkeys.errors import RunExists
from codemonkeys.journal import run_files
from codemonkeys.report.abstention import risk_result
from codemonkeys.report.stored_run import read_run
from codemonkeys.report.study import study
from codemonkeys.report.verdict_sources import Verdicts
from codemonkeys.runs.session import Options
from codemonkeys.selection.abstaining import least_sure
from codemonkeys.settings import load_settings


def test_risk_falls_where_confidence_tells() -> None:
    right = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}
    knowing = risk_result("rule", right, {"a": 0.9, "b": 0.8, "c": 0.2, "d": 0.1})
    blind = risk_result("rule", right, dict.fromkeys(right, 0.5))
    assert knowing and blind
    assert [risk[:2] for risk in knowing.risks] == [(1.0, 0.5), (0.75, pytest.approx(1 / 3)), (0.5, 0.0), (0.25, 0.0)]
    assert {risk[1] for risk in blind.risks} == {0.5} and blind.area == blind.chance == 0.5 > knowing.area
    assert risk_result("rule", {}, {}) is None


@given(st.dictionaries(st.text(max_size=3), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), st.floats(0, 1))
def test_the_least_sure_are_no_more_than_asked_for_and_none_is_surer_than_a_kept_one(
    sure: dict[str, float], share: float
) -> None:
    declined = least_sure(sure, share)
    assert len(declined) <= share * len(sure) + 1e-6
    assert all(sure[one] < sure[other] for one in declined for other in sure.keys() - declined.keys())


def patch(text: str) -> str:
    return f"--- a/a.py\n+++ b/a.py\n@@ -1,1 +1,1 @@\n-old\n+{text}\n"


@pytest.fixture
def made(tmp_path: Path) -> Ensemble:
    """Ten tasks: of the first five no submission has a record; in the others more and more of three agree."""
    tasks = [
        {"instance_id": f"a__b-{n}", "repo": "a/b", "base_commit": "0" * 40, "problem_statement": "x"}
        for n in range(10)
    ]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    paths = []
    for k, name in enumerate(("one_x", "two_x", "two_y")):
        rows = [
            {
                "instance_id": f"a__b-{n}",
                "model_name_or_path": name,
                "model_patch": patch("same" if n >= 7 else f"by{k}"),
            }
            for n in range(5, 10)
        ]
        paths.append(tmp_path / f"{name}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_ensemble(str(tmp_path / "tasks.jsonl"), (), paths)


def test_an_ensemble_abstains_where_it_is_least_sure(made: Ensemble, tmp_path: Path) -> None:
    settings = load_settings(selection={"rule": "majority"})

    def run(name: str, abstain: float) -> dict[str, str]:
        asyncio.run(choose(replace(made, abstain=abstain), settings, Options(tmp_path / "runs", name)))
        return {task.id: task.state for task in open_run(tmp_path / "runs" / name).tasks()}

    states = run("some", 0.4)
    assert [task for task, state in states.items() if state == "abstained"] == ["a__b-5", "a__b-6"]
    assert run("some", 0.4) == states
    with pytest.raises(RunExists, match="abstain was 0.4"):
        run("some", 0.0)
    assert "abstained" not in run("all", 0.0).values()


def test_a_study_counts_covered_tasks_systems_and_families_and_can_be_narrowed(made: Ensemble, tmp_path: Path) -> None:
    settings = load_settings(selection={"rule": "majority"})
    asyncio.run(choose(made, settings, Options(tmp_path / "runs", "run")))
    with run_files.reading(tmp_path / "runs" / "run" / "run.db") as connection:
        whole = read_run(connection)
        part = read_run(connection, {"a__b-5", "a__b-9"}.__contains__)
    found = study(whole, None)
    assert (found.tasks, found.uncovered) == (5, 5)
    assert {(system.name, system.family, system.tasks) for system in found.systems} == {
        *(("one_x", "one", 5), ("two_x", "two", 5), ("two_y", "two", 5))
    }
    assert {(family.name, family.members, family.score) for family in found.families} == {
        ("one", 1, None),
        ("two", 2, None),
    }
    verdicts = Verdicts(
        by_source={(f"a__b-{n}", name): name == "two_y" for n in range(5, 10) for name in ("one_x", "two_x", "two_y")}
    )
    graded = study(whole, verdicts)
    assert {family.name: family.score for family in graded.families} == {"one": 0.0, "two": 1.0}
    assert graded.risks and all(risk.tasks == 5 for risk in graded.risks)
    narrow = study(part, verdicts)
    assert narrow.tasks == 2 and len(part.pool) == 5 and {system.tasks for system in narrow.systems} == {2}
