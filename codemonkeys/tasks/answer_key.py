"""What decides whether a patch resolves a task. For evaluation only: nothing that prompts or selects may read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadRecord
from codemonkeys.tasks.records import Record, parse_json
from codemonkeys.tasks.sources import IMAGE_COLUMNS, image_of, read_records

COLUMNS = (
    *("repo", "version", "patch", "test_patch", "FAIL_TO_PASS", "PASS_TO_PASS"),
    *("eval_script", "log_parser", "eval_type", "image_assets", "grading"),
    *IMAGE_COLUMNS,
)


@dataclass(frozen=True)
class AnswerKey:
    """The labels of one task, under the names SWE-bench gives them."""

    instance_id: str
    repo: str
    version: str
    patch: str
    """The reference fix."""
    test_patch: str
    FAIL_TO_PASS: tuple[str, ...]
    PASS_TO_PASS: tuple[str, ...]
    eval_script: str
    """Script that adds the hidden tests, runs them and removes them; empty in datasets older than SWE-bench 5."""
    log_parser: str
    eval_type: str
    image: str
    image_assets: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Binary files that the hidden tests need in addition to their patch."""
    grading: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """What the own way of a data set needs besides; see its format."""


def load_answer_keys(source: str | Path, ids: Sequence[str] | None = None) -> dict[str, AnswerKey]:
    """Answer keys by instance id; same sources, order and errors as `load_tasks`."""
    return {record.id: _answer_key(record) for record in read_records(source, ids, COLUMNS)}


def _answer_key(record: Record) -> AnswerKey:
    assets = _unpacked(record, "image_assets") or {}
    if not isinstance(assets, dict):
        raise BadRecord(f"{record.where}: column 'image_assets' of {record.id} is not an object")
    return AnswerKey(
        instance_id=record.id,
        repo=record.text("repo"),
        version=record.text("version", default=""),
        patch=record.text("patch"),
        test_patch=record.text("test_patch", default=""),
        FAIL_TO_PASS=_names(record, "FAIL_TO_PASS"),
        PASS_TO_PASS=_names(record, "PASS_TO_PASS"),
        eval_script=record.text("eval_script", default=""),
        log_parser=record.text("log_parser", default=""),
        eval_type=record.text("eval_type", default="pass_and_fail"),
        image=image_of(record),
        image_assets=assets,
        grading=_grading(record),
    )


def _grading(record: Record) -> dict[str, Any]:
    told = record.columns.get("grading")
    return told if isinstance(told, dict) else {}


def _names(record: Record, column: str) -> tuple[str, ...]:
    names = _unpacked(record, column) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRecord(f"{record.where}: column {column!r} of {record.id} is not a list of test names")
    return tuple(names)


def _unpacked(record: Record, column: str) -> Any:
    """A column that is published either as JSON or as text that contains JSON."""
    value = record.columns.get(column)
    if not isinstance(value, str) or not value:
        return value
    return parse_json(value, f"{record.where}: column {column!r} of {record.id}")
