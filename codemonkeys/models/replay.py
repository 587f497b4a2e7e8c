"""Recordings: a file of model answers, and the model that replays it.

A recording is JSON Lines: first {"format": "codemonkeys-recording-1"}, then one object per call with task, stage,
sample, turn, text, finish_reason, model, and usage (prompt_tokens, completion_tokens, cache_read_tokens,
cache_write_tokens, or null).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from codemonkeys.errors import BadRecord, MissingRecording
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.tokens import count_tokens
from codemonkeys.system.files import write_whole

FORMAT = "codemonkeys-recording-1"


class ReplayModel:
    """Replays recorded answers for every stage; free of charge."""

    def __init__(self, answers: Mapping[StepKey, Completion], source: str) -> None:
        """`source`: where the answers come from, for error messages."""
        self.name = "replay"
        self.price: Price | None = Price()
        self._answers = answers
        self._source = source

    @classmethod
    def open(cls, path: Path) -> ReplayModel:
        """Read a recording. Raises BadRecord."""
        return cls(read_recording(path), str(path))

    def count_tokens(self, text: str) -> int:
        """Number of tokens in a text, by the cl100k vocabulary."""
        return count_tokens(text)

    async def complete(self, request: Request) -> Completion:
        """Return the recorded answer for the request's step. Raises MissingRecording."""
        answer = self._answers.get(request.key)
        if answer is None:
            raise MissingRecording(
                f"{self._source} has no answer for {request.key}: it was recorded with different settings or another "
                "version. Record it again, or run with a model"
            )
        return answer

    async def close(self) -> None:
        """Nothing to release."""


class Counts(BaseModel):
    """The tokens of a recorded call."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt_tokens: int = Field(0, ge=0)
    completion_tokens: int = Field(0, ge=0)
    cache_read_tokens: int = Field(0, ge=0)
    cache_write_tokens: int = Field(0, ge=0)


class Line(BaseModel):
    """A recorded call: one line of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str
    stage: str
    sample: int = Field(ge=0)
    turn: int = Field(ge=0)
    text: str
    finish_reason: str
    model: str
    usage: Counts | None


def read_recording(path: Path) -> dict[StepKey, Completion]:
    """The answers of a recording by step key. Raises BadRecord with the line number."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise BadRecord(f"{path}: the recording cannot be read: {error.strerror}") from None
    header = parse(lines[0], path, 1)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BadRecord(f'{path}:1: not a recording: the first line must be {{"format": "{FORMAT}"}}')
    answers: dict[StepKey, Completion] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        try:
            call = Line.model_validate(parse(line, path, number))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise BadRecord(f"{path}:{number}: {where}: {first['msg']}") from None
        usage = None if call.usage is None else Usage(**call.usage.model_dump())
        key = StepKey(call.task, call.stage, call.sample, call.turn)
        if key in answers:
            raise BadRecord(f"{path}:{number}: {key} is recorded twice")
        answers[key] = Completion(call.text, call.finish_reason, usage, call.model)
    return answers


def parse(line: bytes, path: Path, number: int) -> Any:
    """Parse one line of JSON. Raises BadRecord."""
    try:
        return json.loads(line)
    except ValueError as error:
        raise BadRecord(f"{path}:{number}: not JSON: {error}") from None


def write_recording(path: Path, calls: Iterable[tuple[StepKey, Completion]]) -> None:
    """Write a recording atomically."""
    rows: list[dict[str, Any]] = [{"format": FORMAT}]
    for key, answer in calls:
        usage = answer.usage
        line = Line(
            task=key.task,
            stage=key.stage,
            sample=key.sample,
            turn=key.turn,
            text=answer.text,
            finish_reason=answer.finish_reason,
            model=answer.model,
            usage=None if usage is None else Counts(**{name: getattr(usage, name) for name in Counts.model_fields}),
        )
        rows.append(line.model_dump())
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))
