"""Printing: the one place where text leaves for a terminal."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from codemonkeys.engine.events import Event
from codemonkeys.errors import JournalError
from codemonkeys.redact import redact, safe_terminal
from codemonkeys.report.run_status import Observer, RunStatus
from codemonkeys.report.status_view import status_line, status_view


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


FILE_WIDTH = 1_000
"""Columns that a table may have at most where it is not printed to a terminal: no reason of a task is broken there."""


class Progress:
    """Shows how a session goes on: a live view on a terminal; elsewhere a line for each task's news, and sums."""

    def __init__(self, folder: Path) -> None:
        """`folder`: that of the run, which may not be there yet."""
        self._observer = Observer(folder)
        self._view: RenderableType = Text("opening the run")
        self._retried: set[str] = set()
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._on_terminal = self._console.is_terminal
        self._looked = -math.inf if self._on_terminal else time.monotonic()
        self._live = Live(console=self._console, get_renderable=self._draw, transient=True, refresh_per_second=4)

    def __enter__(self) -> Progress:
        if self._on_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._on_terminal:
            self._live.stop()

    def notify(self, event: Event) -> None:
        """Take in an event of the run."""
        if event.kind == "task" and not (self._on_terminal and event.stage in BEGINNINGS):
            self._line(f"{event.task}: {event.stage}{f' ({event.text})' if event.text else ''}")
        elif event.kind == "note":
            self._line(event.text)
        elif event.kind == "retry" and event.stage not in self._retried:
            self._retried.add(event.stage)
            self._line(f"a call is made again after {event.stage}, as others after it will be: {event.text}")
        if not self._on_terminal and time.monotonic() - self._looked > SUMS_EVERY:
            standing = self._look()
            if standing is not None:
                self._line(status_line(standing))

    def _line(self, text: str) -> None:
        if self._on_terminal:
            self._console.print(Text(safe_terminal(redact(text))))
        else:
            say(text)

    def _draw(self) -> RenderableType:
        if time.monotonic() - self._looked > LOOK_EVERY:
            height = self._console.height
            standing = self._look()
            if standing is not None:
                self._view = status_view(standing, max(3, height - len(standing.troubles) - 14))
        return self._view

    def _look(self) -> RunStatus | None:
        self._looked = time.monotonic()
        try:
            return self._observer.look()
        except JournalError:
            return None  # The run is just being made; whatever else is wrong, the session says so.


BEGINNINGS = ("preparing", "solving")
"""What the live view tells anyway."""
LOOK_EVERY = 1.0
"""Seconds between two looks into the run, on a terminal."""
SUMS_EVERY = 60.0
"""Seconds between two lines of sums, elsewhere."""
