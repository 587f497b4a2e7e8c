"""Where tasks come from. No label passes through here, unless its column is asked for by name.

Each module of this package except `base` reads one format and exports it as `SOURCE`; other packages add theirs by
entry points of the group `codemonkeys.task_sources`, users as `module:attribute`.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.registry import MODULE_ATTRIBUTE, Registry
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import Record, check_id
from codemonkeys.tasks.sources.base import IMAGE_COLUMNS, Source, image_of

__all__ = [
    "IMAGE_COLUMNS",
    "Source",
    "absolute",
    "find_source",
    "image_of",
    "load_tasks",
    "pin",
    "read_records",
    "task_sources",
]

GROUP = "codemonkeys.task_sources"
_NAMED_BY_MODULE = re.compile(f"({MODULE_ATTRIBUTE.pattern}):(.*)", re.DOTALL)


@cache
def task_sources() -> Registry[Source]:
    """All sources by name."""
    formats = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    return Registry("task source", GROUP, {name: f"{__name__}.{name}:SOURCE" for name in formats}, _as_source)


def find_source(source: str | Path) -> tuple[Source, str]:
    """The source that reads a string, and what of the string is meant for it.

    `NAME:REST` and `module:attribute:REST` name the source; anything else, and every Path, goes to the one that claims
    it, installed packages last. Raises UnknownDataset listing what is accepted, BadSettings for a source that cannot
    be loaded.
    """
    given = _as_text(source)
    try:
        Path(given).expanduser().exists()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: the home of a user that there is not
        raise UnknownDataset(f"{given!r}: cannot be looked for: {error}") from None
    registry = task_sources()
    name, colon, rest = given.partition(":")
    if colon and name in registry:
        return registry.get(name), rest
    if match := _NAMED_BY_MODULE.fullmatch(given):
        return registry.get(match[1]), match[2]
    for names in (registry.built_in, registry.installed()):
        claiming = {name: found for name in names if (found := registry.get(name)).claims(given)}
        if len(claiming) > 1:
            raise UnknownDataset(
                f"{given}: read by {' and by '.join(claiming)}; say which, as in {next(iter(claiming))}:{given}"
            )
        if claiming:
            return next(iter(claiming.values())), given
    accepted = "; ".join(registry.get(name).accepts for name in registry.names())
    raise UnknownDataset(f"{given or repr(given)}: {_problem(given)}; accepted: {accepted}")


def load_tasks(source: str | Path, ids: Sequence[str] | None = None) -> list[Task]:
    """Tasks in the order of `ids`, or all that the source publishes.

    Raises UnknownDataset for a source or an id that does not exist, BadRecord for a malformed record.
    """
    found, rest = find_source(source)
    tasks = list(found.tasks(rest, ids))
    _check_ids(found, rest, [task.id for task in tasks], ids)
    return tasks


def read_records(
    source: str | Path,
    ids: Sequence[str] | None,
    columns: Collection[str],
    split: str | None = None,
    with_problems: bool = False,
) -> list[Record]:
    """Records in the order of `ids`, or all that the source publishes, or all of one split, with these columns.

    `with_problems`: also those of which no task can be made, which are refused otherwise. Raises as `load_tasks`, and
    BadInput if there are no splits.
    """
    found, rest = find_source(source)
    records = list(found.records(rest, ids, columns, split))
    if problems := [record.problem for record in records if record.problem]:
        if with_problems:
            return records
        raise BadRecord(problems[0])
    _check_ids(found, rest, [record.id for record in records], ids, split)
    return records


def pin(source: str | Path, split: str | None = None, cached: bool = False) -> str:
    """A source that means the same tasks from any folder and at any later time; a dataset of a hub with its split.

    `cached`: do not use the network if a local cache has the dataset. Raises UnknownDataset.
    """
    given = _as_text(source)
    found, rest = find_source(given)
    return given.removesuffix(rest) + found.pin(rest, split, cached)


def absolute(source: str | Path) -> str:
    """A file or folder by its absolute path, everything else unchanged: no network, and no revision is chosen.

    Raises BadInput for what is no source, such as Task objects where none can be taken.
    """
    if not isinstance(source, str | Path):
        raise BadInput(f"name the source of the tasks, as a string or a Path: {type(source).__name__} is neither")
    path = Path(source).expanduser()
    return str(path.resolve()) if str(source).strip() and path.exists() else str(source)


def _as_text(source: str | Path) -> str:
    # A Path is never taken for a name: none of them begins with a slash.
    return str(source.expanduser().absolute()) if isinstance(source, Path) else source


def _as_source(found: Any) -> Source:
    if isinstance(found, type) or not isinstance(found, Source):
        raise TypeError("expected an object with name, accepts, claims, pin, records and tasks")
    return found


def _check_ids(
    found: Source, source: str, got: Sequence[str], ids: Sequence[str] | None, split: str | None = None
) -> None:
    """Raise BadRecord if a source does not keep its contract: tasks that nobody chose would cost money."""
    for id in got:
        check_id(id, source)
    expected = list(dict.fromkeys(got if ids is None else ids))
    if split is not None:
        there = set(got)
        expected = [id for id in expected if id in there]
    if list(got) != expected:
        raise BadRecord(
            f"{source}: the task source {found.name!r} returned a task twice, or other tasks than asked for, or in "
            "another order; correct the source"
        )


def _problem(source: str) -> str:
    path = Path(source).expanduser()
    if not source.strip():
        return "names no file, folder or dataset"
    if path.is_file():
        return "not a file in a known format"
    if path.is_dir():
        return "not a folder in a known format"
    return "no such file, folder or dataset"
