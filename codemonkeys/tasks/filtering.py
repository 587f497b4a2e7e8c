"""Chooses tasks of a dataset as other tools do: shuffle, filter, slice, limit, in that order."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.tasks.sources import pin, read_records
from codemonkeys.wording import option

SEED = 42
"""Seed of the shuffle, the same as in mini-swe-agent: equal options choose equal tasks in both."""


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks of a dataset to choose; by default all that it publishes, in its order."""

    ids: Sequence[str] = ()
    split: str | None = None
    filter: str | None = None
    """Only ids that match this regular expression (anchored at the start)."""
    slice: str | None = None
    """A slice as in Python: `start:stop:step`, each optional, start and stop possibly negative."""
    shuffle: bool = False
    """Sort by id, then shuffle with a fixed seed."""
    limit: int | None = None
    """Maximum number of tasks."""


def choose(source: str | Path, task_filter: TaskFilter, cached: bool = False) -> tuple[str, list[str]]:
    """The source pinned, so that it means the same tasks at any later time, and the ids of the chosen tasks.

    `cached`: do not use the network if a local cache has the dataset. Raises UnknownDataset, BadInput, BadRecord.
    """
    span = parse_slice(task_filter.slice)
    pattern = parse_filter(task_filter.filter)
    pinned = pin(source, task_filter.split, cached)
    records = read_records(pinned, task_filter.ids or None, (), task_filter.split, with_problems=True)
    total = len(records)
    if task_filter.shuffle:
        records.sort(key=lambda record: record.id)
        random.Random(SEED).shuffle(records)
    records = [record for record in records if pattern.match(record.id)]
    matching = len(records)
    records = records[span][: task_filter.limit]
    for record in records:
        if record.problem:
            raise BadRecord(f"{record.problem}; or leave it out with {option('filter')}")
    if not records:
        raise BadInput(
            f"{pinned}: no task is left: it has {total}, {matching} of which match {option('filter')}, and none of "
            f"those is within {option('slice')} and {option('limit')}; widen them"
        )
    return pinned, [record.id for record in records]


def parse_slice(text: str | None) -> slice:
    """A slice in Python's notation, or everything. Raises BadInput."""
    parts = (text or ":").split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= 3 or numbers[2:] == [0]:
        raise BadInput(f"{option('slice')} {text!r}: give start:stop or start:stop:step, such as 0:50, -10: or ::2")
    return slice(*numbers)


def parse_filter(text: str | None) -> re.Pattern[str]:
    """A regular expression for ids; without a text it matches all. Raises BadInput."""
    try:
        return re.compile(text or "")
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInput(f"{option('filter')} {text!r}: not a regular expression: {error}") from None
