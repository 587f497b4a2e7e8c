"""The hooks by which our pages stand in Datasette."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from datasette import hookimpl
from datasette.utils import tilde_encode
from datasette.utils.asgi import Response
from markupsafe import Markup

from codemonkeys.errors import BadInput, CodeMonkeysError
from codemonkeys.redact import safe_terminal
from codemonkeys.report.status_view import duration
from codemonkeys.report.tables import dollars
from codemonkeys.view import pages

CELL = 300
"""Characters of a cell that tables show."""


@hookimpl
def register_routes(datasette: Any) -> list[tuple[str, Callable[..., Any]]]:
    """Our pages."""
    name, number = r"(?P<{}>[^/]+)", r"(?P<{}>\d{{1,9}})"
    run, task = name.format("run"), name.format("task")
    return [
        (r"/$", pages.home),
        (rf"/-/run/{run}$", pages.run),
        (rf"/-/task/{run}/{task}$", pages.task),
        (rf"/-/trajectory/{run}/{task}/{number.format('sample')}$", pages.trajectory),
        (rf"/-/conversation/{run}/{task}/{name.format('stage')}/{number.format('sample')}$", pages.conversation),
        (rf"/-/vote/{run}/{task}/{number.format('candidate')}/{number.format('test')}$", pages.vote),
        (rf"/-/candidates/{run}/{task}$", pages.candidates),
        (rf"/-/text/{run}/(?P<hash>[0-9a-f]{{64}})$", pages.text),
        (r"/-/runs$", pages.runs),
        (r"/-/search$", pages.search),
    ]


@hookimpl
def prepare_jinja2_environment(env: Any, datasette: Any) -> None:
    """What our templates use."""
    env.filters |= {
        "dollars": dollars,
        "duration": lambda seconds: "" if seconds is None else duration(seconds),
        "number": lambda value: "" if value is None else f"{value:,.0f}",
        "path": lambda value: tilde_encode(str(value)),
        "query": lambda values: urlencode({key: value for key, value in values.items() if value}),
    }


@hookimpl
def render_cell(value: Any, column: str, table: str | None, database: str, datasette: Any) -> Any:
    """Tasks as links to their pages, and all other texts as they are, none of them as a link."""
    if not isinstance(value, str) or not value:
        return None
    if column == "task" or (table == "tasks" and column == "id"):
        path = f"/-/task/{tilde_encode(database)}/{tilde_encode(value)}"
        return Markup('<a href="{}">{}</a>').format(path, value)
    return value if len(value) <= CELL else f"{value[:CELL]}\u2026"


@hookimpl
def handle_exception(datasette: Any, request: Any, exception: Exception) -> Any:
    """The page of an error. What is not foreseen is told on the terminal, without the values of variables."""

    async def inner() -> Any:
        status, message = told(exception)
        if status == 500:
            print(safe_terminal("".join(traceback.format_exception(exception))), file=sys.stderr, flush=True)
        if request.path.endswith(".json"):
            return Response.json({"ok": False, "error": message, "status": status}, status=status)
        template = datasette.jinja_env.get_template("error.html")
        return Response.html(await template.render_async(status=status, error=message), status=status)

    return inner


def told(exception: Exception) -> tuple[int, str]:
    """Status and message of an error."""
    if isinstance(exception, CodeMonkeysError):
        return 404 if isinstance(exception, BadInput) else 500, str(exception)
    status = getattr(exception, "status", 500)
    if status == 500 and not hasattr(exception, "message"):
        return 500, "This page could not be made; the terminal of the server says why."
    return int(status), str(getattr(exception, "message", "") or exception)
