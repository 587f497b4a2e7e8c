"""The contract of a row format: how rows that another data set publishes become rows with SWE-bench's columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

X86_64 = "x86_64"
ANY_MACHINE = ""
OF_IMAGE = "HEAD"
"""In place of a base commit: what the image has checked out."""
Row = Mapping[str, Any]


class BadColumn(ValueError):
    """A column cannot be read; the message says which and why, the caller adds where."""


class Derived(NamedTuple):
    """A column of SWE-bench that a format makes from columns of its own."""

    columns: tuple[str, ...]
    """The only columns that are read for it: one of labels is among them only if it is itself a label."""
    make: Callable[[Row], Any]
    """Its value; None if the row has none. Raises BadColumn."""


class About(NamedTuple):
    """What can be said about a task from the names of its columns, without reading a label."""

    format: str = ""
    ungradable: str = ""
    """Why `evaluate` cannot grade it, and what to do instead; empty if it can, or if nothing is known."""
    machine: str = ANY_MACHINE
    """The architecture that published images are for; empty if they are for any, or if there is none."""
    note: str = ""
    """What is different from solving it with the data set's own tools."""


def gradable(names: Collection[str]) -> str:
    """For formats that say so by themselves."""
    return ""


@dataclass(frozen=True)
class RowFormat:
    """One format of rows."""

    name: str
    """As it is known in the field."""
    marks: frozenset[str]
    """Names of columns by which its rows are recognised."""
    needs: tuple[str, ...]
    """Names of columns without which there is no task."""
    derived: Mapping[str, Derived] = field(default_factory=dict[str, Derived])
    """How columns of SWE-bench are made; those not named here are taken as they are."""
    ungradable: Callable[[Collection[str]], str] = gradable
    """From the names of a row's columns: see `About.ungradable`."""
    machine: str = X86_64
    note: str = ""

    def reads(self, wanted: Collection[str]) -> list[str]:
        """Names of the columns that have to be read for these columns of SWE-bench."""
        names = (self.derived[name].columns if name in self.derived else (name,) for name in wanted)
        return list(dict.fromkeys(name for group in names for name in group))

    def value(self, row: Row, name: str) -> Any:
        """A column of SWE-bench of a row; None if the row has none. Raises BadColumn."""
        made = self.derived[name].make(row) if name in self.derived else row.get(name)
        return made.isoformat() if isinstance(made, date) else made

    def columns(self, row: Row, wanted: Collection[str]) -> dict[str, Any]:
        """Columns of SWE-bench of a row, without those that it cannot have. Raises BadColumn."""
        there = (name for name in wanted if name in self.derived or name in row)
        return {name: self.value(row, name) for name in there}

    def about(self, names: Collection[str]) -> About:
        """What the names of a row's columns say."""
        return About(self.name, self.ungradable(names), self.machine, self.note)


def constant(value: str) -> Derived:
    """A column that is the same in all rows."""
    return Derived((), lambda row: value)


def renamed(column: str) -> Derived:
    """A column that has another name."""
    return Derived((column,), lambda row: row.get(column))


def gradable_with(*needed: str) -> Callable[[Collection[str]], str]:
    """For formats that are graded here, if rows have these columns."""

    def check(names: Collection[str]) -> str:
        missing = [name for name in needed if name not in names]
        return f"its row has no {', '.join(missing)}, which grading needs" if missing else ""

    return check


def elsewhere(harness: str) -> Callable[[Collection[str]], str]:
    """For formats that are graded by their own harness."""
    said = f"it is graded by {harness}; export the predictions for it with: codemonkeys export RUN -o preds.jsonl"
    return lambda names: said
