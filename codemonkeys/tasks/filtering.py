"""Chooses tasks of a dataset as other tools of the field do: shuffle, filter, slice, limit, in that order."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codemonkeys.errors import BadInput
from codemonkeys.tasks.datasets import parse_address, pin
from codemonkeys.tasks.records import DATA_FILES, read_records

SEED = 42
"""Of the shuffle, as mini-swe-agent has it: equal options choose equal tasks in both."""


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks of a dataset are meant; without any of it all that it publishes, in its order."""

    ids: Sequence[str] = ()
    split: str | None = None
    filter: str | None = None
    """Regular expression that an id must match from its beginning."""
    slice: str | None = None
    """As in Python: `start:stop:step`, any of them left out or negative."""
    shuffle: bool = False
    """Sort by id, then shuffle, the same each time."""
    limit: int | None = None


def choose(source: str, wanted: TaskFilter, cached: bool = False) -> tuple[str, list[str]]:
    """The source, such that it means the same tasks for ever, and the ids of the tasks chosen.

    `cached`: do not go to the Hugging Face hub if its cache holds the dataset. Raises UnknownDataset, BadInput,
    BadRecord.
    """
    span = parse_slice(wanted.slice)
    pattern = parse_filter(wanted.filter)
    split = wanted.split
    path = Path(source).expanduser()
    is_file = path.is_file() or path.suffix in DATA_FILES or (path / "tasks").is_dir()
    if not is_file and (address := parse_address(source)) is not None:
        source, split = str(pin(replace(address, split=split or address.split), cached)), None
    ids = [record.id for record in read_records(source, wanted.ids or None, (), split)]
    total = len(ids)
    if wanted.shuffle:
        ids.sort()
        random.Random(SEED).shuffle(ids)
    ids = [id for id in ids if pattern.match(id)]
    matching = len(ids)
    ids = ids[span][: wanted.limit]
    if not ids:
        raise BadInput(
            f"{source}: no task is left: it has {total}, of which {matching} match --filter, and none of those is in "
            "--slice and --limit. Widen them"
        )
    return source, ids


def parse_slice(text: str | None) -> slice:
    """A slice as Python writes it; raises BadInput."""
    parts = (text or ":").split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= 3 or numbers[2:] == [0]:
        raise BadInput(f"--slice {text!r}: give start:stop or start:stop:step, such as 0:50, -10: or ::2")
    return slice(*numbers)


def parse_filter(text: str | None) -> re.Pattern[str]:
    """A regular expression for ids; raises BadInput."""
    try:
        return re.compile(text or "")
    except re.error as error:
        raise BadInput(f"--filter {text!r}: no regular expression: {error}") from None
