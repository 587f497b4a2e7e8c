"""Repeats and their majority, what is kept of them, and what an evaluation finds again in its logs."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.errors import RunBusy
from codemonkeys.grading.evaluation import Outcome, SandboxGrader, Verdict, evaluate, log_folder
from codemonkeys.grading.layout import log_root
from codemonkeys.grading.verdict import majority
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.schema_initial import INITIAL
from codemonkeys.journal.store import Journal
from codemonkeys.journal.verdicts import GradedPatch, Grading, put_verdicts
from codemonkeys.tasks.answer_key import AnswerKey, load_answer_keys
from codemonkeys.tasks.predictions import Prediction
from sandboxes.base import Environment, Execution, Limits, Reason, Script
from tests.fakes import TASK
from tests.tiny_task import GOLD, ID, make_task_repository

RESULTS = "+ : '>>>>> Start Test Output'\n{} {}_comma\nPASSED {}_name\n+ : '>>>>> End Test Output'\n"
PASSED, FAILED = (
    Execution(Reason.EXITED, 0, output=RESULTS.format(word, *["tests/test_greeting.py::test"] * 2))
    for word in ("PASSED", "FAILED")
)
LOST = Execution(Reason.SANDBOX_FAILED, detail="no room")


class InTurn:
    """A sandbox whose tests end now so, now so."""

    name = "in turn"

    def __init__(self, *answers: Execution) -> None:
        self.answers = [answer for one in answers for answer in ([one] * 3 if one is LOST else [one])]

    def ensure(self, environment: Environment) -> None: ...

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        return self.answers.pop(0)

    def close(self) -> None: ...


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, AnswerKey]:
    return load_answer_keys(make_task_repository(tmp_path / "tiny"))


def grade(
    folder: Path, keys: dict[str, AnswerKey], *answers: Execution, patch: str = GOLD, again: bool = True
) -> Verdict:
    sandbox = InTurn(*answers)
    (verdict,) = evaluate(
        {ID: Prediction(ID, "m", patch)},
        keys,
        SandboxGrader(Environment, sandbox),
        run_id="run",
        folder=folder,
        repeats=max(1, len(answers)),
        again=again,
    )
    assert sandbox.answers == []
    return verdict


def test_most_repeats_decide_and_those_that_disagree_are_marked(tmp_path: Path, keys: dict[str, AnswerKey]) -> None:
    verdict = grade(tmp_path, keys, PASSED, FAILED, LOST, PASSED)
    assert verdict.resolved and verdict.unstable
    outcomes = [Outcome.RESOLVED, Outcome.NOT_RESOLVED, Outcome.INFRASTRUCTURE, Outcome.RESOLVED]
    assert [one.outcome for one in verdict.repeats] == outcomes
    assert [(tmp_path / f"m.run{end}.json").is_file() for end in ("", ".2", ".3", ".4")] == [True] * 4
    # Next time only what the infrastructure kept from a result is asked again.
    again = evaluate(
        {ID: Prediction(ID, "m", GOLD)},
        keys,
        SandboxGrader(Environment, InTurn(FAILED)),
        run_id="run",
        folder=tmp_path,
        repeats=4,
        again=False,
    )
    assert [one.outcome for one in again[0].repeats].count(Outcome.RESOLVED) == 2
    assert again[0].outcome is Outcome.NOT_RESOLVED, "what only half of them confirm is not confirmed"


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=7))
def test_majority(outcomes: list[Outcome]) -> None:
    verdict = majority([Verdict(ID, outcome) for outcome in outcomes])
    told: list[Outcome] = [outcome for outcome in outcomes if outcome is not Outcome.INFRASTRUCTURE]
    assert verdict.unstable == (len(set(told)) > 1)
    assert (verdict.outcome is Outcome.INFRASTRUCTURE) == (told == [])
    if told:
        assert told.count(verdict.outcome) == max(map(told.count, told))
        assert not verdict.resolved or all(
            told.count(o) < told.count(verdict.outcome) for o in {*told} - {verdict.outcome}
        )


def test_only_what_was_graded_of_this_patch_and_these_tests_is_found_again(
    tmp_path: Path, keys: dict[str, AnswerKey]
) -> None:
    assert grade(tmp_path, keys, PASSED).resolved
    assert grade(tmp_path, keys, again=False).resolved, "nothing is run"
    other = GOLD.replace("Hello, ", "Hullo, ")
    assert not grade(tmp_path, keys, FAILED, patch=other, again=False).resolved
    assert grade(tmp_path, keys, PASSED, again=False).resolved, "the log is of the other patch"
    report = log_folder(tmp_path, "run", Prediction(ID, "m", GOLD)) / "report.json"
    report.write_text(report.read_text()[:50])
    assert not grade(tmp_path, keys, FAILED, again=False).resolved, "half a report is none"


def test_two_evaluations_do_not_write_the_same_logs(tmp_path: Path, keys: dict[str, AnswerKey]) -> None:
    root = log_root(tmp_path, "run")
    root.mkdir(parents=True)
    lock = run_files.RunLock(root)
    with pytest.raises(RunBusy):
        grade(tmp_path, keys)
    lock.release()


def test_the_journal_keeps_every_grading_and_no_failure_takes_the_place_of_a_verdict(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "run", "source", {})
    journal.add_tasks([TASK])
    journal.close()
    database = tmp_path / "run" / "run.db"
    good, bad = Grading("resolved", "", {"FAIL_TO_PASS": (1, 0)}, 1.5), Grading("not resolved", "x", {}, 2)
    lost = Grading("infrastructure failure", "no room", {}, 0)
    put_verdicts(database, {TASK.id: GradedPatch(GOLD, lost, [lost])})
    put_verdicts(database, {TASK.id: GradedPatch(GOLD, good, [good, bad, good], ("conftest: conftest.py",), True)})
    put_verdicts(database, {TASK.id: GradedPatch(GOLD, lost, [lost])})
    with run_files.reading(database) as connection:
        (verdict,) = queries.task_story(connection, TASK.id)["verdicts"]
        gradings = queries.rows(connection, "SELECT repeat, outcome, tests, seconds FROM gradings ORDER BY repeat")
    assert (verdict["outcome"], verdict["unstable"], verdict["flags"]) == ("resolved", 1, ["conftest: conftest.py"])
    assert [(row["repeat"], row["outcome"]) for row in gradings] == [
        (1, "resolved"),
        (2, "not resolved"),
        (3, "resolved"),
    ]
    assert json.loads(gradings[0]["tests"]) == {"FAIL_TO_PASS": [1, 0]}


def test_verdicts_of_an_older_run_are_kept(tmp_path: Path) -> None:
    """As version 0.1.0 wrote them: read as they are, and brought up to date at the next writing."""
    Journal(tmp_path, "now", "source", {}).close()
    folder = tmp_path / "old"
    folder.mkdir()
    old = sqlite3.connect(folder / "run.db")
    old.executescript(INITIAL)
    old.execute(
        "CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)"
    )
    old.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('codemonkeys', 'm001_initial', '')"
    )
    old.execute("INSERT INTO run VALUES ('old', '0.1.0', '2026', 'source', '{}')")
    old.execute("INSERT INTO texts VALUES ('h', 1, 'i', NULL)")
    old.execute(
        "INSERT INTO tasks (id, position, repo, base_commit, issue_hash) VALUES (?, 0, 'r', 'c', 'h')", (TASK.id,)
    )
    old.execute("INSERT INTO verdicts VALUES (?, 'p', 'resolved', '', '2026')", (TASK.id,))
    old.commit()
    old.close()
    with run_files.reading(folder / "run.db") as connection:
        assert queries.task_story(connection, TASK.id)["verdicts"][0]["flags"] == []
    put_verdicts(folder / "run.db", {})
    with run_files.reading(folder / "run.db") as connection:
        assert queries.task_story(connection, TASK.id)["verdicts"][0]["outcome"] == "resolved"
        assert [tuple(row)[:4] for row in connection.execute("SELECT * FROM gradings")] == [
            (TASK.id, "p", 1, "resolved")
        ]
