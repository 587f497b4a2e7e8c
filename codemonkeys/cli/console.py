"""Printing: the one place where text leaves for a terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from codemonkeys.redact import redact, safe_terminal
from codemonkeys.steps import Event


def out() -> Console:
    """The console of standard output; a file or a pipe gets long lines whole."""
    width = None if sys.stdout.isatty() else FILE_WIDTH
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def print_json(value: Any) -> None:
    """A value as JSON, on standard output."""
    print(json.dumps(value, indent=2, default=str))


def say(text: str) -> None:
    """A line for people, on standard error."""
    print(safe_terminal(redact(text)), file=sys.stderr, flush=True)


FILE_WIDTH = 200
"""Columns of tables that are not printed to a terminal."""


class Progress:
    """Shows how a session goes on: a live table on a terminal, a line for each task's news elsewhere."""

    def __init__(self) -> None:
        self._tasks: dict[str, str] = {}
        self._calls: dict[tuple[str, str], int] = {}
        self._executions: dict[str, int] = {}
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live = Live(console=console, get_renderable=self._table, transient=True, refresh_per_second=4)
        self._on_terminal = console.is_terminal

    def __enter__(self) -> Progress:
        if self._on_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._on_terminal:
            self._live.stop()

    def notify(self, event: Event) -> None:
        """Take in an event of the run."""
        if event.kind == "call":
            key = (event.task, event.stage)
            if key not in self._calls and not self._on_terminal:
                self._line(f"{event.task}: {event.stage}, first answer")
            self._calls[key] = self._calls.get(key, 0) + 1
        elif event.kind == "execution":
            self._executions[event.task] = self._executions.get(event.task, 0) + 1
        elif event.kind == "task":
            self._tasks[event.task] = event.stage
            self._line(f"{event.task}: {event.stage}{f' ({event.text})' if event.text else ''}")
        else:
            self._line(event.text)

    def _line(self, text: str) -> None:
        if self._on_terminal:
            self._live.console.print(Text(safe_terminal(redact(text))))
        else:
            say(text)

    def _table(self) -> RenderableType:
        stages = ("relevance", "rank", "test", "edit", "select")
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in ("task", "state", *stages, "executions"):
            table.add_column(column, justify="left" if column in ("task", "state") else "right")
        for task, state in self._tasks.items():
            if state in ("preparing", "solving"):
                calls = [str(self._calls.get((task, stage), 0)) for stage in stages]
                table.add_row(Text(safe_terminal(task)), state, *calls, str(self._executions.get(task, 0)))
        return table
