"""Submissions as the field's programs write them, files and folders: records that each name a task and a patch.

A record has the keys `instance_id`, `model_name_or_path` and `model_patch`, those of them that were found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.tasks.formats import BadColumn
from codemonkeys.tasks.formats.multi_swe import pull_request_id
from codemonkeys.tasks.inspect_logs import is_log, log_records, packed_samples
from codemonkeys.tasks.records import parse_json

ROW_FILES = (".json", ".jsonl")
PRED, TRAJECTORY, INSPECT = ".pred", ".traj.json", ".eval"
SUFFIXES = (*ROW_FILES, PRED, INSPECT)
"""Suffixes of files that may be submissions."""
FOLDER_FILES = ("all_preds.jsonl", "preds.json", "preds.jsonl", "output.jsonl")
"""Predictions files looked for in a folder, in this order."""
IDS = "instance_id, or org, repo and number"
PATCHES = "model_patch, patch, fix_patch, git_patch, test_result.git_patch"
"""Columns that hold a patch: of SWE-bench, SWE-bench Pro, Multi-SWE-bench, and OpenHands."""
ANSWERS = frozenset({"test_patch", "problem_statement", "base_commit", "resolved_issues", "FAIL_TO_PASS"})
"""Columns of data sets: what such a row calls a patch is the answer."""
SHOWN = 12
"""Maximum number of names in a message."""


COMMON_NAMES = frozenset(("all_preds", "preds", "predictions", "output"))
"""Generic file names, which do not identify the system: the folder's name is used instead."""


class Entry(NamedTuple):
    """One record and its location."""

    where: str
    record: dict[str, Any] | None
    """None for what is not an object of JSON."""


@dataclass(frozen=True)
class Submission:
    """What was found at a path."""

    path: Path
    """The file, or the folder if it is made of many."""
    entries: tuple[Entry, ...]
    sha256: str
    """Of the file, or of all records of a folder."""


def read_submission(path: Path) -> Submission:
    """The submission in a file, or in a folder of files.

    Raises BadInput for what is no submission, BadRecord for a file that is not JSON, or that has no column of ids or
    none of patches.
    """
    place = _place(path)
    files = _files(place)
    read = {file: _data(file) for file in files}
    entries = [entry for file, data in read.items() for entry in _entries(file, data, alone=file == place)]
    _check(place, entries)
    found = tuple(Entry(where, row if row is None else _record(row)) for where, row in entries)
    content = read[place] if place in read else json.dumps([record for _, record in found]).encode()
    return Submission(place, found, hashlib.sha256(content).hexdigest())


def looks_like_one(path: Path) -> bool:
    """Whether a path may be a submission: by its suffix, or since it is a folder that is not a run's."""
    return path.name.endswith(SUFFIXES) or (path.is_dir() and not (path / "run.db").is_file())


def name_of(path: Path) -> str:
    """What a submission is called by: its file's name, or its folder's if that says nothing."""
    stem = path.name.removesuffix(TRAJECTORY) if path.name.endswith(TRAJECTORY) else path.stem
    return path.absolute().name if path.is_dir() else path.absolute().parent.name if stem in COMMON_NAMES else stem


def _place(path: Path) -> Path:
    """The file that a submission is, be it in a folder; or the folder."""
    if not path.is_dir():
        if not path.name.endswith(SUFFIXES):
            raise BadInput(f"{path}: submissions are {', '.join(SUFFIXES)} files, or folders that hold them")
        if not path.is_file():
            raise BadInput(f"{path}: no such predictions file; check the path")
        return path
    return next((path / name for name in FOLDER_FILES if (path / name).is_file()), path)


def _files(path: Path) -> list[Path]:
    """The files that a submission is made of."""
    if path.is_file():
        return [path]
    if trials := _trials(path):
        return [trial / "result.json" for trial in trials]
    for suffix in (PRED, TRAJECTORY, INSPECT):
        if found := sorted([*path.glob(f"*{suffix}"), *path.glob(f"*/*{suffix}")]):
            if suffix == INSPECT and len(found) > 1:
                raise BadInput(f"{path}: several logs of inspect; give one of them, such as {found[0]}")
            return found
    raise BadInput(
        f"{path}: not a submission; expected one of {', '.join(FOLDER_FILES)} in the folder, *{PRED}, *{TRAJECTORY}, "
        f"*{INSPECT}, or the trials of a harbor job"
    )


def _is_trial(folder: Path) -> bool:
    return (folder / "result.json").is_file() and any((folder / name).is_dir() for name in ("agent", "verifier"))


def _trials(path: Path) -> list[Path]:
    """The trials of a harbor job: in its folder, or in the only job of a folder of jobs."""
    if trials := [folder for folder in sorted(path.iterdir()) if _is_trial(folder)]:
        return trials
    jobs = sorted({trial.parent for trial in path.glob("*/*") if trial.is_dir() and _is_trial(trial)})
    if len(jobs) > 1:
        raise BadInput(f"{path}: several jobs of harbor; give one of them, such as {jobs[0]}")
    return _trials(jobs[0]) if jobs else []


def _data(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror}") from None


def _entries(file: Path, data: bytes, alone: bool) -> Iterator[Entry]:
    if file.suffix == INSPECT:
        yield from (Entry(where, row) for where, row in log_records(file, packed_samples(file)))
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{file}: not UTF-8 (byte {error.start}); convert the file") from None
    if file.suffix == ".jsonl":
        yield from _lines(file, text)
    elif _is_trial(file.parent) and file.name == "result.json":
        yield Entry(str(file.parent), _trial(file.parent, _parsed(text)))
    elif file.name.endswith((PRED, TRAJECTORY)):
        content = parse_json(text, str(file)) if alone else _parsed(text)
        trajectory = file.name.endswith(TRAJECTORY)
        yield Entry(
            str(file), _trajectory(file, content) if trajectory else content if isinstance(content, dict) else None
        )
    else:
        yield from _records(file, parse_json(text, str(file)))


def _lines(file: Path, text: str) -> Iterator[Entry]:
    # Not splitlines: a JSON string may contain other line separators unescaped.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row = _parsed(line)
            yield Entry(f"{file}:{number}", row if isinstance(row, dict) else None)


def _records(file: Path, content: Any) -> Iterator[Entry]:
    if is_log(content):
        yield from (Entry(where, row) for where, row in log_records(file, enumerate(content["samples"], 1)))
        return
    if isinstance(content, dict):
        # The key is the id; the record itself may repeat it.
        content = [{"instance_id": id, **row} if isinstance(row, dict) else row for id, row in content.items()]
    if not isinstance(content, list):
        raise BadRecord(f"{file}: holds {type(content).__name__}; expected a list or dictionary of predictions")
    for number, row in enumerate(content, 1):
        yield Entry(f"{file} record {number}", row if isinstance(row, dict) else None)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _trajectory(file: Path, content: Any) -> dict[str, Any] | None:
    """A record of mini-swe-agent's trajectory, which may leave its id to the file's name."""
    if not isinstance(content, dict) or not isinstance(content.get("info"), dict):
        return None
    info = content["info"]
    model = _within(info, "config", "model", "model_name")
    id = content.get("instance_id") or file.name.removesuffix(TRAJECTORY)
    return {"instance_id": id, "model_name_or_path": model, "model_patch": info.get("submission")}


def _trial(folder: Path, result: Any) -> dict[str, Any] | None:
    """A record of a trial of harbor: the patch that it left among its artifacts."""
    if not isinstance(result, dict) or not isinstance(result.get("task_name"), str):
        return None
    agent = _within(result, "agent_info", "name")
    diffs = sorted(path for path in (folder / "artifacts").rglob("*") if path.suffix in (".diff", ".patch"))
    named = [path for path in diffs if path.stem in ("patch", "model")] or diffs
    patch = _data(named[0]).decode("utf-8", "surrogateescape") if named and named[0].is_file() else None
    # Harbor's names have an owner in front, the folders of its tasks have none.
    return {"instance_id": result["task_name"].rpartition("/")[2], "model_name_or_path": agent, "model_patch": patch}


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the names that SWE-bench has for its columns."""
    found: dict[str, Any] = {}
    try:
        found["instance_id"] = row["instance_id"] if "instance_id" in row else pull_request_id(row)
    except BadColumn:
        pass
    model = row.get("model_name_or_path", row.get("prefix"))
    if model is not None:
        found["model_name_or_path"] = model
    if (patch := _patch(row)) is not None:
        found["model_patch"] = patch[0]
    return found


def _patch(row: Mapping[str, Any]) -> tuple[Any] | None:
    if "model_patch" in row:
        return (row["model_patch"],)
    if ANSWERS & row.keys():
        return None
    for name in ("patch", "fix_patch", "git_patch"):
        if name in row:
            return (row[name],)
    result = row.get("test_result")
    return (result["git_patch"],) if isinstance(result, dict) and "git_patch" in result else None


def _within(value: Any, *names: str) -> str | None:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _check(path: Path, entries: Iterable[Entry]) -> None:
    """Raise BadRecord if no record has an id, or none a patch; a record of either kind makes it a submission."""
    rows = [row for _, row in entries if row]
    if not rows:
        return
    shown = list(dict.fromkeys(name for row in rows for name in row))
    there = ", ".join(str(name)[:40] for name in shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
    if any(ANSWERS & row.keys() and "model_patch" not in row for row in rows):
        answers = ", ".join(sorted(ANSWERS & set(shown)))
        raise BadRecord(
            f"{path}: these are rows of a dataset, with columns such as {answers}; give predictions, whose column "
            "model_patch has what a system submits"
        )
    records = [_record(row) for row in rows]
    if not any("instance_id" in record for record in records):
        raise BadRecord(f"{path}: no record has a column of ids ({IDS}); there are: {there}")
    if not any("model_patch" in record or "model_name_or_path" in record for record in records):
        raise BadRecord(f"{path}: no record has a column of patches ({PATCHES}); there are: {there}")
