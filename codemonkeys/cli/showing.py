"""`show`: a run, one of its tasks, or a part of a task."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Group, RenderableType

from codemonkeys.cli.console import print_json, show_long
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.places import option_of
from codemonkeys.errors import BadInput
from codemonkeys.journal import queries, run_files
from codemonkeys.wording import flag, option

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Which part of a task is shown; all of it by default."""

    answer: str | None = None
    """`STAGE.SAMPLE.TURN`."""
    messages: str | None = None
    """`STAGE/SAMPLE`, `STAGE` or `all`."""
    diff: bool = False
    """The patches of all candidates."""

    @property
    def options(self) -> list[str]:
        """The options that name a part."""
        named = [option(name, value) for name, value in (("answer", self.answer), ("messages", self.messages)) if value]
        return [*named, *([flag("diff")] if self.diff else [])]


def show(runs: Path, name: str, task: str | None, as_json: bool, part: Part = Part()) -> Exit:
    """Show a run, one of its tasks, or a part of a task. Raises BadInput, UnknownDataset."""
    if len(part.options) > 1:
        raise BadInput(f"{' and '.join(part.options)}: only one of them at a time")
    if part.options and task is None:
        raise BadInput(f"{part.options[0]}: name the task too, as in codemonkeys show {name} TASK{option_of(runs)}")
    database = run_files.database_of(runs, name)
    owner = run_files.owner_of(database.parent)
    with run_files.reading(database) as connection:
        if task is None:
            return _show_run(connection, name, owner, as_json, option_of(runs))
        if part.answer is not None:
            from codemonkeys.report.answer_view import answer_of, answer_view

            return _show_found(answer_of(connection, task, part.answer), answer_view, as_json)
        if part.messages is not None:
            from codemonkeys.report.messages_view import messages_of, messages_view

            return _show_found(messages_of(connection, task, part.messages), messages_view, as_json)
        return _show_task(connection, task, owner, as_json, part.diff)


def _show_found(found: T, view: Callable[[T], RenderableType], as_json: bool) -> Exit:
    if as_json:
        print_json(found)
    else:
        show_long(view(found))
    return Exit.DONE


def _show_task(connection: sqlite3.Connection, task: str, owner: int | None, as_json: bool, only_diffs: bool) -> Exit:
    from codemonkeys.generation.flags import suspicious
    from codemonkeys.report.task_view import candidate_diffs, task_view

    story = queries.task_story(connection, task)
    story["state"] = run_files.state_to_show(story["state"], owner)
    story |= _ensemble_choices(connection, queries.run_row(connection)["settings"]).get(task, {})
    for candidate in story["candidates"]:
        candidate["flags"] = list(suspicious(candidate["patch"]))
    if as_json and only_diffs:
        print_json(story["candidates"])
        return Exit.DONE
    return _show_found(story, candidate_diffs if only_diffs else task_view, as_json)


def _ensemble_choices(connection: sqlite3.Connection, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """See `report.ensemble.stored_choices`, which loads all of selection."""
    if "ensemble" not in settings:
        return {}
    from codemonkeys.report.ensemble import stored_choices

    return stored_choices(connection)


def _show_run(connection: sqlite3.Connection, name: str, owner: int | None, as_json: bool, place: str) -> Exit:
    from codemonkeys.journal.caches import cache_use
    from codemonkeys.report.parameters import stored_parameters
    from codemonkeys.report.tables import missed_caches, plain, spend_table, tasks_table, total_cost

    story, caches = queries.run_overview(connection), cache_use(connection)
    choices = _ensemble_choices(connection, story["settings"])
    for one in story["tasks"]:
        one |= choices.get(one["id"], {}) | {"state": run_files.state_to_show(one["state"], owner)}
    if as_json:
        print_json(story)
        return Exit.DONE

    def draw(width: int) -> RenderableType:
        parts: list[RenderableType] = [plain(f"{name}  {story['source']}  started {story['created_at']}", "bold")]
        parts += [plain(line) for line in stored_parameters(story["settings"])]
        parts += [plain(""), tasks_table(story["tasks"], width), plain(""), spend_table(story["spend"], caches)]
        parts += [plain(line, "yellow") for line in missed_caches(caches)]
        if story["tasks"]:
            one = f"codemonkeys show {name} {story['tasks'][0]['id']}{place}"
            parts.append(plain(f"\nTo show one task in full: {one}"))
        return Group(*parts, plain(f"Spent: {total_cost(story['spend'])}"))

    show_long(draw)
    return Exit.DONE
