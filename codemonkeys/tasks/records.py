"""Reads the records of a dataset, only the columns that are asked for: labels are left where they lie."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.tasks.datasets import ALIASES, parquet_rows, parse_address, published_rows
from codemonkeys.tasks.own_issue import is_own_issue

ACCEPTED = (
    f"{', '.join(ALIASES)}; the Hugging Face id of a SWE-bench data set (owner/name); a SWE-bench file (.parquet, "
    ".jsonl with one row a line, or .json with a list or dictionary of rows); the folder of a SWE-bench task "
    "repository (sweb.yaml beside tasks/), or of data files as the hub has them"
)

# The format of a task repository: these columns are files of their own, all others stand in task.yaml.
FILES = {
    "problem_statement": "problem_statement.md",
    "hints_text": "hints.md",
    "patch": "gold.patch",
    "test_patch": "test.patch",
    "eval_script": "eval.sh",
}
DATA_FILES = (".parquet", ".jsonl", ".json")
TESTS_FILE = "tests.json"
TESTS_COLUMNS = frozenset({"FAIL_TO_PASS", "PASS_TO_PASS"})

# Ids become names of folders, containers and log files.
ID = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_+@-]|\.(?!\.)){0,199}")


@dataclass(frozen=True)
class Record:
    """One row of a dataset."""

    id: str
    where: str
    """File and line, or folder: for messages."""
    columns: dict[str, Any]
    """Only columns that were asked for; one the row lacks is absent."""
    folder: Path | None = None
    """Folder of the task, if it comes from a task repository."""

    def text(self, column: str, default: str | None = None) -> str:
        """A column as text. Raises BadRecord if it is no text, or is absent without a default."""
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
            f"{where}: {value!r} cannot be an instance_id; letters, digits, '_', '-', '+', '@' and single '.' can"
        )
    return value


def read_records(
    source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None = None
) -> list[Record]:
    """Records of a dataset in the order of `ids`, or all that it publishes, or all of one split.

    Raises UnknownDataset for a source or an id that does not exist, BadRecord for a malformed record, BadInput if there
    are no splits.
    """
    path = Path(source).expanduser()
    if (path / "tasks").is_dir():
        return list(_task_folders(path, ids, columns, split))
    records: dict[str, Record] = {}
    splits = False
    for where, row in _rows(source, path, {*columns, "split"} if split else columns):
        id = check_id(row.get("instance_id"), where)
        if id in records:
            raise BadRecord(f"{where}: {id} is there already, at {records[id].where}; remove one of them")
        splits |= "split" in row
        if split is None or row.get("split") == split:
            records[id] = Record(id, where, {name: row[name] for name in columns if name in row})
    if split is not None and not splits:
        raise BadInput(f"{source}: its rows have no column 'split'; leave --split out")
    return [records[id] for id in _known(ids, records, source)]


def _rows(source: str, path: Path, columns: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of whatever the source is, each with where it stands."""
    if is_own_issue(source):
        raise UnknownDataset(f"{source}: an issue of a repository of yours: there are no hidden tests to grade it by")
    if path.is_file():
        if path.suffix in (".jsonl", ".json"):
            return read_rows(path)
        if path.suffix == ".parquet":
            return parquet_rows(path, columns)
        raise UnknownDataset(f"{source}: not a kind of file that is known; accepted: {ACCEPTED}")
    if path.is_dir() and not any(found.suffix in DATA_FILES for found in path.rglob("*")):
        raise UnknownDataset(f"{source}: holds neither tasks/ nor data files; accepted: {ACCEPTED}")
    address = None if path.suffix in DATA_FILES else parse_address(source)
    if address is None:
        raise UnknownDataset(f"{source}: no such file, folder or data set; accepted: {ACCEPTED}")
    return published_rows(address, columns)


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a .jsonl file, or of a .json file with a list or dictionary of rows, each with where it stands.

    Raises BadRecord with file and line if it is not JSON or a row is no object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8 (byte {error.start}); convert the file") from None
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix == ".jsonl":
        # Not splitlines: a JSON string may hold other line separators as they are.
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
    """The value a JSON text holds. Raises BadRecord with `where`, and line and column in it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{where}, column {error.colno}" if error.lineno == 1 else f"{where}:{error.lineno}"
        raise BadRecord(f"{place}: not JSON: {error.msg}") from None
    except RecursionError:
        raise BadRecord(f"{where}: nested too deeply") from None


def _known(ids: Sequence[str] | None, known: Collection[str], source: str) -> list[str]:
    """The ids asked for, each once, or all; raises UnknownDataset offering near ones."""
    if ids is None:
        return list(known)
    for id in ids:
        if id not in known:
            near = difflib.get_close_matches(id, known, n=5, cutoff=0.6)
            some = f"it has {len(known)}, such as {min(known)}" if known else "it is empty"
            offer = f"did you mean {', '.join(near)}?" if near else some
            raise UnknownDataset(f"{source}: no task {id!r} in it; {offer}")
    return list(dict.fromkeys(ids))


def _task_folders(
    repository: Path, ids: Sequence[str] | None, columns: Collection[str], split: str | None
) -> Iterator[Record]:
    published = _yaml(repository / "sweb.yaml").get("splits", ["test"]) if ids is None else None
    if split is not None:
        published = [split]
    folders = {path.parent.name: path.parent for path in sorted((repository / "tasks").glob("*/task.yaml"))}
    for id in _known(ids, folders, str(repository)):
        folder = folders[id]
        row = _yaml(folder / "task.yaml")
        if check_id(row.get("instance_id"), str(folder / "task.yaml")) != id:
            raise BadRecord(
                f"{folder / 'task.yaml'}: instance_id is {row['instance_id']}, its folder {id}; make them equal"
            )
        if published is not None and row.get("split", "test") not in published:
            continue
        found = {name: row[name] for name in columns if name in row}
        for name in FILES.keys() & columns:
            file = folder / FILES[name]
            if file.is_file():
                found[name] = _text(file)
        if TESTS_COLUMNS & set(columns) and (folder / TESTS_FILE).is_file():
            tests = parse_json(_text(folder / TESTS_FILE), str(folder / TESTS_FILE))
            found.update({name: tests[name] for name in TESTS_COLUMNS & set(columns) if name in tests})
        yield Record(id, str(folder), found, folder)


def _text(path: Path) -> str:
    try:
        # Bytes decoded as they are: a patch may hold CRLF.
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8 (byte {error.start}); convert the file") from None
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read: {error.strerror}") from None


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise BadRecord(f"{path}: not YAML: {error}") from None
    if not isinstance(content, dict):
        raise BadRecord(f"{path}: holds {type(content).__name__}; expected named values")
    return content
