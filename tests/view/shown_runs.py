"""Stored runs for tests of pages: one as it comes, and one in which everything that can be hostile is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from datasette.utils import tilde_encode

from codemonkeys.journal import texts
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer
from codemonkeys.view.library import Library
from codemonkeys.view.search_index import Indexes
from codemonkeys.view.server import Viewer
from tests.report.finished_run import finish_run
from tests.repositories import make_repository

T = TypeVar("T")
TASK = "owner__name-0"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>"
    "\x1b[31mred\x1b]8;;http://example.org\x07link \u202egnp.exe\u202c \u200bzero \u2066isolate "
    "[bold]rich[/bold] {{ 7 * 191 }} {% raw %} ${7 * 191} &lt;b&gt; javascript:alert(4) </pre></title></textarea>"
)
"""Script tags, attributes, terminal codes, direction marks, rich markup, templates and ends of elements."""
ID = f"{HOSTILE}/../..%2f?a=b#c"
FILE = "a<script>alert(1)<\u202e{{ 7 * 191 }}.py"
HEAD = f"diff --git a/{FILE} b/{FILE}\n--- a/{FILE}\n+++ b/{FILE}\n@@ -1,2 +1,2 @@\n"
PATCH = f"{HEAD} {HOSTILE}\n-{HOSTILE}\n+new {HOSTILE}\n"


def varied(request: Request) -> str:
    """The fake model, with another test script in each trajectory."""
    return answer(request).replace("import os\n", f"# {request.key.sample}\nimport os\n", 1)


def make_run(runs: Path, repository: Path, name: str = "run", **given: Any) -> Path:
    """A finished run of two tasks with three samples; returns its database."""
    given = {"tasks": 2, "answered": varied, "generation": {"samples": 3}, **given}
    finish_run(runs / "new", make_repository(repository, {"a.py": b"x = 1\n", "b.py": b"y = 2\n"}), **given)
    (runs / "new" / "run").rename(runs / name)
    return runs / name / "run.db"


def make_hostile(database: Path) -> None:
    """Put hostile content into every column and text that a model, a repository or a data set has a say in."""
    with closing(sqlite3.connect(database)) as connection, connection:
        patches = (
            "SELECT patch_hash FROM candidates UNION SELECT patch_hash FROM execution_steps WHERE patch_hash <> ''"
        )
        others = connection.execute(f"SELECT hash FROM texts WHERE hash NOT IN ({patches})").fetchall()
        written = [(HOSTILE + texts.get(connection, digest), digest) for (digest,) in others]
        connection.executemany("UPDATE texts SET plain = ?, compressed = NULL WHERE hash = ?", written)
        connection.execute(f"UPDATE texts SET plain = ? WHERE hash IN ({patches})", (PATCH,))
        connection.execute("UPDATE run SET source = ?", (HOSTILE,))
        connection.execute("UPDATE tasks SET repo = ?, reason = ?, base_commit = ?", (HOSTILE, HOSTILE, HOSTILE))
        connection.execute("UPDATE call_steps SET answered_by = ?, error = ?, finish_reason = ?", (HOSTILE,) * 3)
        connection.execute("UPDATE execution_steps SET detail = ?", (HOSTILE,))
        connection.execute("UPDATE candidates SET source = ?, family = ?", (HOSTILE, HOSTILE))
        bodies = connection.execute("SELECT rowid, body FROM notes").fetchall()
        quoted = FILE.replace("\u202e", "\\u202e")
        connection.executemany(
            "UPDATE notes SET body = ? WHERE rowid = ?", [(body.replace("a.py", quoted), row) for row, body in bodies]
        )
        connection.execute(
            "INSERT INTO notes SELECT id, 'edit', 0, 'ended early', ? FROM tasks", (f'"{HOSTILE[:26]}"',)
        )
        connection.execute(
            "INSERT INTO tasks SELECT ?, 99, repo, base_commit, issue_hash, 'failed', reason, NULL, NULL, NULL, NULL "
            "FROM tasks LIMIT 1",
            (ID,),
        )
        connection.execute(
            "INSERT INTO verdicts SELECT task, patch_hash, 'not resolved', ?, '2026-01-01', ?, 1 FROM candidates "
            "WHERE number = 1",
            (HOSTILE, f'["test: {FILE}"]'.replace("\u202e", "\\u202e")),
        )


@contextmanager
def viewer(runs: Path, *names: str) -> Iterator[Viewer]:
    """The application on the runs of a folder, or on some of them."""
    indexes = Indexes(runs.parent / "cache")
    shown = Viewer(Library((runs,), names), indexes)
    try:
        yield shown
    finally:
        indexes.close()
        shown.close()


def get(runs: Path, *paths: str, headers: Mapping[str, str] | None = None) -> list[httpx.Response]:
    """Answers of the application to some requests, one after the other."""

    async def ask(shown: Viewer) -> list[httpx.Response]:
        return [await shown.client.get(path, headers=dict(headers or {})) for path in paths]

    return with_viewer(runs, ask)


def with_viewer(runs: Path, use: Callable[[Viewer], Awaitable[T]]) -> T:
    """What a coroutine function makes of the application."""

    async def call() -> T:
        with viewer(runs) as shown:
            return await use(shown)

    return asyncio.run(call())


def task_path(kind: str, task: str, *more: object, run: str = "run") -> str:
    """The address of a page about a task."""
    return "/".join(("/-", kind, run, tilde_encode(task), *(tilde_encode(str(part)) for part in more)))
