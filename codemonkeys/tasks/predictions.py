"""Predictions files, as all tools around SWE-bench read and write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.system.files import write_whole

# Model names become folder names, with "/" replaced.
UNSAFE_NAME = re.compile("[\x00-\x1f\x7f\ud800-\udfff]|^\\.*$")


@dataclass(frozen=True)
class Prediction:
    """What is submitted for one task."""

    instance_id: str
    model_name_or_path: str
    model_patch: str
    """A unified diff against the base commit; empty if there is no answer."""


def log_name(path: Path) -> str:
    """What logs of grading a submission are called by."""
    return path.absolute().name if path.is_dir() else path.stem


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Predictions by instance id, in the order of the file or folder; see `codemonkeys.tasks.submissions` for forms.

    Other keys of a record are ignored; a patch of null counts as empty. Where a form tells no model, its file's name
    stands for it. Raises BadInput if there is no such file, BadRecord for a malformed or repeated record.
    """
    # The forms of other systems; whoever writes predictions needs none of them.
    from codemonkeys.tasks.records import check_id, read_rows
    from codemonkeys.tasks.submissions import name_of, read_submission

    submission = read_submission(path)
    predictions: dict[str, Prediction] = {}
    for where, row in submission.entries:
        if row is None:
            if submission.path.suffix in (".json", ".jsonl"):
                list(read_rows(submission.path))  # says what is wrong with it, and where in the line
            raise BadRecord(f"{where}: not a record of a task and its patch; remove it")
        id = check_id(row.get("instance_id"), where)
        if id in predictions:
            raise BadRecord(f"{where}: a second prediction for {id}; keep one of them")
        default = name_of(submission.path) if "model_patch" in row else None
        model, patch = row.get("model_name_or_path", default), row.get("model_patch", "")
        if not isinstance(model, str) or UNSAFE_NAME.search(model) or len(model) > 200:
            raise BadRecord(f"{where}: model_name_or_path of {id} is {model!r}; give the name of a model or system")
        if not isinstance(patch, str | None):
            raise BadRecord(f"{where}: model_patch of {id} is {type(patch).__name__}, not text")
        try:
            (patch or "").encode("utf-8", "surrogateescape")  # These stand for the bytes of files that are not UTF-8.
        except UnicodeEncodeError:
            raise BadRecord(f"{where}: model_patch of {id} contains half a surrogate pair, which is no text") from None
        predictions[id] = Prediction(id, model, patch or "")
    return predictions


def write_predictions(path: Path, predictions: Mapping[str, Prediction], mode: int = 0o644) -> None:
    """Write a .jsonl file, or a .json file with a dictionary by id, sorted by id: whole or not at all.

    Raises BadInput if the file has another suffix or cannot be written.
    """
    rows = {id: asdict(predictions[id]) for id in sorted(predictions)}
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(row) + "\n" for row in rows.values())
    elif path.suffix == ".json":
        text = json.dumps(rows, indent=2) + "\n"
    else:
        raise BadInput(f"{path}: predictions are written as .jsonl or .json; choose one of these suffixes")
    try:
        write_whole(path, text, mode)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}; choose another path") from None
