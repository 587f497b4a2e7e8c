"""Logs of inspect: a .eval, which is an archive of JSON files, or one .json; of each sample its id and its patch."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadRecord

NAMES = ("model_patch", "git_patch", "submission")
"""Keys under which solvers and scorers keep a patch. `patch` is not among them: in a sample's metadata it is the
reference fix."""
LARGEST = 512 << 20
"""Maximum bytes of one sample, unpacked."""


def is_log(content: Any) -> bool:
    """Whether a value is a whole log."""
    return isinstance(content, dict) and "eval" in content and isinstance(content.get("samples"), list)


def packed_samples(file: Path) -> Iterator[tuple[str, Any]]:
    """The samples of a .eval, each with its name. Raises BadRecord."""
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not entry.filename.startswith("samples/") or not entry.filename.endswith(".json"):
                    continue
                if entry.file_size > LARGEST:
                    raise BadRecord(f"{file}: {entry.filename} has {entry.file_size:,} bytes, which is too large")
                yield entry.filename, _parsed(archive.read(entry))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadRecord(
            f"{file}: cannot be read as a log of inspect: {error}; write it anew with: inspect log convert --to json"
        ) from None


def log_records(file: Path, samples: Iterable[tuple[object, Any]]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """A record for each sample with its location; None for what is not a sample."""
    for name, sample in samples:
        where = f"{file} sample {name}"
        if not isinstance(sample, dict) or not isinstance(sample.get("id"), str | int):
            yield where, None
            continue
        record: dict[str, Any] = {"instance_id": str(sample["id"]), "model_patch": _patch(sample)}
        output = sample.get("output")
        model = output.get("model") if isinstance(output, dict) else None
        yield where, {**record, "model_name_or_path": model} if isinstance(model, str) else record


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _patch(sample: Mapping[str, Any]) -> Any:
    """What the solver kept in the store or the metadata, or the scorer beside its score."""
    scores = sample.get("scores")
    told = (
        [score.get("metadata") for score in scores.values() if isinstance(score, dict)]
        if isinstance(scores, dict)
        else []
    )
    for place in (sample.get("store"), sample.get("metadata"), *told):
        for key, value in place.items() if isinstance(place, dict) else ():
            # A store's keys have the name of what keeps them in front.
            if key.rpartition(":")[2] in NAMES and isinstance(value, str) and value.strip():
                return value
    return None
