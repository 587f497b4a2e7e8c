"""The status of a run, read from its journal while the run is active."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from codemonkeys import open_run
from codemonkeys.cli.reading import read_all
from codemonkeys.errors import CorruptJournal, RetriesExhausted
from codemonkeys.journal import run_files
from codemonkeys.journal.settlement import NOT_SENT
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Price, Request
from codemonkeys.models.fake_answers import answer
from codemonkeys.report.run_status import PHASES, Failure, RunningTask, RunStatus, StatusReader
from codemonkeys.report.status_view import duration, runs_table, status_line, status_view
from tests.fakes import TASK
from tests.report.finished_run import finish_run

FILES: dict[str, str | bytes] = {"module.py": "def function():\n    return 1\n"}


def rendered(status: RunStatus, width: int = 120) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(status_view(status))
    return console.export_text()


def statuses_of_a_run(
    tmp_path: Path, make_repository: Callable[..., Path], answered: Callable[[Request], str] = answer, tasks: int = 4
) -> list[tuple[Request, RunStatus]]:
    """The status at each call of a run with one call at a time; the last status is that of the finished run."""
    reader = StatusReader(tmp_path / "runs" / "run")
    statuses: list[tuple[Request, RunStatus]] = []

    def look_and_answer(request: Request) -> str:
        statuses.append((request, reader.read()))
        return answered(request)

    repository = make_repository(FILES)
    operation = {"calls": 1, "tasks": 2, "budget": 100.0}
    more = {"generation": {"samples": 2}, "operation": operation}
    finish_run(tmp_path / "runs", repository, tasks, look_and_answer, **more)
    statuses.append((statuses[-1][0], reader.read()))
    return statuses


@pytest.mark.slow
def test_every_status_adds_up(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    statuses = statuses_of_a_run(tmp_path, make_repository)
    *during, (_, after) = statuses
    for request, status in during:
        assert sum(status.tasks.values()) == 4 and status.owner == os.getpid()
        (task,) = [task for task in status.in_work if task.id == request.key.task]
        assert task.in_flight == 1 and task.calls >= 1
        assert status.reserved_usd > 0 and status.spent_usd is not None
        assert status.reserved_usd <= status.spent_usd <= 100.0 == status.budget_usd
        # The call in flight is of the latest stage the task has come to, or of one before it.
        order = ("context", "generation", "selection")
        assert order.index(task.phase) >= order.index(next(p for p, of in PHASES.items() if request.key.stage in of))
        stopped = rendered(replace(status, owner=None))
        assert "running for" in rendered(status) and "running for" not in stopped and task.id in stopped
    assert {task.phase for _, status in during for task in status.in_work} >= {"context", "generation"}
    assert all(status.spent_usd is not None for _, status in statuses)
    assert after.tasks == {"predicted": 4} and after.in_work == [] and after.reserved_usd == 0
    assert after.owner is None and after.expected_usd == pytest.approx(after.spent_usd)
    ended = [status.ended for _, status in statuses]
    assert ended == sorted(ended) and ended[0] == 0 and ended[-1] == 4


@pytest.mark.slow
def test_spend_matches_the_bill_and_projections_match_equal_tasks(
    tmp_path: Path, make_repository: Callable[..., Path]
) -> None:
    """All tasks are equal, so the first one to end determines the projection."""
    statuses = statuses_of_a_run(tmp_path, make_repository)
    connection = sqlite3.connect(tmp_path / "runs" / "run" / "run.db")
    (bill,) = connection.execute("SELECT sum(cost_usd) FROM calls").fetchone()
    connection.close()
    assert statuses[-1][1].spent_usd == pytest.approx(bill)
    assert statuses[0][1].expected_usd is None and statuses[0][1].seconds_left is None
    with_outlook = [status for _, status in statuses if status.ended]
    for status in with_outlook:
        # What is reserved may be more than it will cost.
        assert status.expected_usd is not None
        assert bill * 0.99 <= status.expected_usd <= bill + status.reserved_usd + 1e-9
    assert all(status.seconds_left is not None for status in with_outlook[:-1])


def test_failures_are_listed_newest_first(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    def failing(request: Request) -> str:
        if request.key.task.endswith("-2") and request.key.stage == "edit":
            raise RetriesExhausted(f"the provider is away, said {request.key}")
        return answer(request)

    after = statuses_of_a_run(tmp_path, make_repository, failing)[-1][1]
    assert after.tasks == {"predicted": 3, "model failed": 1}
    assert [failure.at for failure in after.troubles] == sorted((t.at for t in after.troubles), reverse=True)
    text = rendered(after)
    assert "owner__name-2 model failed" in text and "the provider is away" in text and "1 model failed" in text


HOSTILE = "[red]bold[/red] \x1b[31mescape\x1b]0;title\x07 \u202e[link=http://x]here[/link]"


def test_foreign_text_is_shown_literally() -> None:
    """Markup and control codes in errors and names have no effect on the terminal."""
    task = RunningTask(HOSTILE, "generation", 3, 1, 2, (1, 2), 0.5, "2026-01-01T00:00:00.000+00:00")
    at = "2026-01-01T00:10:00+00:00"
    status = RunStatus(
        *("run", at, 1, {"generation": 1}, [task], 0.5, 0.1, 1.0, 2.0, 10.0, 1000.0, 600.0),
        asked_again={HOSTILE: 2},
        troubles=[Failure(at, HOSTILE, HOSTILE * 9)],
    )
    console = Console(width=160, force_terminal=True, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(status_view(status))
        console.print(runs_table([replace(status, run=HOSTILE)]))
    text = console.export_text()
    assert "[red]bold[/red]" in text and "[link=http://x]" in text
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert "10 min" in text and "1 of 2" in text
    assert status_line(status) == (
        "0 of 1 tasks ended; 0.50 USD, 0.10 USD of it reserved, of 1.00 USD; about 2.00 USD in total; "
        "10 calls and 1,000 tokens per minute, about 10 min left"
    )


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5_900, "98 min"), (6_100, "1 h 42 min")]
)
def test_durations(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_reading_the_status_never_blocks_a_session(tmp_path: Path) -> None:
    """`owner_of` holds the lock for a moment; a session that starts meanwhile waits for it."""
    Journal(tmp_path, "run", "source", {}).close()
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom codemonkeys.journal.run_files import owner_of\n"
        "print('looking', flush=True)\nend = time.monotonic() + 4\n"
        "while time.monotonic() < end: owner_of(Path(sys.argv[1]))"
    )
    looking = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert looking.stdout is not None
    try:
        looking.stdout.readline()
        for _ in range(20):
            Journal(tmp_path, "run", "source", {}).close()
    finally:
        looking.kill()
        looking.wait()
        looking.stdout.close()
    assert run_files.owner_of(tmp_path / "run") is None


def renamed(tmp_path: Path, old: bool) -> Path:
    """A run that was resumed under another name; `old`: by a version that added a row then."""
    Journal(tmp_path, "first", "source", {"operation": {"budget": 1.0}}).close()
    folder = (tmp_path / "first").rename(tmp_path / "second")
    settings = {"operation": {"budget": 2.0}}
    if old:
        with closing(sqlite3.connect(folder / "run.db")) as connection, connection:
            row = ("second", "0.1.0", "2026-11-27T12:00:00.000+00:00", "source", json.dumps(settings))
            connection.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?)", row)
    else:
        Journal(tmp_path, "second", "source", settings).close()
    return folder


@pytest.mark.parametrize("old", [True, False])
def test_a_renamed_run_is_one_run(tmp_path: Path, old: bool) -> None:
    folder = renamed(tmp_path, old)
    status = StatusReader(folder).read()
    assert status.run == "second" and status.budget_usd == 2.0
    assert open_run(folder).name == "second" and open_run(folder).settings["operation"] == {"budget": 2.0}
    Journal(tmp_path, "second", "source", {}).close()
    with closing(sqlite3.connect(folder / "run.db")) as connection:
        assert connection.execute("SELECT name FROM run").fetchall() == [("second",)]


def test_a_run_that_is_being_created_has_no_status_yet(tmp_path: Path) -> None:
    Journal(tmp_path, "run", "source", {}).close()
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as connection, connection:
        connection.execute("DELETE FROM run")
    with pytest.raises(CorruptJournal, match="has not begun"):
        StatusReader(tmp_path / "run").read()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    journal = Journal(folder, "run", "source", {})
    journal.add_tasks([replace(TASK, id=f"owner__name-{number}") for number in range(9)])
    journal.begin_task("owner__name-1")
    journal.end_task("owner__name-2", "failed", "a reason", None, None)
    journal.close()
    return (folder / "run" / "run.db").read_bytes()


@given(data=st.data())
@settings(max_examples=60)
def test_a_damaged_run_hides_no_other(database: bytes, data: st.DataObject) -> None:
    """Whatever is in the file: its status can be read, or one sentence says that it cannot."""
    damaged = bytearray(database)
    how = data.draw(st.sampled_from(["bytes", "end", "rubbish"]))
    if how == "bytes":
        changes = st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255))
        for place, value in data.draw(st.lists(changes, min_size=1, max_size=40)):
            damaged[place] = value
    elif how == "end":
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    else:
        damaged[:] = data.draw(st.binary(max_size=200))
    with tempfile.TemporaryDirectory() as name:
        for run, content in {"damaged": bytes(damaged), "whole": database}.items():
            (Path(name) / run).mkdir()
            (Path(name) / run / "run.db").write_bytes(content)
        statuses, unreadable = read_all([Path(name)])
        assert {status.run for status in statuses} in ({"whole"}, {"whole", "damaged"})
        assert len(statuses) + len(unreadable) == 2
        for status in statuses:
            rendered(status)


def test_a_call_that_was_stopped_before_it_went_out_is_no_failure(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.add_tasks([TASK])
        journal.put_price("model", Price())
        for turn, error in enumerate(("the provider is away", NOT_SENT)):
            key = StepKey(TASK.id, "edit", 0, turn)
            step = journal.calls.begin(Request(key, (Message("user", "hello"),), 0.0, 10), "model", 0.0, None)
            journal.calls.fail(step, error, billed=False)
    assert [failure.text for failure in StatusReader(tmp_path / "run").read().troubles] == ["the provider is away"]
