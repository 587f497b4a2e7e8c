"""The status at the widths of terminals: nothing is wider, ids stay apart, one failure is one line."""

from __future__ import annotations

import os

import pytest
from rich.console import Console, RenderableType

from codemonkeys.report.fitting import one_line, shorten
from codemonkeys.report.run_status import Failure, RunningTask, RunStatus
from codemonkeys.report.status_view import fitted_view, runs_table
from codemonkeys.report.tables import tasks_table

AT = "2026-11-27T12:00:00+00:00"
IDS = [f"scikit-learn__scikit-learn-{number}" for number in (25747, 25748)] + ["django__django-11099"]
REASON = "pip could not download its requirements\nfor Python 3.11\n" + "a line of pip\n" * 300


def task(id: str) -> RunningTask:
    return RunningTask(id, "generation", 123, 2, 45, (12, 34), 1.37, "2026-11-27T10:15:00+00:00")


STATUS = RunStatus(
    *("nightly-of-all-verified-tasks", AT, 4711, {"waiting": 412, "generation": 30, "predicted": 61}),
    [task(id) for id in IDS * 10],
    *(123.45, 7.5, 200.0, 812.0, 93.0, 412_345.0, 7400.0),
    asked_again={"429 (anthropic/claude-sonnet-4-5)": 17},
    troubles=[Failure(AT, f"{id} environment failed", f"{id}: {REASON}") for id in IDS],
)


def shown(what: RenderableType, console: Console) -> list[str]:
    with console.capture() as captured:
        console.print(what)
    return captured.get().splitlines()


def console(width: int) -> Console:
    return Console(width=width, height=24, file=open(os.devnull, "w"))  # noqa: SIM115


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_status_fits_its_terminal(width: int) -> None:
    terminal = console(width)
    with terminal.file:
        lines = shown(fitted_view(STATUS, terminal), terminal)
        assert len(lines) < 24 and max(map(len, lines)) <= width
        heading = next(n for n, line in enumerate(lines) if line.startswith("task "))
        listed = [line.split()[0] for line in lines[heading + 1 :] if " generation" in line]
        assert len(set(listed[:3])) == 3 or width == 40, "ids can be told apart"
        assert all(id.startswith(("scik", "djan")) and id.endswith(("25747", "25748", "11099")) for id in listed)
        if width >= 60:
            columns = lines[heading].split()
            assert {"task", "stage", "calls", "votes"} <= set(columns) and ("USD" in columns or "cost" in columns)
            first = lines[heading + 1]
            assert all(part in first for part in ("45", "1.37", "1 h 45 min"))
        failures = lines[lines.index("Last failures") + 1 :]
        assert len(failures) == 3 and all("environment fail" in line for line in failures), failures
        if width >= 80:
            assert "pip could not download" in failures[0]
        assert max(map(len, shown(runs_table([STATUS] * 3, width), terminal))) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_ids_have_place_before_others_are_cut(width: int) -> None:
    terminal = console(width)
    with terminal.file:
        lines = shown(fitted_view(STATUS, terminal), terminal)
    (line,) = [line for line in lines if line.startswith("scik") and "25747 " in line][:1]
    assert len(line.split()[0]) == (32 if width >= 80 else 15)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("ensemble", [False, True])
def test_a_table_of_tasks_fits_too(width: int, ensemble: bool) -> None:
    choice = {"source": "20240402_sweagent_gpt4", "confidence": 0.5} if ensemble else {}
    state = {"state": "environment failed", "candidates": 3, "cost_usd": 12.3, "reason": REASON}
    terminal = console(width)
    with terminal.file:
        lines = shown(tasks_table([{"id": id, **state, **choice} for id in IDS], width), terminal)
    assert max(map(len, lines)) <= width
    if width < 100:
        assert len(lines) == 4 and all(id[-5:] in line for id, line in zip(IDS, lines[1:], strict=True))
    assert ("0.50" in "".join(lines)) == ensemble


def test_shortening() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abc…fg"
    assert [len(shorten("abcdefg", width)) for width in range(7)] == [1, 1, 2, 3, 4, 5, 6]
    assert one_line("a\n b\x1b[31m\tc\r\n") == "a b c"
