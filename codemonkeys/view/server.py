"""Datasette on a library of runs, and the server on the loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasette.app import Datasette
from datasette.plugins import pm

from codemonkeys.errors import BadInput
from codemonkeys.view import plugin
from codemonkeys.view.database import RunDatabase
from codemonkeys.view.guard import App, guarded
from codemonkeys.view.library import Library
from codemonkeys.view.search_index import Indexes
from codemonkeys.wording import option

HOST = "127.0.0.1"
FOLDER = Path(__file__).parent
OWN = (
    "/-/run/",
    "/-/task/",
    "/-/trajectory/",
    "/-/conversation/",
    "/-/vote/",
    "/-/candidates/",
    "/-/runs",
    "/-/search",
)
OWN_FILES = ("/-/text/", "/-/files/")
SETTINGS = {
    "allow_download": False,
    "suggest_facets": False,
    "default_cache_ttl": 0,
    "sql_time_limit_ms": 5_000,
    "facet_time_limit_ms": 200,
    "truncate_cells_html": 300,
    "default_page_size": 50,
    "num_sql_threads": 3,
}


class Viewer(Datasette):  # type: ignore[misc]
    """Datasette with our pages. Databases are opened when they are first asked for."""

    def __init__(self, library: Library, indexes: Indexes) -> None:
        """`indexes`: for the search; closed by the caller."""
        self.library, self.indexes = library, indexes
        register()
        super().__init__(
            settings=SETTINGS,
            template_dir=str(FOLDER / "templates"),
            static_mounts=[("-/files", str(FOLDER / "static"))],
        )
        self.remove_database("_memory")

    def app(self) -> App:
        """The application behind the guard."""
        return guarded(super().app(), (*OWN, *OWN_FILES))

    def get_database(self, name: str | None = None, route: str | None = None) -> Any:
        """The database of a run. Raises KeyError for one that is not shown."""
        if route == "_internal":
            raise KeyError(route)
        wanted = name or route
        if wanted and wanted not in self.databases and (path := self.library.find(wanted)):
            self.add_database(RunDatabase(self, str(path)), name=wanted)
        return super().get_database(name, route)

    async def check_visibility(self, *_: Any, **__: Any) -> tuple[bool, bool]:
        """Whoever reaches the server sees all of it; Datasette would ask for each table."""
        return True, False

    def close(self) -> None:
        """Close all connections."""
        self.executor.shutdown()
        for database in self.databases.values():
            database.close()


def register() -> None:
    """Add our hooks to Datasette's, once; take away the one that prints the variables of a page that failed."""
    if pm.get_plugin("codemonkeys") is None:
        pm.unregister(name="datasette.handle_exception")
        pm.register(plugin, "codemonkeys")


def serve(library: Library, cache: Path, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted. `cache`: folder of the search's indexes; `port`: 0 takes any; `ready` gets the address.

    Raises BadInput if the port is taken.
    """
    import uvicorn

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen()
        except OSError as error:
            raise BadInput(
                f"cannot listen on port {port}: {error.strerror}; choose another with {option('port', 'PORT')}"
            ) from None
        indexes = Indexes(cache)
        viewer = Viewer(library, indexes)
        try:
            ready(f"http://{HOST}:{listening.getsockname()[1]}/")
            server = uvicorn.Server(uvicorn.Config(viewer.app(), log_level="warning", access_log=False))
            server.run(sockets=[listening])
        finally:
            indexes.close()
            viewer.close()
