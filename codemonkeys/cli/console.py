"""Terminal output; nothing else prints to the terminal."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from codemonkeys.engine.events import Event
from codemonkeys.errors import JournalError
from codemonkeys.redact import redact, safe_terminal
from codemonkeys.report.fitting import one_line
from codemonkeys.report.run_status import RunStatus, StatusReader
from codemonkeys.report.status_view import fitted_view, status_line


def out() -> Console:
    """Console on standard output; lines to a file or pipe are not wrapped."""
    width = None if sys.stdout.isatty() else FILE_WIDTH
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def show_long(content: RenderableType | Callable[[int], RenderableType]) -> None:
    """Print to standard output; through the pager where that is a terminal with too few lines.

    `content`: what to print, or what draws it for a width in columns.
    """
    console = out()
    drawn = content(console.width) if callable(content) else content
    if not console.is_terminal or len(console.render_lines(drawn, pad=False)) < console.height:
        console.print(drawn)
        return
    # Colours as such, and no pager where everything fits after all.
    os.environ.setdefault("LESS", "-FRX")
    with console.pager(styles=True):
        console.print(drawn)


def print_json(value: Any) -> None:
    """Print a value as JSON to standard output."""
    print(json.dumps(value, indent=2, default=str))


def say(text: str) -> None:
    """Print a line for the user to standard error."""
    print(safe_terminal(redact(text)), file=sys.stderr, flush=True)


FILE_WIDTH = 1_000
"""Maximum table width in columns when not printing to a terminal, wide enough never to wrap a task's reason."""


class Progress:
    """Progress of a session: a live view on a terminal, otherwise a line per task event and a periodic summary."""

    def __init__(self, folder: Path, by_lines: bool = False) -> None:
        """`folder`: the run's folder, which need not exist yet. `by_lines`: no live view, on a terminal either."""
        self._reader = StatusReader(folder)
        self._view: RenderableType = Text("opening the run")
        self._retried: set[str] = set()
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._on_terminal = self._console.is_terminal and not by_lines
        self._last_read = -math.inf if self._on_terminal else time.monotonic()
        self._live = Live(console=self._console, get_renderable=self._draw, transient=True, refresh_per_second=4)

    def __enter__(self) -> Progress:
        if self._on_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._on_terminal:
            self._live.stop()

    def notify(self, event: Event) -> None:
        """Handle an event of the run."""
        if event.kind == "task" and not (self._on_terminal and event.stage in STARTED_STATES):
            self._line(f"{event.task}: {event.stage}{f' ({one_line(event.text)})' if event.text else ''}")
        elif event.kind == "note":
            self._line(event.text)
        elif event.kind == "retry" and event.stage not in self._retried:
            self._retried.add(event.stage)
            what = f"retrying a call after {event.stage} (later retries for this reason are not shown)"
            self._line(f"{what}: {one_line(event.text)}")
        if not self._on_terminal and time.monotonic() - self._last_read > SUMMARY_SECONDS:
            status = self._read_status()
            if status is not None:
                self._line(status_line(status))

    def _line(self, text: str) -> None:
        if self._on_terminal:
            self._console.print(Text(safe_terminal(redact(text))))
        else:
            say(text)

    def _draw(self) -> RenderableType:
        if time.monotonic() - self._last_read > REFRESH_SECONDS:
            status = self._read_status()
            if status is not None:
                self._view = fitted_view(status, self._console)
        return self._view

    def _read_status(self) -> RunStatus | None:
        self._last_read = time.monotonic()
        try:
            return self._reader.read()
        except JournalError:
            return None  # The run is still being created; any other fault is reported by the session itself.


STARTED_STATES = ("preparing", "solving")
"""Task states that the live view already shows."""
REFRESH_SECONDS = 1.0
"""Seconds between two refreshes of the live view."""
SUMMARY_SECONDS = 60.0
"""Seconds between two summary lines when not on a terminal."""
