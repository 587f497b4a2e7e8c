"""Formats of rows: which one a row is in, by the names of its columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from codemonkeys.tasks.formats import mined, multi_swe, pro, swe_bench, training
from codemonkeys.tasks.formats.base import About, BadColumn, RowFormat

__all__ = ["FORMATS", "SWE_BENCH", "About", "BadColumn", "RowFormat", "find_format", "format_of", "reads", "unknown"]

SWE_BENCH = swe_bench.FORMAT
FORMATS = (
    *(pro.FORMAT, multi_swe.FORMAT, mined.POLY, mined.REBENCH_2, mined.REBENCH, mined.LIVE),
    *(training.R2E, training.SCALE, training.OPEN_SWE, training.LEGO, SWE_BENCH, training.SMITH),
)
"""In the order in which they are tried: each has fewer marks of its own than those before it."""


def find_format(names: Iterable[str]) -> RowFormat:
    """The format of a row with these columns; SWE-bench's if it is in none."""
    return _find(frozenset(names))


def format_of(row: Mapping[str, Any]) -> RowFormat:
    """The format of a row: by the names of its columns, and SWE-Gym's by its id too."""
    found = find_format(row)
    gym = found is SWE_BENCH and found.ungradable(row) and swe_bench.is_gym(row.get("instance_id"))
    return swe_bench.GYM if gym else found


def reads(names: Collection[str], wanted: Collection[str]) -> list[str]:
    """Names of the columns that have to be read of rows with these, for these columns of SWE-bench."""
    found = find_format(names)
    formats = (found, swe_bench.GYM) if found is SWE_BENCH else (found,)
    return list(dict.fromkeys(name for format in formats for name in format.reads(wanted)))


@lru_cache(maxsize=1024)
def _find(names: frozenset[str]) -> RowFormat:
    if {*swe_bench.GRADING, *swe_bench.NEEDS} <= names:
        return SWE_BENCH  # whatever else it has: SWE-bench 5 publishes other data sets with these columns
    return next((format for format in FORMATS if format.marks <= names), SWE_BENCH)


def unknown(names: Iterable[str]) -> str | None:
    """Why a row with these columns is in no format: the nearest one and what is missing; None if it is in one."""
    there = frozenset(names)
    if not there or set(find_format(there).needs) <= there:
        return None
    nearest = max(FORMATS, key=lambda format: (_share(format, there), format is SWE_BENCH))
    missing = [name for name in dict.fromkeys((*nearest.needs, *sorted(nearest.marks))) if name not in there]
    shown = ", ".join(sorted(there)[:12]) + (", ..." if len(there) > 12 else "")
    return f"the row is in no known format; nearest is {nearest.name}, without: {', '.join(missing)}; it has: {shown}"


def _share(format: RowFormat, there: frozenset[str]) -> float:
    wanted = format.marks | set(format.needs)
    return len(wanted & there) / len(wanted)
