"""Records of datasets and predictions files: rows of named columns, each with an id that is safe as a file name."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.tasks.formats import About, BadColumn, RowFormat, format_of, unknown
from codemonkeys.wording import option

DATA_FILES = (".parquet", ".jsonl", ".json")
"""Suffixes of files that hold rows."""

# Ids become names of folders, containers and log files.
ID = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_+@-]|\.(?!\.)){0,199}")
_FORMAT = re.compile(r'\s*\{\s*"format"\s*:\s*"([\w.-]{1,80})"')


@dataclass(frozen=True)
class Record:
    """One row of a dataset."""

    id: str
    where: str
    """File and line, or folder: for messages."""
    columns: dict[str, Any]
    """Only columns that were asked for; a column that the row lacks is absent."""
    folder: Path | None = None
    """Folder of the task, if it comes from a task repository."""
    about: About = About()
    problem: str = ""
    """Why no task can be made of it, with its location. Such a record refuses nothing if nobody chooses it."""

    def text(self, column: str, default: str | None = None) -> str:
        """A column as text. Raises BadRecord if it is not text, or is absent and has no default."""
        value = self.columns.get(column)
        if value is None:
            value = default
        if value is None:
            raise BadRecord(f"{self.where}: {self.id} has no column {column!r}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise BadRecord(f"{self.where}: column {column!r} of {self.id} is {type(value).__name__}, not text")
        return value


def check_id(value: object, where: str) -> str:
    """An instance id that is safe as a file name. Raises BadRecord."""
    if not isinstance(value, str):
        raise BadRecord(f"{where}: no instance_id; every record needs one")
    if not ID.fullmatch(value):
        raise BadRecord(
            f"{where}: {value!r} cannot be an instance_id; use letters, digits, '_', '-', '+', '@' and single '.'"
        )
    return value


def select_records(
    rows: Iterable[tuple[str, Mapping[str, Any]]],
    source: str,
    ids: Sequence[str] | None,
    columns: Collection[str],
    split: str | None = None,
) -> list[Record]:
    """Records in the order of `ids`, or all, or all whose column `split` has that value.

    `rows`: for each its location, for messages, and its columns in any known format; those that were not read are
    None. A row with a bad or repeated id, or in no known format, becomes a record with a `problem`. Raises BadRecord
    for a column that cannot be read, UnknownDataset for an id that is not there, BadInput if a split is asked for and
    no row has one.
    """
    found: list[Record] = []
    places: dict[str, str] = {}
    chosen = None if ids is None else set(ids)
    has_splits = False
    for where, row in rows:
        has_splits |= "split" in row
        if split is not None and row.get("split") != split:
            continue
        format = format_of(row)
        id, problem = _id_of(format, row, where)
        if id in places:
            problem = f"{where}: {id} is there already, at {places[id]}; remove one of them"
        elif not problem:
            places[id] = where
        if chosen is None or id in chosen:
            found.append(_record(format, row, columns, Record(id, where, {}, problem=problem)))
    if split is not None and not has_splits:
        raise BadInput(f"{source}: its rows have no column 'split'; leave out {option('split')}")
    if ids is None:
        return found
    records: dict[str, Record] = {}
    for record in found:
        records[record.id] = record if record.problem else records.get(record.id, record)
    return [records[id] for id in select_ids(ids, {**places, **records}, source)]


def _record(format: RowFormat, row: Mapping[str, Any], columns: Collection[str], begun: Record) -> Record:
    about = format.about(row.keys())
    problem = begun.problem
    if not problem and (refused := unknown(row)):
        problem = f"{begun.where}: {begun.id}: {refused}"
    if problem:
        return replace(begun, about=about, problem=problem)
    try:
        return replace(begun, about=about, columns=format.columns(row, columns))
    except BadColumn as error:
        raise BadRecord(f"{begun.where}: {begun.id}: {error}") from None


def _id_of(format: RowFormat, row: Mapping[str, Any], where: str) -> tuple[str, str]:
    """The id of a row, and what is wrong with it."""
    try:
        value = format.value(row, "instance_id")
        return check_id(value, where), ""
    except BadColumn as error:
        return "", f"{where}: {error}"
    except BadRecord as error:
        refused = unknown(row) if value is None else None
        return str(value or "")[:200], f"{error}; {refused}" if refused else str(error)


def select_ids(ids: Sequence[str] | None, known: Collection[str], source: str) -> list[str]:
    """The ids asked for, each once, or all known ones. Raises UnknownDataset suggesting similar ids."""
    if ids is None:
        return list(known)
    for id in ids:
        if id not in known:
            near = difflib.get_close_matches(id, known, n=5, cutoff=0.6)
            size = f"it has {len(known)}, such as {min(known)}" if known else "it is empty"
            hint = f"did you mean {', '.join(near)}?" if near else size
            raise UnknownDataset(f"{source}: no task {id!r} in it; {hint}")
    return list(dict.fromkeys(ids))


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a .jsonl file, or of a .json file with a list or dictionary of rows, each with its location.

    Raises BadRecord with file and line if the file is not JSON or a row is not an object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8 (byte {error.start}); convert the file") from None
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix == ".jsonl":
        # Not splitlines: a JSON string may contain other line separators unescaped.
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        rows = [(f"{path}:{number}", parse_json(line, f"{path}:{number}")) for number, line in lines]
    else:
        content = parse_json(text, str(path))
        if not isinstance(content, (list, dict)):
            raise BadRecord(f"{path}: holds {type(content).__name__}; expected a list or dictionary of records")
        values = content.values() if isinstance(content, dict) else content
        rows = [(f"{path} record {number}", row) for number, row in enumerate(values, 1)]
    for where, row in rows:
        if not isinstance(row, dict):
            raise BadRecord(f"{where}: holds {type(row).__name__}; expected an object with named columns")
        yield where, row


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text. Raises BadRecord with `where`, and line and column within the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{where}, column {error.colno}" if error.lineno == 1 else f"{where}:{error.lineno}"
        raise BadRecord(f"{place}: not JSON: {error.msg}") from None
    except ValueError as error:  # a number of thousands of digits
        raise BadRecord(f"{where}: not JSON: {error}") from None
    except RecursionError:
        raise BadRecord(f"{where}: nested too deeply") from None


def named_format(path: Path) -> str | None:
    """The format that a JSON file names at its start: `{"format": "NAME", ...`. Such a file does not contain rows."""
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            match = _FORMAT.match(file.read(200))
    except OSError:  # reading it as rows will say why
        return None
    return match and match[1]
