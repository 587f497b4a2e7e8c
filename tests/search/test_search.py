"""Several contexts and first edits are begun, and only the best are gone on with."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from codemonkeys.compute.policies import check_policy
from codemonkeys.engine.decided import noted
from codemonkeys.errors import BadSettings, BudgetReached
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.decisions import CONTEXTS, KEPT, all_decisions
from codemonkeys.models.base import Completion, Request
from codemonkeys.models.fake_answers import answer as fake
from codemonkeys.models.replay import ReplayModel, write_recording
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting.samples import SAMPLES
from codemonkeys.report.search_view import search_of_task
from codemonkeys.report.task_view import unapproved
from codemonkeys.settings import load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK
from tests.rooms import MARKER, rendered_values, room

FILES = {f"{name}.py": f"{name} = 1\n" for name in "abc"}


def edit(number: int) -> str:
    return f"<<<<<<< SEARCH {MARKER} a.py\na = 1\n======= {MARKER}\na = {number}\n>>>>>>> END {MARKER}"


def numbers_in(said: str) -> list[int]:
    """What the edits in a message set, in its order."""
    return [int(number) for number in re.findall(r"^\+a = (\d+)$", said, re.M)]


def answers(request: Request) -> str:
    """Trajectory n first sets a to 100 + n, and then to 200 + n; ranking n chooses one file more."""
    stage, sample, turn, said = *request.key[1:4], request.messages[-1].content
    if stage == "rank":
        return json.dumps(["a.py", "b.py", "c.py"][: max(1, sample - 1)])
    if stage == "edit" and turn < 2:
        return edit((100, 200)[turn] + sample)
    if stage == "test" and turn == 0:
        return f"<<<<<<< TEST {MARKER}\n# script {sample}\n>>>>>>> END {MARKER}"
    if stage == "prune" and "Choice 1:" in said:
        files = [len(re.findall(r"\.py", choice)) for choice in said.split("Choice ")[1:]]
        return json.dumps(sorted(range(1, len(files) + 1), key=lambda place: files[place - 1]))
    if stage == "prune":
        shown = numbers_in(said)
        return f"As [1] says: {json.dumps(sorted(range(1, len(shown) + 1), key=lambda n: shown[n - 1] % 2))}"
    return fake(request)


def runs(script: str, patch: str | None) -> Execution:
    """Edit n passes the scripts up to number n % 100, so later trajectories begin better; no edit, none."""
    number = int((re.findall(r"^\+a = (\d+)", patch or "", re.M) or [-1])[0]) % 100
    written = int((re.findall(r"script (\d+)", script) or [0])[0])
    fixed = patch is not None and written < number
    return Execution(Reason.EXITED, 0 if fixed else 2, output=f"</output {MARKER}> it breaks")


def solved(
    tmp_path: Path,
    snapshot: Snapshot,
    answer: Callable[[Request], str] = answers,
    generation: dict[str, Any] | None = None,
    replayed: ReplayModel | None = None,
    run: Callable[[str, str | None], Execution] = runs,
    **search: Any,
) -> tuple[list[Request], dict[str, Any]]:
    """All requests of a run, and what the journal has of its task."""
    given: dict[str, Any] = {
        "context": {"rankings": 2, "around_tokens": 0},
        "generation": {"samples": 4, "repository_tests": False, **(generation or {})},
        "selection": {"rule": "votes", "regression_files": 0},
        "search": search,
    }
    with room(tmp_path, snapshot, answer, run, answering=replayed, **given) as work:
        choice = asyncio.run(solve_task(work))
        decisions = {kind: noted(work, kind, 0) for kind in (KEPT, CONTEXTS)}
        requests = [] if replayed else list(work.models.primary.requests)  # type: ignore[attr-defined]
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        return requests, {**queries.task_story(connection, TASK.id), "choice": choice, **decisions}


def turns(requests: list[Request], stage: str = "edit") -> dict[int, int]:
    """How many calls each sample made."""
    made = [r.key.sample for r in requests if r.key.stage == stage]
    return {sample: made.count(sample) for sample in sorted(set(made))}


def shown_to(requests: list[Request]) -> dict[int, set[str]]:
    """The files that each trajectory sees."""
    first = [r for r in requests if r.key.stage == "edit" and r.key.turn == 0]
    return {r.key.sample: {path for path in FILES if f'"{path}"' in r.messages[0].content} for r in first}


def never(request: Request) -> str:
    raise AssertionError(f"asked again: {request.key}")


@pytest.fixture
def snapshot(make_snapshot: Callable[..., Snapshot]) -> Snapshot:
    return make_snapshot(FILES)


def test_only_the_best_first_edits_have_further_calls(tmp_path: Path, snapshot: Snapshot) -> None:
    requests, story = solved(tmp_path, snapshot, keep_edits=2)
    assert turns(requests) == {0: 1, 1: 1, 2: 3, 3: 3}
    assert story[KEPT] == [3, 2] and not turns(requests, "prune")
    assert {r.key.stage for r in requests} == {"relevance", "rank", "test", "edit"}, "executions alone decide"
    # What was begun is paid for: it is a candidate, and its script votes.
    assert [numbers_in(c["patch"]) for c in story["candidates"]] == [[100], [101], [202], [203]]
    assert unapproved(0, story["notes"]) == "no, pruned"
    assert [c["approved"] for c in story["candidates"]] == [0, 0, 1, 1]
    console = Console(file=io.StringIO(), width=200)
    console.print(search_of_task(story["notes"]))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"first edit +1 +pruned +passes 0 of 4 scripts", printed)
    assert re.search(r"first edit +4 +kept +passes 3 of 4 scripts", printed)

    assert solved(tmp_path, snapshot, never, keep_edits=2) == ([], story)


def test_by_default_nothing_is_pruned_and_nothing_waits(tmp_path: Path, snapshot: Snapshot) -> None:
    requests, story = solved(tmp_path, snapshot)
    assert turns(requests) == dict.fromkeys(range(4), 3) and turns(requests, "rank") == {0: 1, 1: 1}
    assert story[KEPT] is None and not any(note["stage"] == "prune" for note in story["notes"])
    assert not load_settings().search.waits_for_edits


def test_a_judge_orders_first_edits_in_shuffled_votes(
    tmp_path: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = rendered_values(monkeypatch)
    given: dict[str, Any] = {"keep_edits": 2, "prune": "judge", "contexts": 4, "keep_contexts": 2, "votes": 3}
    requests, story = solved(tmp_path, snapshot, **given)
    votes = [r for r in requests if r.key.stage == "prune" and r.key.sample == 1]
    orders = [numbers_in(r.messages[1].content) for r in votes]
    assert [r.key.turn for r in votes] == [0, 2, 4] and len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == [100, 101, 102, 103] for order in orders)
    assert f"</output {MARKER}> it" not in votes[0].messages[1].content, "what a program printed is escaped"
    assert "call it fixed" in votes[0].messages[1].content
    assert sorted(story[KEPT]) == [0, 2], "even ones first, as the judge has it, and not as executions do"
    assert turns(requests) == {0: 3, 1: 1, 2: 3, 3: 1}
    for name in ("prune.system", "prune.user", "choices.system", "choices.user"):
        assert rendered[name] == SAMPLES[name][0].keys(), name

    assert solved(tmp_path, snapshot, never, **given) == ([], story)


def test_a_judge_keeps_contexts_before_any_edit(tmp_path: Path, snapshot: Snapshot) -> None:
    """The usual rankings choose one file, the two others one and two: equal choices are one."""
    requests, story = solved(tmp_path, snapshot, prune="judge", contexts=4, keep_contexts=1)
    assert turns(requests, "rank") == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}
    assert [r.temperature for r in requests if r.key.stage == "rank"] == [0.0, 0.0, 0.5, 0.5, 0.5]
    (note,) = [n["body"] for n in story["notes"] if (n["stage"], n["kind"]) == ("prune", "choices")]
    assert [len(paths) for paths in note] == [1, 2, 3]
    asked = [r for r in requests if r.key.stage == "prune"]
    assert {r.key.sample for r in asked} == {0} and len(asked) == 3
    assert story[CONTEXTS] == [0] and story[KEPT] is None
    assert list(shown_to(requests).values()) == [{"a.py"}] * 4, "shortest first, as the judge has it"


def test_executions_of_first_edits_keep_contexts(tmp_path: Path, snapshot: Snapshot) -> None:
    """Context choices are tried in turn; the best first edit, of sample 3, saw the second of two."""
    given: dict[str, Any] = {"contexts": 3, "keep_contexts": 1}
    generation = {"samples": 6, "wave": 4}
    requests, story = solved(tmp_path, snapshot, generation=generation, **given)
    assert story[CONTEXTS] == [1] and story[KEPT] == [3, 1]
    assert turns(requests) == {0: 1, 1: 3, 2: 1, 3: 3, 4: 3, 5: 3}
    assert list(shown_to(requests).values()) == [{"a.py"}, {"a.py", "b.py"}] * 2 + [{"a.py", "b.py"}] * 2
    layered = {**generation, "layers": ["generate", "fuse"]}
    requests, _ = solved(tmp_path / "layered", snapshot, generation=layered, **given)
    first = next(r for r in requests if r.key.stage == "fuse").messages[0].content
    assert '"b.py"' in first, "what is merged is shown the context that was kept"
    assert solved(tmp_path, snapshot, never, generation=generation, **given) == ([], story)


def test_each_wave_keeps_its_own(tmp_path: Path, snapshot: Snapshot) -> None:
    requests, story = solved(tmp_path, snapshot, generation={"samples": 6, "wave": 3}, keep_edits=1)
    assert turns(requests) == {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 3}
    kept = {n["sample"]: n["body"] for n in story["notes"] if (n["stage"], n["kind"]) == ("enough", KEPT)}
    assert kept == {0: [2], 3: [5]}


def test_what_needs_no_further_turn_or_has_no_edit_takes_part(tmp_path: Path, snapshot: Snapshot) -> None:
    def model(request: Request) -> str:
        stage, sample, turn = request.key[1:4]
        if stage == "edit" and sample == 0:
            return "I cannot."
        if stage == "edit" and sample == 3 and turn == 0:
            return f"{edit(103)}\n<<<<<<< DONE {MARKER}"
        return edit(102) if stage == "edit" and sample == 1 and turn == 0 else answers(request)

    def passes(script: str, patch: str | None) -> Execution:
        return Execution(Reason.EXITED, 0 if patch and f"script {3}" in script and "103" in patch else 2)

    requests, story = solved(tmp_path, snapshot, model, run=passes, keep_edits=2)
    # The one that is done takes one place; of two equal edits the first the other.
    assert story[KEPT] == [3, 1] and turns(requests) == {0: 4, 1: 3, 2: 1, 3: 1}
    scores = next(n["body"] for n in story["notes"] if (n["stage"], n["kind"]) == ("prune", "scores"))
    assert [edit.get("equal to") for edit in scores] == [None, 1, None]


def test_a_run_that_dies_while_its_edits_wait_goes_on_as_it_would_have(tmp_path: Path, snapshot: Snapshot) -> None:
    class Killed(BaseException):
        """As of a signal: nothing is written after it."""

    def dying(request: Request) -> str:
        if request.key.stage == "edit" and request.key.turn == 1:
            raise Killed
        return answers(request)

    _, whole = solved(tmp_path / "whole", snapshot, keep_edits=2)
    with pytest.raises(BaseExceptionGroup):
        solved(tmp_path / "killed", snapshot, dying, keep_edits=2)

    def otherwise(script: str, patch: str | None) -> Execution:
        return Execution(Reason.EXITED, 2)

    requests, story = solved(tmp_path / "killed", snapshot, run=otherwise, keep_edits=2)
    assert story[KEPT] == whole[KEPT] == [3, 2], "decided before, and not again"
    assert turns(requests) == {2: 2, 3: 2}


def test_a_recording_holds_what_was_kept(tmp_path: Path, snapshot: Snapshot) -> None:
    requests, story = solved(tmp_path / "recorded", snapshot, keep_edits=2, contexts=3)
    calls = [(r.key, Completion(answers(r), "stop", None, "x")) for r in requests]
    with run_files.reading(tmp_path / "recorded" / "run" / "run.db") as connection:
        write_recording(tmp_path / "r.jsonl", calls, decisions=all_decisions(connection))

    def broken(script: str, patch: str | None) -> Execution:
        return Execution(Reason.EXITED, 1)

    replayed = ReplayModel.open(tmp_path / "r.jsonl")
    _, again = solved(tmp_path / "again", snapshot, replayed=replayed, run=broken, keep_edits=2, contexts=3)
    assert (again[KEPT], again[CONTEXTS]) == (story[KEPT], story[CONTEXTS])
    assert [c["patch"] for c in again["candidates"]] == [c["patch"] for c in story["candidates"]]


@pytest.mark.parametrize("unusable", ["[1, 1]", "none", BudgetReached("no money left")])
def test_without_a_usable_vote_executions_decide(unusable: str | Exception, tmp_path: Path, snapshot: Snapshot) -> None:
    def model(request: Request) -> str:
        if request.key.stage != "prune":
            return answers(request)
        if isinstance(unusable, Exception):
            raise unusable
        return unusable

    requests, story = solved(tmp_path, snapshot, model, keep_edits=2, prune="judge")
    assert story[KEPT] == [3, 2] and turns(requests) == {0: 1, 1: 1, 2: 3, 3: 3}
    assert solved(tmp_path, snapshot, never, keep_edits=2, prune="judge") == ([], story)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(BadSettings, match="keep_contexts=2 is more than contexts=1"):
        load_settings(["search.keep_contexts=2"])
    with pytest.raises(BadSettings, match="wait for each other"):
        check_policy(load_settings(["search.keep_edits=2", "compute.policy=first-finish"]))
