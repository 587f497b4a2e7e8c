"""Layers between the trajectories of a task and its selection: critique, rank, fuse, verify."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from codemonkeys.context.json_arrays import parse_numbers
from codemonkeys.engine.conversation import UnusableAnswer
from codemonkeys.errors import BadSettings, BudgetReached
from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.decisions import all_decisions
from codemonkeys.layers.verifying import verify
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer as fake
from codemonkeys.models.replay import ReplayModel, write_recording
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting.samples import SAMPLES
from codemonkeys.report.layers import layer_results
from codemonkeys.report.layers_view import layers_of_task
from codemonkeys.report.resampling import graded_tasks
from codemonkeys.report.stored_run import read_run
from codemonkeys.report.tuning_outcomes import RULE_NAMES, Prefixes
from codemonkeys.report.verdict_sources import Verdicts, patch_hash, ungraded
from codemonkeys.selection.collect_evidence import collect_evidence
from codemonkeys.settings import load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from sandboxes.local import LocalSandbox
from tests.fakes import TASK
from tests.rooms import MARKER, rendered_values, room, solve_in_room
from tests.selection.test_regression import environment, patch_of

ALL = ["generate", "critique", "rank", "fuse", "verify"]


def edit(number: int) -> str:
    return f"<<<<<<< SEARCH {MARKER} a.py\nx = 1\n======= {MARKER}\nx = {number}\n>>>>>>> END {MARKER}"


def answers(request: Request) -> str:
    """Trajectory n sets x to 1000 + n, the merged one to 2000; the ranking has the smallest number last."""
    stage, sample, turn, said = *request.key[1:4], request.messages[-1].content
    if stage == "edit" and turn == 0:
        return edit(1000 + sample)
    if stage == "fuse" and turn == 0:
        return edit(2000)
    if stage == "test" and turn == 0:
        return f"<<<<<<< TEST {MARKER}\n# script {sample}\n>>>>>>> END {MARKER}"
    if stage == "critique":
        return f"**Strengths:** sets {shown(said)[0]}.\nFAULTS: </faults {MARKER}> misses y."
    if stage == "rerank":
        places = sorted(range(len(shown(said))), key=lambda place: -shown(said)[place])
        return f"Thinking [1].\n{[place + 1 for place in places]}"
    return fake(request)


def shown(said: str) -> list[int]:
    """The edits in a message, in its order."""
    return [int(number) for number in re.findall(r"^\+x = (\d+)$", said, re.M)]


def runs(script: str, patch: str | None) -> Execution:
    """The merged edit passes all three scripts, and the others the one of their own trajectory."""
    number = int((re.findall(r"\+x = (\d+)", patch or "") or [0])[0])
    fixed = number == 2000 or (number >= 1000 and f"script {number - 1000}" in script)
    return Execution(Reason.EXITED, 0 if fixed else 2, output=f"</output {MARKER}> it breaks")


def solved(
    tmp_path: Path,
    snapshot: Snapshot,
    answer: Callable[[Request], str] = answers,
    run: Callable[[str, str | None], Execution] = runs,
    **generation: Any,
) -> tuple[list[Request], dict[str, Any]]:
    """All requests of a run with these layers, and what the journal has of its task."""
    given: dict[str, Any] = {
        "generation": {"samples": 3, "layers": ALL, "fuse_best": 2, **generation},
        "selection": {"rule": "votes", "regression_files": 0},
    }
    return solve_in_room(tmp_path, snapshot, answer, run, **given)


def notes(story: dict[str, Any], stage: str) -> dict[tuple[int, str], Any]:
    return {(n["sample"], n["kind"]): n["body"] for n in story["notes"] if n["stage"] == stage}


@pytest.fixture
def snapshot(make_snapshot: Callable[..., Snapshot]) -> Snapshot:
    return make_snapshot({"a.py": "x = 1\n", "b.py": "y = 1\n"})


def never(request: Request) -> str:
    raise AssertionError(f"asked again: {request.key}")


def test_candidates_are_reviewed_ranked_merged_and_the_merged_one_is_tested(
    tmp_path: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = rendered_values(monkeypatch)
    requests, story = solved(tmp_path, snapshot)
    by_stage = {stage: [r for r in requests if r.key.stage == stage] for stage in ("critique", "rerank", "fuse")}
    assert [r.key.sample for r in by_stage["critique"]] == [0, 1, 2]
    (ranked,) = by_stage["rerank"]
    assert sorted(shown(ranked.messages[1].content)) == [1000, 1001, 1002]
    first = by_stage["fuse"][0].messages
    assert shown(first[1].content) == [1002, 1001], "the best two, as they are ranked"
    assert first[1].content.count("sets 100") == 2 and f"</faults {MARKER}> misses" not in first[1].content
    assert "different reading" not in first[1].content and "# script 2" in first[1].content
    assert first[0].content == next(r for r in requests if r.key.stage == "edit").messages[0].content, "a shared prefix"
    assert notes(story, "rerank") == {(2, "ranking"): [2, 1, 0]} and notes(story, "fuse") == {(3, "parents"): [2, 1]}
    assert notes(story, "verify")[3, "verdict"] == {
        "stays": True,
        "passed": 3,
        "best parent": 1,
        "of": 3,
        "broken": None,
    }
    assert [c["source"] for c in story["candidates"]][-1].startswith("fuse ") and story["choice"].number == 4
    assert len({c["family"] for c in story["candidates"]}) == 1, "what one model writes and merges is related"
    for name in ("critique.system", "critique.user", "rerank.system", "rerank.user", "fuse.user"):
        assert rendered[name] == SAMPLES[name][0].keys(), name
    table = layers_of_task(story["notes"])
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "merges samples 3, 2" in printed and "stays: passes 3 of 3 scripts, the best before it 1" in printed

    assert solved(tmp_path, snapshot, never) == ([], story)


def test_a_merged_candidate_that_tests_find_worse_is_refused(tmp_path: Path, snapshot: Snapshot) -> None:
    def worse(script: str, patch: str | None) -> Execution:
        return Execution(Reason.EXITED, 0 if patch and "x = 2000" not in patch else 2)

    _, story = solved(tmp_path / "verified", snapshot, run=worse)
    assert len(story["candidates"]) == 3 and notes(story, "verify")[3, "verdict"]["stays"] is False
    # Without verification it is a candidate, and tests choose another.
    _, story = solved(tmp_path / "not", snapshot, run=worse, layers=["generate", "fuse"])
    assert len(story["candidates"]) == 4 and story["choice"].number != 4
    assert notes(story, "fuse")[3, "parents"] == [0, 1], "without a ranking, the best by tests"


def test_by_default_nothing_is_asked_beside_trajectories(tmp_path: Path, snapshot: Snapshot) -> None:
    requests, story = solved(tmp_path, snapshot, layers=["generate"])
    assert {r.key.stage for r in requests} <= {"relevance", "rank", "test", "edit"}
    assert load_settings().generation.layers == ("generate",)
    assert {c["family"] for c in story["candidates"]} == {""}


def test_a_single_distinct_candidate_is_left_as_it_is(tmp_path: Path, snapshot: Snapshot) -> None:
    def same(request: Request) -> str:
        return edit(1000) if request.key.stage == "edit" and request.key.turn == 0 else answers(request)

    requests, _ = solved(tmp_path, snapshot, same)
    assert not {r.key.stage for r in requests} & {"critique", "rerank", "fuse"}


@pytest.mark.parametrize("stage", ["critique", "rerank", "fuse"])
def test_what_went_on_without_a_layer_is_resumed_without(stage: str, tmp_path: Path, snapshot: Snapshot) -> None:
    """There is money again in the second session: what was chosen from stays as it was."""

    def dear(request: Request) -> str:
        if request.key.stage == stage:
            raise BudgetReached("no money left")
        return answers(request)

    _, story = solved(tmp_path, snapshot, dear)
    assert len(story["candidates"]) == (3 if stage == "fuse" else 4)
    assert any((n["stage"], n["kind"]) == (stage, "ended early") for n in story["notes"])
    assert solved(tmp_path, snapshot, never) == ([], story)


def test_layers_can_repeat(tmp_path: Path, snapshot: Snapshot) -> None:
    def two(request: Request) -> str:
        stage, sample, turn = request.key[1:4]
        return edit(2000 + sample) if (stage, turn) == ("fuse", 0) else answers(request)

    requests, story = solved(tmp_path, snapshot, two, layers=[*ALL[:4], *ALL[1:4]])
    assert [r.key.sample for r in requests if r.key.stage == "critique"] == [0, 1, 2, 3]
    assert notes(story, "fuse") == {(3, "parents"): [2, 1], (4, "parents"): [3, 2]}
    assert len(story["candidates"]) == 5


def test_the_gain_of_each_layer_is_measured(tmp_path: Path, snapshot: Snapshot) -> None:
    _, story = solved(tmp_path, snapshot)
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        run = read_run(connection)
        assert len(ungraded(connection)[TASK.id]) == 4
    assert run.wave_of[TASK.id] == (1, 1, 1, 2) and run.rankings == {TASK.id: (2, 1, 0)}
    assert run.samples == {TASK.id: 3}, "a merged candidate is no sample"
    found = layer_results(run, [TASK.id], {TASK.id: (False, False, False, True)})
    told = {row.layer: (row.candidates, row.right, row.coverage, row.first) for row in found}
    before = (0, None, 0.0, 0.0)
    assert told == {
        "generate": (3, 0.0, 0.0, 0.0),
        "critique": before,
        "rank": before,
        "fuse": (1, 1.0, 1.0, 1.0),
        "verify": (1, 1.0, 1.0, 1.0),
    }
    asked = {row.layer: (row.cost.calls, row.cost.executions) for row in found}
    assert asked["critique"] == (3, 0) and asked["rank"] == (1, 0) and asked["verify"][0] == 0
    assert asked["generate"][0] > 6 and asked["fuse"][0] > 0
    found = layer_results(run, [TASK.id], {TASK.id: (False, False, True, False)})
    assert [row.first for row in found] == [0.0, 0.0, 1.0, 0.0, 0.0], "the ranking had it first"
    ungraded_rows = layer_results(run, [TASK.id], {})
    assert {row.layer: row.candidates for row in ungraded_rows} == {layer: each[0] for layer, each in told.items()}
    assert {share for row in ungraded_rows for share in (row.right, row.coverage, row.first)} == {None}


def test_what_verification_refuses_is_graded_and_counts_for_the_layer_that_made_it(
    tmp_path: Path, snapshot: Snapshot
) -> None:
    _, story = solved(
        tmp_path, snapshot, run=lambda script, patch: runs(script, patch if patch and "2000" not in patch else None)
    )
    assert notes(story, "verify")[3, "verdict"]["stays"] is False
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        run = read_run(connection)
        (refused,) = (patch for patch in ungraded(connection)[TASK.id] if "+x = 2000" in patch)
    (refusal,) = run.verifications[TASK.id]
    assert refusal.patch_hash == patch_hash(refused) and (refusal.passed, refusal.scripts) == (0, 3)
    labels = {TASK.id: (True, False, False)}
    told = {
        row.layer: (row.candidates, row.right, row.coverage, row.first)
        for row in layer_results(run, [TASK.id], labels, {(TASK.id, refusal.patch_hash): False})
    }
    assert told["fuse"] == (1, 0.0, 1.0, 1.0) and told["verify"] == (0, None, 1.0, 1.0)
    # Had it broken tests of the repository rather than failed scripts, it would have come first, and been wrong.
    ahead = replace(run, verifications={TASK.id: (refusal._replace(passed=3, broken=0),)})
    found = layer_results(ahead, [TASK.id], labels, {(TASK.id, refusal.patch_hash): False})
    assert [(row.layer, row.first) for row in found][-2:] == [("fuse", 0.0), ("verify", 1.0)]
    unknown = {row.layer: row for row in layer_results(run, [TASK.id], labels)}
    assert unknown["fuse"].right is unknown["fuse"].first is None and unknown["verify"].first == 1.0


def test_a_replayed_run_has_the_layers_of_the_recorded_one(tmp_path: Path, snapshot: Snapshot) -> None:
    """The replay asks nothing that was not recorded, and merges, verifies and chooses equally."""
    _, story = solved(tmp_path / "recorded", snapshot)
    recording = tmp_path / "recording.jsonl"
    with run_files.reading(tmp_path / "recorded" / "run" / "run.db") as connection:
        found = queries.answers(connection), queries.request_messages(connection), all_decisions(connection)
        write_recording(recording, *found)
    again = {"samples": 3, "layers": ALL, "fuse_best": 2}
    with room(
        *(tmp_path / "replayed", snapshot, never, runs),
        generation=again,
        selection={"rule": "votes", "regression_files": 0},
        answering=ReplayModel.open(recording),
    ) as work:
        assert asyncio.run(solve_task(work)) == story["choice"]
    with run_files.reading(tmp_path / "replayed" / "run" / "run.db") as connection:
        told = queries.task_story(connection, TASK.id)
    for stage in ("critique", "rerank", "fuse", "verify"):
        assert notes(told, stage) == notes(story, stage) != {}
    patches = [[candidate["patch"] for candidate in each["candidates"]] for each in (told, story)]
    assert patches[0] == patches[1] and len(patches[0]) == 4


def test_tuning_draws_no_merged_candidate(tmp_path: Path, snapshot: Snapshot) -> None:
    """It alone is right, and none of the draws resolves the task; nor does any pay for it."""
    requests, story = solved(tmp_path, snapshot)
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        run = read_run(connection)
        patches = run.evidence[TASK.id].patches
        verdicts = Verdicts({(TASK.id, patch_hash(patch)): "+x = 2000" in patch for patch in patches})
        (task,) = graded_tasks(connection, run, verdicts, priced=False)
    assert task.verdicts == (False, False, False, True)
    assert [(each.sample, each.candidate) for each in task.trajectories] == [(0, 0), (1, 1), (2, 2)]
    assert all(Prefixes(task, task.trajectories, None).right(3, rule) == 0.0 for rule in RULE_NAMES)
    paid = sum(request.key.stage in ("test", "edit") for request in requests)
    assert sum(each.cost() for each in task.trajectories) == paid < len(requests)


@pytest.mark.slow
def test_a_merged_candidate_that_breaks_tests_of_the_repository_is_refused(
    tmp_path: Path, make_repository: Callable[..., Path]
) -> None:
    """By the repository's own tests, run in a real sandbox; no test script says anything."""
    tests = "def test_add(): assert add(1, 2) == 3\n\ndef test_minus(): assert minus(3, 1) == 2\n"
    files = {
        "adder.py": "def add(a, b):\n    return a + b\n\n\ndef minus(a, b):\n    return a - b\n",
        "test_adder.py": f"from adder import add, minus\n\n{tests}",
    }
    repository = make_repository(files)
    snapshot = Snapshot.of_repository(repository)

    def patch(line: str, new: str) -> str:
        return patch_of(snapshot, "adder.py", line, new)

    whole, broken = patch("a + b", "b + a"), patch("a - b", "b - a")
    with room(
        *(tmp_path, snapshot, never),
        sandbox=LocalSandbox(),
        selection={"regression_files": 1, "regression_seconds": 60.0},
    ) as work:
        work.environment = environment(repository)
        parents = [Candidate(0, whole, "", True), Candidate(1, broken, "", True)]
        inputs = asyncio.run(collect_evidence(work, parents))
        assert inputs.evidence.breaks == (0, 1)
        merges = {
            2: (patch("a + b", "a + b + 0"), [0, 1]),
            3: (patch("a - b", "a"), [0, 1]),
            4: (patch("a + b", "a"), [1]),
        }
        stays = {
            sample: asyncio.run(verify(work, inputs, of, Candidate(sample, merged, "", True)))
            for sample, (merged, of) in merges.items()
        }
        assert stays == {2: True, 3: False, 4: True}, "no more than the least of what it merges breaks"
        noted = {n: work.journal.note(TASK.id, "verify", n, "verdict") for n in merges}
    assert {n: (body["broken"], body["of"]) for n, body in noted.items()} == {2: (0, 0), 3: (1, 0), 4: (1, 0)}


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ("[fuse]", "layers begin with generate"),
        ("[generate,fuse,generate]", "occurs once"),
        ("[generate,verify]", "right behind fuse, not generate"),
        ("[generate,critique]", "nothing uses layer critique where it is the last"),
        ("[generate,rank,rank,fuse]", "rank twice in a row"),
        ("[]", "layers begin with generate"),
    ],
)
def test_layers_in_an_order_that_does_nothing_are_refused(layers: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        load_settings([f"generation.layers={layers}"])


@given(st.text(alphabet="[]1234, x", max_size=40), st.integers(1, 4))
def test_any_answer_is_a_whole_ranking_or_unusable(answer: str, count: int) -> None:
    try:
        found = parse_numbers(answer, count)
    except UnusableAnswer as problem:
        assert "array" in str(problem)
    else:
        assert sorted(found) == list(range(1, count + 1))
