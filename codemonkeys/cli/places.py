"""Where runs are: the folder that the user names, or else `runs` here and a folder for those of `fix`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.journal import run_files

HERE = Path("runs")
"""Folder of new runs, in the current folder."""


def of_fix() -> Path:
    """Folder of new runs of `fix`, which is mostly called in a repository: the user's state folder."""
    from platformdirs import user_state_path

    return user_state_path("codemonkeys") / "runs"


def places(named: Path | None) -> tuple[Path, ...]:
    """Folders in which runs are looked for, in order. `named`: the one that the user names, if any."""
    return (HERE, of_fix()) if named is None else (named,)


def find(named: Path | None, name: str) -> Path | None:
    """The first of these folders that has a run of this name. Raises BadInput for a name that none can have."""
    return next((runs for runs in places(named) if (run_files.run_folder(runs, name) / "run.db").is_file()), None)


def holding(named: Path | None, name: str) -> Path:
    """The folder that has a run of this name. Raises BadInput listing the runs that there are."""
    if (found := find(named, name)) is not None:
        return found
    raise run_files.no_run(name, places(named))


@dataclass(frozen=True)
class PlannedRun:
    """A run that is only estimated."""

    runs: Path
    """Folder in which it would be."""
    name: str | None
    like: Path | None
    """Database of the run that it is like: the one that the user names, or itself if it has begun."""


def planned(named: Path | None, default: Path, name: str | None, like: str | None) -> PlannedRun:
    """The run of `--dry-run`. `default`: folder of new runs. Raises BadInput if there is no run `like`."""
    begun = None if name is None else find(named, name)
    runs = begun or named or default
    if like is not None:
        return PlannedRun(runs, name, run_files.database_of(holding(named, like), like))
    return PlannedRun(runs, name, None if begun is None or name is None else run_files.database_of(begun, name))


def option_of(runs: Path) -> str:
    """The option with which a later command finds a run of this folder; empty if it needs none."""
    return "" if runs in places(None) else f" --runs {shlex.quote(str(runs))}"
