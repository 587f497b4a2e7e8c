"""What policies decide is carried out, kept in the journal, and not decided twice."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.work import Work
from codemonkeys.errors import PolicyFailed
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.decisions import all_decisions
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.counting import EXACT, Counting
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.replay import ReplayModel, write_recording
from codemonkeys.pipeline import solve_task
from codemonkeys.report.stored_run import waves_of
from codemonkeys.selection.deciding import Choice, select
from codemonkeys.selection.stored_candidates import read_candidates, read_scripts
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.compute.test_after_wave import fixes
from tests.fakes import TASK
from tests.rooms import room

ALL = fixes(10)
QUIET: dict[str, Any] = {"regression_files": 0, "rule": "behaviour clusters", "sample_cost": 0.02}


def notes_of(work: Work, kind: str) -> dict[int, Any]:
    """Bodies of the notes on the task's waves, by the number of samples before."""
    with run_files.reading(work.journal.folder / "run.db") as connection:
        found = queries.task_story(connection, TASK.id)["notes"]
    return {note["sample"]: note["body"] for note in found if (note["stage"], note["kind"]) == ("enough", kind)}


def asked(work: Work, stage: str) -> set[int]:
    """Samples that the model was asked in a stage."""
    return {r.key.sample for r in work.models.primary.requests if r.key.stage == stage}  # type: ignore[attr-defined]


def solve(
    tmp_path: Path,
    snapshot: Snapshot,
    policy: str,
    run: Callable[[str, str | None], Execution] = ALL,
    model: Callable[[Request], Any] = answer,
    generation: dict[str, Any] | None = None,
    **compute: Any,
) -> tuple[Choice | None, Work]:
    """Solve the task by a policy; returns the choice and the work, whose journal is closed."""
    given = {"samples": 6, "wave": 2, **(generation or {})}
    with room(
        *(tmp_path, snapshot, model, run),
        generation=given,
        selection=QUIET,
        compute={"policy": policy, **compute},
    ) as work:
        return asyncio.run(solve_task(work)), work


OWN = """
from codemonkeys.compute.base import STOP, Allocation
from codemonkeys.selection.stop_policy import Decision

MORE = Decision.ANOTHER_WAVE

def agents(given): return Allocation(MORE, 2, kind="agent", turns=3) if given.drawn < 4 else STOP
def tests(given):
    if given.tests: return Allocation(MORE, 1) if given.drawn < 3 else STOP
    return Allocation(MORE, tests=2)
def unknown(given): return Allocation(MORE, 1, model="nobody")
def greedy(given): return Allocation(MORE, 99, tests=99, turns=-1)
def votes(given): return Allocation(Decision.STOP, votes=3)
"""


@pytest.fixture
def snapshot(make_snapshot: Callable[..., Snapshot]) -> Snapshot:
    return make_snapshot({"a.py": "x\n"})


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_policies.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def test_fixed_draws_all_samples_and_writes_no_decision(tmp_path: Path, snapshot: Snapshot) -> None:
    choice, work = solve(tmp_path, snapshot, "fixed")
    assert choice is not None and asked(work, "edit") == set(range(6))
    assert notes_of(work, "decision") == {}


def test_marginal_ends_at_an_accepted_candidate_and_draws_on_without(tmp_path: Path, snapshot: Snapshot) -> None:
    _, easy = solve(tmp_path / "easy", snapshot, "marginal", fixes(10))
    _, hard = solve(tmp_path / "hard", snapshot, "marginal", fixes(0))
    assert asked(easy, "edit") == {0, 1} and asked(hard, "edit") == set(range(6))
    assert [body["decision"] for body in notes_of(hard, "decision").values()] == ["another wave"] * 2 + ["stop"]


def test_a_decision_is_read_from_the_journal_and_not_made_again(tmp_path: Path, snapshot: Snapshot) -> None:
    """As for `marginal`, whose money and other tasks are not what they were when a run is resumed."""
    _, work = solve(tmp_path, snapshot, "marginal", fixes(10))
    assert notes_of(work, "decision")[2]["decision"] == "stop"
    # Tests now say otherwise, to nobody: the executions are in the journal, and so is the decision.
    dear = {"generation": {"temperature": 0.4}, "chances": [0.9]}

    def silent(request: Request) -> str:
        raise AssertionError(request.key)

    _, again = solve(tmp_path, snapshot, "marginal", fixes(0), silent, chances=dear["chances"])
    assert asked(again, "edit") == set()
    assert notes_of(again, "decision") == notes_of(work, "decision")


def test_more_tests_run_on_every_candidate_and_keep_their_places(tmp_path: Path, snapshot: Snapshot, own: None) -> None:
    def model(request: Request) -> str:
        said = answer(request)
        if request.key.stage == "test" and request.key.turn == 0:  # each its own script
            return said.replace("import os", f"import os  # {request.key.sample}", 1)
        return said

    choice, work = solve(tmp_path, snapshot, "own_policies:tests", model=model)
    assert choice is not None
    assert asked(work, "test") == {0, 1, 2, 3, 4} and asked(work, "edit") == {0, 1, 4}
    decisions = notes_of(work, "decision")
    assert decisions[2]["tests"] == 2 and decisions[4]["samples"] == 1 and decisions[5]["decision"] == "stop"
    ran = "SELECT count(DISTINCT turn) FROM execution_steps WHERE stage = 'votes' AND part = 'edited' AND sample = ?"
    with run_files.reading(work.journal.folder / "run.db") as connection:
        assert [connection.execute(ran, (number,)).fetchone()[0] for number in (1, 2, 3)] == [5, 5, 5]
    _, again = solve(tmp_path, snapshot, "own_policies:tests", model=model)
    assert asked(again, "test") == asked(again, "edit") == set()
    # Who chooses again among what is stored finds each script where it ran.
    with run_files.reading(work.journal.folder / "run.db") as connection:
        candidates, scripts = read_candidates(connection, TASK.id), read_scripts(connection, TASK.id)
    with room(tmp_path, snapshot, model, ALL, selection=QUIET) as later:
        assert asyncio.run(select(later, candidates, before=scripts)) == choice
        assert later.steps.sandbox.runs == []  # type: ignore[attr-defined]


def test_a_wave_of_a_kind_takes_the_samples_that_are_of_it(tmp_path: Path, snapshot: Snapshot, own: None) -> None:
    _, work = solve(*(tmp_path, snapshot, "own_policies:agents"), generation={"kinds": ["edit", "agent"], "samples": 4})
    assert asked(work, "edit") == {0} and asked(work, "agent") == {1, 3, 5}
    requests = work.models.primary.requests  # type: ignore[attr-defined]
    told = {r.key.sample: r.messages[0].content for r in requests if r.key.stage == "agent"}
    assert "40" in told[1] and told[3] != told[1] and "40" not in told[3]


def test_what_no_trajectory_is_cannot_be_drawn(tmp_path: Path, snapshot: Snapshot, own: None) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        solve(tmp_path, snapshot, "own_policies:unknown")
    (error,) = raised.value.exceptions
    assert isinstance(error, PolicyFailed) and "asks for nobody on owner__name-1" in str(error)


def test_limits_of_the_settings_hold_for_any_policy(tmp_path: Path, snapshot: Snapshot, own: None) -> None:
    _, work = solve(tmp_path, snapshot, "own_policies:greedy", verifications=3)
    assert len(asked(work, "edit")) == 6 and len(asked(work, "test")) == 9


def test_votes_are_as_many_as_allocated(tmp_path: Path, snapshot: Snapshot, own: None) -> None:
    for votes, policy in ((5, "fixed"), (3, "own_policies:votes")):
        with room(
            *(tmp_path / policy, snapshot, answer, fixes(10)),
            generation={"samples": 2, "wave": 2},
            selection={**QUIET, "rule": "judge"},
            compute={"policy": policy},
        ) as work:
            asyncio.run(solve_task(work))
            requests = work.models.primary.requests  # type: ignore[attr-defined]
        judged = [r.key for r in requests if r.key.stage == "judge"]
        assert len(judged) == votes * len({key.sample for key in judged}) > 0


def test_particles_are_told_of_their_parents_alone(tmp_path: Path, snapshot: Snapshot) -> None:
    _, work = solve(tmp_path, snapshot, "particles", fixes(1), generation={"samples": 4})
    requests = work.models.primary.requests  # type: ignore[attr-defined]
    first = {r.key.sample: r.messages[1].content for r in requests if r.key.stage == "edit" and r.key.turn == 0}
    parents = notes_of(work, "decision")[2]["parents"]
    assert parents == [0, 0]
    for sample in (2, 3):
        assert re.findall(r"trajectory (\d+)", first[sample]) == ["0"]
    assert not re.findall(r"trajectory \d+", first[0] + first[1])


def test_the_wave_of_a_candidate_is_known_where_tests_are_drawn_between(tmp_path: Path, snapshot: Snapshot) -> None:
    """These have numbers of samples too, so that the number alone does not say it."""
    _, work = solve(tmp_path, snapshot, "solve-or-verify", fixes(1), verify_from=1)
    with run_files.reading(work.journal.folder / "run.db") as connection:
        samples = [candidate.sample for candidate in read_candidates(connection, TASK.id)]
        assert samples != list(range(6)) and waves_of(connection, 2)[TASK.id] == (1, 1, 2, 2, 3, 3)


def test_a_parent_is_told_of_with_its_summary_where_waves_are_distilled(tmp_path: Path, snapshot: Snapshot) -> None:
    given = {"samples": 4, "diversity": "distill"}
    _, work = solve(tmp_path, snapshot, "particles", fixes(1), generation=given)
    requests = work.models.primary.requests  # type: ignore[attr-defined]
    first = {r.key.sample: r.messages[1].content for r in requests if r.key.stage == "edit" and r.key.turn == 0}
    assert [sample for sample in range(4) if "Dry run." in first[sample]] == [2, 3]
    assert [r.key.sample for r in requests if r.key.stage == "distill"] == [0], "one summary, of the one parent"


@dataclass
class Waiting:
    """A model whose edits of some samples come only when they are let go, and that counts what it was asked."""

    slow: Sequence[int]
    name: str = "waiting"
    price: Price | None = field(default_factory=lambda: Price(0.01, 0.01))
    requests: list[Request] = field(default_factory=list)
    counting: Counting = EXACT
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def count_tokens(self, text: str) -> int:
        return len(text) // 4

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        if request.key.stage == "edit" and request.key.sample in self.slow:
            await self.let_go.wait()
        return Completion(answer(request), "stop", Usage(10, 10), self.name)

    async def close(self) -> None:
        """Nothing is open."""


def race(tmp_path: Path, snapshot: Snapshot, slow: Sequence[int]) -> tuple[Waiting, Work, float]:
    """Solve by `first-finish`; the calls in flight end after the choice."""
    model = Waiting(slow)
    with room(
        *(tmp_path, snapshot, answer, agreeing),
        generation={"samples": 5},
        selection=QUIET,
        compute={"policy": "first-finish", "agreeing": 2},
        answering=model,
    ) as work:

        async def run() -> None:
            assert await solve_task(work) is not None
            model.let_go.set()
            await work.steps.in_flight.drain()

        asyncio.run(run())
        spent = work.journal.calls.spent(TASK.id, "edit")
    return model, work, spent


def agreeing(script: str, patch: str | None) -> Execution:
    """All scripts find the issue, and call it fixed by any edit but the first sample's."""
    return Execution(Reason.EXITED, 2 if patch is None or "trajectory 0 " in patch else 0)


def test_stragglers_are_stopped_once_enough_agree_and_what_they_cost_is_kept(
    tmp_path: Path, snapshot: Snapshot
) -> None:
    model, work, spent = race(tmp_path, snapshot, slow=(1, 3))
    stopped, order = notes_of(work, "stopped")[0], notes_of(work, "ended")[0]
    # The first, which agrees with none, may end before the other two do or be stopped with the slow ones.
    assert {1, 3} <= set(stopped) and {2, 4} <= set(order) and sorted([*stopped, *order]) == list(range(5))
    assert notes_of(work, "decision")[len(order)]["agreeing"] == 2
    with run_files.reading(work.journal.folder / "run.db") as connection:
        steps = queries.rows(connection, "SELECT sample, state, cost_usd FROM call_steps WHERE stage = 'edit'")
    assert {row["sample"] for row in steps} == set(range(5))
    assert {row["state"] for row in steps} == {"done"} and sum(row["cost_usd"] for row in steps) == pytest.approx(spent)
    # Resumed, the stopped ones are not begun again, and no call is made.
    again, resumed, cost = race(tmp_path, snapshot, slow=())
    assert again.requests == [] and cost == pytest.approx(spent)
    assert notes_of(resumed, "ended")[0] == order


def test_first_finish_waits_for_all_where_they_do_not_agree(tmp_path: Path, snapshot: Snapshot) -> None:
    _, work = solve(*(tmp_path, snapshot, "first-finish", fixes(1)), generation={"samples": 3, "wave": None})
    assert sorted(notes_of(work, "ended")[0]) == [0, 1, 2] and notes_of(work, "stopped") == {}


def test_a_replayed_run_decides_as_the_recorded_one(tmp_path: Path, snapshot: Snapshot) -> None:
    _, work = solve(tmp_path / "recorded", snapshot, "marginal", fixes(10))
    recording = tmp_path / "recording.jsonl"
    with run_files.reading(work.journal.folder / "run.db") as connection:
        found = queries.answers(connection), queries.request_messages(connection), all_decisions(connection)
        write_recording(recording, *found)
    head, *lines = recording.read_text().splitlines()
    assert json.loads(head) == {"format": "codemonkeys-recording-4"} and lines
    model = ReplayModel.open(recording)
    # Tests that find nothing right would have `marginal` draw on.
    with room(
        *(tmp_path / "replayed", snapshot, answer, fixes(0)),
        generation={"samples": 6, "wave": 2},
        selection=QUIET,
        compute={"policy": "marginal"},
        answering=model,
    ) as again:
        asyncio.run(solve_task(again))
    assert notes_of(again, "decision")[2]["decision"] == "stop"
