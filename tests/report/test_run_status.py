"""How a run stands, told from its journal in the middle of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from codemonkeys.errors import RetriesExhausted
from codemonkeys.journal import run_files
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Request
from codemonkeys.models.dry_run import answer
from codemonkeys.report.run_status import PHASES, Observer, RunStatus, TaskInWork, Trouble
from codemonkeys.report.status_view import duration, runs_table, status_line, status_view
from tests.report.finished_run import finish_run

FILES: dict[str, str | bytes] = {"module.py": "def function():\n    return 1\n"}


def shown(standing: RunStatus, width: int = 120) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(status_view(standing))
    return console.export_text()


def looks_of_a_run(
    tmp_path: Path, make_repository: Callable[..., Path], answered: Callable[[Request], str] = answer, tasks: int = 4
) -> list[tuple[Request, RunStatus]]:
    """How a run of some tasks, one call at a time, stood at each of its calls; the last look is at its end."""
    observer = Observer(tmp_path / "runs" / "run")
    looks: list[tuple[Request, RunStatus]] = []

    def look_and_answer(request: Request) -> str:
        looks.append((request, observer.look()))
        return answered(request)

    repository = make_repository(FILES)
    operation = {"calls": 1, "tasks": 2, "budget": 100.0}
    more = {"generation": {"samples": 2}, "operation": operation}
    finish_run(tmp_path / "runs", repository, tasks, look_and_answer, **more)
    looks.append((looks[-1][0], observer.look()))
    return looks


def test_every_look_adds_up(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    looks = looks_of_a_run(tmp_path, make_repository)
    *during, (_, after) = looks
    for request, standing in during:
        assert sum(standing.tasks.values()) == 4 and standing.owner == os.getpid()
        (task,) = [task for task in standing.in_work if task.id == request.key.task]
        assert task.in_flight == 1 and task.calls >= 1
        assert standing.reserved_usd > 0 and standing.spent_usd is not None
        assert standing.reserved_usd <= standing.spent_usd <= 100.0 == standing.budget_usd
        # The call in flight is of the latest stage the task has come to, or of one before it.
        order = ("context", "generation", "selection")
        assert order.index(task.phase) >= order.index(next(p for p, of in PHASES.items() if request.key.stage in of))
    assert {task.phase for _, standing in during for task in standing.in_work} >= {"context", "generation"}
    assert all(standing.spent_usd is not None for _, standing in looks)
    assert after.tasks == {"predicted": 4} and after.in_work == [] and after.reserved_usd == 0
    assert after.owner is None and after.expected_usd == pytest.approx(after.spent_usd)
    ended = [standing.ended for _, standing in looks]
    assert ended == sorted(ended) and ended[0] == 0 and ended[-1] == 4


def test_money_is_that_of_the_bill_and_the_outlook_is_that_of_equal_tasks(
    tmp_path: Path, make_repository: Callable[..., Path]
) -> None:
    """All tasks are equal, so that one that has ended tells what all will come to."""
    looks = looks_of_a_run(tmp_path, make_repository)
    connection = sqlite3.connect(tmp_path / "runs" / "run" / "run.db")
    (bill,) = connection.execute("SELECT sum(cost_usd) FROM calls").fetchone()
    connection.close()
    assert looks[-1][1].spent_usd == pytest.approx(bill)
    assert looks[0][1].expected_usd is None and looks[0][1].seconds_left is None
    with_outlook = [standing for _, standing in looks if standing.ended]
    for standing in with_outlook:
        # What is reserved may be more than it will cost.
        assert standing.expected_usd is not None
        assert bill * 0.99 <= standing.expected_usd <= bill + standing.reserved_usd + 1e-9
    assert all(standing.seconds_left is not None for standing in with_outlook[:-1])


def test_failures_are_told_newest_first(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    def failing(request: Request) -> str:
        if request.key.task.endswith("-2") and request.key.stage == "edit":
            raise RetriesExhausted(f"the provider is away, said {request.key}")
        return answer(request)

    after = looks_of_a_run(tmp_path, make_repository, failing)[-1][1]
    assert after.tasks == {"predicted": 3, "model failed": 1}
    assert [trouble.at for trouble in after.troubles] == sorted((t.at for t in after.troubles), reverse=True)
    text = shown(after)
    assert "owner__name-2 model failed" in text and "the provider is away" in text and "1 model failed" in text


HOSTILE = "[red]bold[/red] \x1b[31mescape\x1b]0;title\x07 \u202e[link=http://x]here[/link]"


def test_text_of_others_stays_text() -> None:
    """Neither markup nor control codes of an error or a name act on the terminal."""
    task = TaskInWork(HOSTILE, "generation", 3, 1, 2, (1, 2), 0.5, "2026-01-01T00:00:00.000+00:00")
    at = "2026-01-01T00:10:00+00:00"
    standing = RunStatus(
        *("run", at, 1, {"generation": 1}, [task], 0.5, 0.1, 1.0, 2.0, 10.0, 1000.0, 600.0),
        asked_again={HOSTILE: 2},
        troubles=[Trouble(at, HOSTILE, HOSTILE * 9)],
    )
    console = Console(width=160, force_terminal=True, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(status_view(standing))
        console.print(runs_table([replace(standing, run=HOSTILE)]))
    text = console.export_text()
    assert "[red]bold[/red]" in text and "[link=http://x]" in text
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert "10 min" in text and "1 of 2" in text
    assert status_line(standing) == (
        "0 of 1 tasks ended; 0.50 USD, 0.10 USD of it reserved, of 1.00 USD; about 2.00 USD in the end; "
        "10 calls and 1,000 tokens a minute, about 10 min left"
    )


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5_900, "98 min"), (6_100, "1 h 42 min")]
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_whoever_looks_keeps_no_session_from_its_run(tmp_path: Path) -> None:
    """`owner_of` holds the lock for a moment; a session that begins in that moment waits it out."""
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
