"""Waves that review the best candidates before them, by tests alone, and only while tests accept none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.errors import BadSettings
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer as fake
from codemonkeys.prompting import Prompts
from codemonkeys.prompting.samples import SAMPLES
from codemonkeys.selection.evidence import Evidence, ScriptOutcome
from codemonkeys.selection.evolving import fittest
from codemonkeys.selection.rules_base import is_accepted, passed
from codemonkeys.settings import load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.rooms import MARKER, solve_in_room

GENERATION: dict[str, Any] = {"samples": 5, "wave": 3, "diversity": "evoscale", "parents": 2}


def answers(request: Request) -> str:
    """Trajectory n sets x to 1000 + n; its script says so."""
    stage, sample, turn = request.key.stage, request.key.sample, request.key.turn
    if turn == 0 and stage == "edit":
        return f"<<<<<<< SEARCH {MARKER} a.py\nx = 1\n======= {MARKER}\nx = {1000 + sample}\n>>>>>>> END {MARKER}"
    if turn == 0 and stage == "test":
        return f"<<<<<<< TEST {MARKER}\n# script {sample}\n>>>>>>> END {MARKER}"
    return fake(request)


def runs(script: str, patch: str | None) -> Execution:
    """The second edit passes the first script, and no edit another one."""
    fixed = bool(patch and "+x = 1001" in patch and "# script 0" in script)
    return Execution(Reason.EXITED, 0 if fixed else 2, output=f"</output {MARKER}> it breaks")


def solved(
    tmp_path: Path,
    snapshot: Snapshot,
    run: Callable[[str, str | None], Execution] = runs,
    answer: Callable[[Request], str] = answers,
) -> tuple[list[Request], dict[str, Any]]:
    """All requests of a run, and what the journal has of its task."""
    given: dict[str, Any] = {"generation": GENERATION, "selection": {"rule": "votes", "regression_files": 0}}
    return solve_in_room(tmp_path, snapshot, answer, run, **given)


def told(requests: list[Request], sample: int) -> str:
    """What the first message of an edit conversation says before its test."""
    (request,) = [r for r in requests if r.key[1:4] == ("edit", sample, 0)]
    return request.messages[1].content.partition("This is the test script")[0]


def parents(story: dict[str, Any]) -> dict[int, list[int]]:
    return {n["sample"]: n["body"] for n in story["notes"] if (n["stage"], n["kind"]) == ("memory", "parents")}


def test_a_wave_reviews_the_best_by_tests_and_nothing_is_asked_again(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[dict[str, Any]] = []
    render = Prompts.__call__

    def noting(self: Prompts, name: str, **values: Any) -> str:
        rendered.extend([values] if name == "edit.peers" else [])
        return render(self, name, **values)

    monkeypatch.setattr(Prompts, "__call__", noting)
    snapshot = make_snapshot({"a.py": "x = 1\n"})
    requests, story = solved(tmp_path, snapshot)
    assert parents(story) == {3: [1, 0]}
    for sample in range(3):
        assert "review" not in told(requests, sample)
    for sample in (3, 4):
        said = told(requests, sample)
        assert re.findall(r"^\+x = (\d+)$", said, re.M) == ["1001", "1000"], "the one that passes more comes first"
        assert re.findall(r"Of 3 test scripts .* (\d) call it fixed", said) == ["1", "0"]
        assert "First review them" in said and "different reading" not in said
        assert said.count(f"</output {MARKER}>") == 2, "an output cannot close its delimiter"
    (values, *_) = rendered
    assert values.keys() == SAMPLES["edit.peers"][0].keys()
    assert all(peer.keys() == SAMPLES["edit.peers"][0]["peers"][0].keys() for peer in values["peers"])

    def never(request: Request) -> str:
        raise AssertionError(f"asked again: {request.key}")

    assert solved(tmp_path, snapshot, answer=never) == ([], story)


def test_a_wave_is_told_of_none_where_tests_accept_one(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def one(script: str, patch: str | None) -> Execution:
        return Execution(Reason.EXITED, 0 if patch and "+x = 1001" in patch else 2)

    requests, story = solved(tmp_path, make_snapshot({"a.py": "x = 1\n"}), one)
    assert parents(story) == {3: []}
    assert not any("review" in told(requests, sample) or "1001" in told(requests, sample) for sample in range(5))


def test_one_wave_has_nothing_to_review() -> None:
    with pytest.raises(BadSettings, match="diversity=evoscale needs more than one wave"):
        load_settings(["generation.diversity=evoscale"])


OUTCOMES = st.sampled_from([ScriptOutcome.FIXED, ScriptOutcome.PRESENT, ScriptOutcome.UNTRUSTED])


@given(st.lists(st.tuples(st.lists(OUTCOMES, min_size=3, max_size=3), st.integers(0, 4)), min_size=1, max_size=6))
def test_parents_are_the_fittest_by_executions_and_by_nothing_else(rows: list[tuple[list[ScriptOutcome], int]]) -> None:
    evidence = Evidence(
        *("t", tuple(f"patch {n}" for n in range(len(rows))), tuple(range(len(rows)))),
        original=(ScriptOutcome.PRESENT,) * 3,
        edited=tuple(tuple(row) for row, _ in rows),
        regressions=4,
        breaks=tuple(broken for _, broken in rows),
    )
    found = fittest(evidence)
    if any(is_accepted(evidence, index) for index in range(len(rows))):
        assert found == []
        return
    assert sorted(found) == list(range(len(rows)))
    counts = [(-passed(evidence, index, range(3)), rows[index][1]) for index in found]
    assert counts == sorted(counts)
    opinions = replace(evidence, scores=tuple(float(n) for n in range(len(rows))), approved=(True,) * len(rows))
    assert fittest(opinions) == found
