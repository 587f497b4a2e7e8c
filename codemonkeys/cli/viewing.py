"""`view`: pages on stored runs in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from codemonkeys.cli.console import say
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.places import holding, places
from codemonkeys.errors import BadInput


def view(named: Path | None, names: Sequence[str], port: int) -> Exit:
    """Serve the pages until interrupted. `named`: the folder of runs that the user names, if any."""
    if find_spec("datasette") is None:
        raise BadInput("view needs Datasette, which is not installed: pip install 'codemonkeys[view]'")
    from codemonkeys.tasks.environments import default_home
    from codemonkeys.view.library import Library
    from codemonkeys.view.server import serve

    for name in names:
        holding(named, name)
    library = Library(places(named), tuple(names))
    try:
        serve(library, default_home() / "search", port, lambda address: say(f"{address}  (Ctrl-C ends it)"))
    except KeyboardInterrupt:
        pass
    return Exit.DONE
