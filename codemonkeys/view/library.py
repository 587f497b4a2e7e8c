"""The runs that are shown: where each is, and what one line says of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, CodeMonkeysError
from codemonkeys.journal import run_files
from codemonkeys.journal.queries import rows, run_row


@dataclass
class Library:
    """Runs by name: those that were asked for, or all that lie in some folders, also those that begin later."""

    folders: Sequence[Path]
    """Folders of runs, the first one first where two have a run of the same name."""
    asked: Sequence[str] = ()
    """Names of runs; empty: all."""
    _known: OrderedDict[tuple[Path, str], tuple[tuple[int, ...], Any]] = field(default_factory=OrderedDict)

    def names(self) -> list[str]:
        """Names of all runs, the latest first."""
        found: dict[str, float] = {}
        for folder in self.folders:
            for path in folder.glob("*/run.db"):
                name = path.parent.name
                if run_files.RUN_NAME.fullmatch(name) and name not in found and (not self.asked or name in self.asked):
                    found[name] = path.stat().st_mtime
        return sorted(found, key=lambda name: -found[name])

    def find(self, name: str) -> Path | None:
        """Database of a run; None if it is not shown."""
        if not run_files.RUN_NAME.fullmatch(name) or (self.asked and name not in self.asked):
            return None
        paths = (folder / name / "run.db" for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def database(self, name: str) -> Path:
        """Database of a run. Raises BadInput for one that is not shown."""
        found = self.find(name)
        if found is None:
            raise BadInput(f"there is no run {name!r} here")
        return found

    def lines(self) -> list[dict[str, Any]]:
        """A line for each run; of one that cannot be read, what is wrong with it."""
        return [self._line(name) for name in self.names()]

    def _line(self, name: str) -> dict[str, Any]:
        path = self.database(name)
        try:
            found = self.remembered(path, "line", lambda: line(path))
        except CodeMonkeysError as error:
            return {"name": name, "error": str(error)}
        return {"name": name, "owner": run_files.owner_of(path.parent), **found}

    def remembered(self, path: Path, what: str, make: Callable[[], Any]) -> Any:
        """What a function makes of a run, made again only when the run has changed; the latest few are kept."""
        state = version(path)
        stored = self._known.pop((path, what), None)
        found = stored if stored is not None and stored[0] == state else (state, make())
        self._known[path, what] = found
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found[1]


KEPT = 200
"""Results that are kept, most of them single lines."""


def version(path: Path) -> tuple[int, ...]:
    """What changes whenever a run does: moments and sizes of its files."""
    found: list[int] = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        if file.exists():
            about = file.stat()
            found += [about.st_mtime_ns, about.st_size]
    return tuple(found)


def line(path: Path) -> dict[str, Any]:
    """A run in one line: its source, when it began, tasks and what came of them, and what it cost."""
    with run_files.reading(path) as connection:
        run = run_row(connection)
        (counts,) = rows(
            connection,
            "SELECT count(*) AS tasks, coalesce(sum(t.state = 'predicted'), 0) AS predicted, "
            "count(v.outcome) AS graded, "
            "coalesce(sum(v.outcome = 'resolved'), 0) AS resolved FROM tasks t "
            "LEFT JOIN verdicts v ON v.task = t.id AND v.patch_hash = t.patch_hash",
        )
        (spent,) = rows(
            connection,
            "SELECT count(*) AS calls, count(*) - count(cost_usd) AS unknown, sum(cost_usd) AS cost_usd FROM costs",
        )
    return {**{name: run[name] for name in ("source", "created_at", "version")}, **counts, **spent}
