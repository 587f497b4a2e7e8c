"""The pages: each reads a run in a thread and renders a template."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from datasette.utils import tilde_decode
from datasette.utils.asgi import Response

from codemonkeys.errors import BadInput
from codemonkeys.journal import run_files, texts
from codemonkeys.report.comparison import Side, compare
from codemonkeys.report.comparison_sides import run_side
from codemonkeys.report.comparison_tables import sections
from codemonkeys.stages import TRAJECTORY
from codemonkeys.view.candidates_page import candidates_page
from codemonkeys.view.conversation_page import conversation_page, vote_page
from codemonkeys.view.library import Library
from codemonkeys.view.run_page import read_run, run_page
from codemonkeys.view.search import search_page
from codemonkeys.view.search_index import KINDS
from codemonkeys.view.task_page import task_page

T = TypeVar("T")
FOLLOW_SECONDS = 5
"""Seconds after which the page of a run that is going on is read again."""


async def home(datasette: Any, request: Any) -> Any:
    """All runs."""
    lines = await in_thread(datasette, datasette.library.lines)
    following = any(line.get("owner") for line in lines)
    return await page(datasette, request, "home.html", {"runs": lines}, following)


async def run(datasette: Any, request: Any) -> Any:
    """A run: numbers, spend, facets and tasks."""
    name, path = run_of(datasette, request)
    asked = {key: request.args[key] for key in request.args}

    def read() -> Any:
        with run_files.reading(path) as connection:
            return read_run(connection)

    owner = run_files.owner_of(path.parent)
    found = await in_thread(datasette, lambda: run_page(datasette.library.remembered(path, "run", read), asked, owner))
    context = {"run": name, "owner": owner, "others": [n for n in datasette.library.names() if n != name], **found}
    return await page(datasette, request, "run.html", context, owner is not None)


async def task(datasette: Any, request: Any) -> Any:
    """A task: issue, context, trajectories, votes, candidates, choice."""
    name, path = run_of(datasette, request)
    id = tilde_decode(request.url_vars["task"])
    owner = run_files.owner_of(path.parent)
    found = await reading(datasette, path, lambda connection: task_page(connection, id))
    state = run_files.state_to_show(found["state"], owner)
    return await page(
        datasette, request, "task.html", {"run": name, "task": id, **found, "state": state}, state == "running"
    )


async def trajectory(datasette: Any, request: Any) -> Any:
    """A trajectory, turn by turn."""
    return await turns(datasette, request, TRAJECTORY, "Trajectory")


async def conversation(datasette: Any, request: Any) -> Any:
    """Any other conversation, turn by turn."""
    stage = tilde_decode(request.url_vars["stage"])
    return await turns(datasette, request, [stage], stage)


async def turns(datasette: Any, request: Any, stages: Sequence[str], title: str) -> Any:
    """The page of a conversation."""
    name, path = run_of(datasette, request)
    id, sample = tilde_decode(request.url_vars["task"]), int(request.url_vars["sample"])
    found = await reading(datasette, path, lambda connection: conversation_page(connection, id, stages, sample))
    context = {"run": name, "task": id, "title": title, "sample": sample, **found}
    return await page(datasette, request, "conversation.html", context)


async def vote(datasette: Any, request: Any) -> Any:
    """What one test did on one candidate."""
    name, path = run_of(datasette, request)
    id = tilde_decode(request.url_vars["task"])
    candidate, test = (int(request.url_vars[part]) for part in ("candidate", "test"))
    found = await reading(datasette, path, lambda connection: vote_page(connection, id, candidate, test))
    context = {"run": name, "task": id, "candidate": candidate, "test": test, **found}
    return await page(datasette, request, "vote.html", context)


async def candidates(datasette: Any, request: Any) -> Any:
    """Two candidates beside each other."""
    name, path = run_of(datasette, request)
    id = tilde_decode(request.url_vars["task"])
    given = [request.args.get(side) or "" for side in ("one", "other")]
    if not all(number.isdecimal() and len(number) < 10 for number in given):
        raise BadInput("name two candidates by their numbers: ?one=1&other=2")
    numbers = int(given[0]), int(given[1])
    found = await reading(datasette, path, lambda connection: candidates_page(connection, id, numbers))
    return await page(datasette, request, "candidates.html", {"run": name, "task": id, **found})


async def text(datasette: Any, request: Any) -> Any:
    """The whole of a text, as plain text."""
    _, path = run_of(datasette, request)

    def get(connection: sqlite3.Connection) -> str:
        try:
            return texts.get(connection, request.url_vars["hash"])
        except KeyError:
            raise BadInput("the run has no such text") from None

    return Response.text(await reading(datasette, path, get))


async def runs(datasette: Any, request: Any) -> Any:
    """Two runs, or named choices of them, as `compare` has it."""
    given = [request.args.get(side) or "" for side in ("one", "other")]

    def compared() -> Any:
        sides = [side_of(datasette.library, side) for side in given]
        return sections(sides, [compare(*sides)], bool(request.args.get("all")))

    context = {"given": given, "names": datasette.library.names(), "all": bool(request.args.get("all"))}
    found = await in_thread(datasette, compared) if all(given) else []
    return await page(datasette, request, "runs.html", {**context, "sections": found})


async def search(datasette: Any, request: Any) -> Any:
    """Texts of a run in which words stand."""
    names = datasette.library.names()
    words, name, kind = (request.args.get(part) or "" for part in ("q", "run", "kind"))
    context: dict[str, Any] = {"names": names, "run": name, "words": words, "kind": kind, "kinds": KINDS}
    if name:
        path = datasette.library.database(name)
        index = datasette.indexes.of(path)
        context |= await reading(datasette, path, lambda connection: search_page(connection, index, words, kind))
    return await page(datasette, request, "search.html", context, not context.get("complete", True))


def side_of(library: Library, given: str) -> Side:
    """A run, or RUN:CHOICE, as one side of a comparison."""
    name, _, choice = given.partition(":")
    path = library.database(name)
    side: Side = library.remembered(path, f"side:{choice}", lambda: run_side(path.parent.parent, name, choice or None))
    return side


def run_of(datasette: Any, request: Any) -> tuple[str, Any]:
    """Name and database of the run that a page is about."""
    name = tilde_decode(request.url_vars["run"])
    return name, datasette.library.database(name)


async def reading(datasette: Any, path: Any, look: Callable[[sqlite3.Connection], T]) -> T:
    """What a function finds in a run, in a thread of its own connection."""

    def in_connection() -> T:
        with run_files.reading(path) as connection:
            return look(connection)

    return await in_thread(datasette, in_connection)


async def in_thread(datasette: Any, look: Callable[[], T]) -> T:
    """What a function returns, called in a thread of the server's."""
    return await asyncio.get_running_loop().run_in_executor(datasette.executor, look)


async def page(datasette: Any, request: Any, template: str, context: dict[str, Any], following: bool = False) -> Any:
    """A rendered page. `following`: it is read again every few seconds."""
    shown = {**context, "follow": FOLLOW_SECONDS if following else None}
    return Response.html(await datasette.render_template(template, shown, request=request))
