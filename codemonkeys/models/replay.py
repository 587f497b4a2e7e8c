"""Recordings: a file of model answers, and the model that replays it.

A recording is JSON lines: first {"format": "codemonkeys-recording-2"}, then an object for each call with task, stage,
sample, turn, text, finish_reason, model, usage (prompt_tokens, completion_tokens, cache_read_tokens,
cache_write_tokens, or null), and messages: SHA-256 of each message of the request, by which a replay detects that it
sends other ones; what a message tells of the environment is left out, as it differs from machine to machine. Format 1
has no messages. Format 3 is written where answers have tool calls: a list of {id, name, arguments, extra}, `extra`
being what the provider wants back with the call. Format 4 is written where a policy decided about waves: besides calls
it has an object for each decision, with task, decided (its kind), at (samples before it) and body.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from codemonkeys.errors import BadRecord, MissingRecording
from codemonkeys.keys import StepKey
from codemonkeys.models.base import (
    Completion,
    Price,
    Request,
    Usage,
    comparable_digest,
    reason_stored,
    reason_to_store,
)
from codemonkeys.models.tokens import count_tokens
from codemonkeys.models.tool_calls import ToolCall
from codemonkeys.stages import base_stage
from codemonkeys.system.files import write_whole

FORMAT = "codemonkeys-recording-2"
WITH_CALLS = "codemonkeys-recording-3"
"""Of recordings with tool calls, which earlier versions cannot read."""
WITH_DECISIONS = "codemonkeys-recording-4"
"""Of recordings with decisions of policies."""
FORMATS = (FORMAT, WITH_CALLS, WITH_DECISIONS, "codemonkeys-recording-1")

DecisionKey = tuple[str, str, int]
"""Task, kind of the decision, and how many samples had ended."""
Digests = Mapping[StepKey, Sequence[str]]
"""SHA-256 of each message of a request, by its step."""


class ReplayModel:
    """Answers every request from a recording; costs nothing."""

    def __init__(
        self,
        answers: Mapping[StepKey, Completion],
        source: str,
        messages: Digests | None = None,
        decisions: Mapping[DecisionKey, Any] | None = None,
    ) -> None:
        """`source`: origin of the answers, for messages. `messages`: digests of the recorded requests, if known.

        `decisions`: what was decided about waves between them.
        """
        self.name = "replay"
        self.price: Price | None = Price()
        self._answers = answers
        self._source = source
        self._messages, self._decisions = messages or {}, decisions or {}
        self._calling = {(key.task, key.stage, key.sample) for key, answer in answers.items() if answer.calls}
        self._differing: Counter[str] = Counter()
        """Number of messages that differ from the recorded ones, by template."""

    @classmethod
    def open(cls, path: Path) -> ReplayModel:
        """Read a recording. Raises BadRecord."""
        lines, decisions = read_lines(path)
        messages = {key: line.messages for key, line in lines.items() if line.messages is not None}
        return cls({key: line.answer for key, line in lines.items()}, str(path), messages, decisions)

    def count_tokens(self, text: str) -> int:
        """Number of tokens in a text, by the cl100k vocabulary."""
        return count_tokens(text)

    def has_calls(self, key: StepKey) -> bool:
        """Whether any answer of the conversation of a step has tool calls."""
        return (key.task, key.stage, key.sample) in self._calling

    def decision(self, task: str, kind: str, at: int) -> Any:
        """The body of a recorded decision about a task's waves; None if there is none."""
        return self._decisions.get((task, kind, at))

    async def complete(self, request: Request) -> Completion:
        """Return the recorded answer for the request's step. Raises MissingRecording."""
        answer = self._answers.get(request.key)
        if answer is None:
            raise MissingRecording(
                f"{self._source} holds no answer for {request.key}: it was recorded with other settings or another "
                "version. Record it again, or run with a model"
            )
        said = [comparable_digest(message.content) for message in request.messages]
        for position, (message, digest) in enumerate(zip_longest(said, self._messages.get(request.key, said))):
            if message is None or message != digest:
                self._differing[template_of(request.key.stage, position)] += 1
        return answer

    def remarks(self) -> list[str]:
        """Remarks for the end of a session: which messages differ from the recorded ones."""
        if not self._differing:
            return []
        listed = ", ".join(f"{name} ({count} times)" for name, count in sorted(self._differing.items()))
        return [
            f"replayed answers were given to other messages than those sent now: {listed} differ from {self._source}. "
            "They show that the prompts can be rendered, not what a model would answer to them"
        ]

    async def close(self) -> None:
        """Nothing to release."""


def template_of(stage: str, position: int) -> str:
    """The template of a message at a position of a conversation."""
    return f"{base_stage(stage)}.{('system', 'user')[position] if position < 2 else 'result'}"


class Counts(BaseModel):
    """The tokens of a recorded call."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt_tokens: int = Field(0, ge=0)
    completion_tokens: int = Field(0, ge=0)
    cache_read_tokens: int = Field(0, ge=0)
    cache_write_tokens: int = Field(0, ge=0)


class Call(BaseModel):
    """A tool call of a recorded answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = Field(default_factory=dict[str, Any])


class Body(BaseModel):
    """What a task got next."""

    model_config = ConfigDict(extra="allow", strict=True)

    decision: Literal["stop", "another wave", "abstain"]
    samples: int = Field(0, ge=0)
    tests: int = Field(0, ge=0)
    parents: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list[int])
    kind: str | None = None
    model: str | None = None
    turns: int | None = None
    votes: int | None = None


class Decided(BaseModel):
    """A recorded decision about a task's waves: one line of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str
    decided: str
    at: int
    body: Body | list[int]

    @property
    def key(self) -> DecisionKey:
        """What it was about."""
        return self.task, self.decided, self.at

    @property
    def plain(self) -> Any:
        """The body as it was noted."""
        return self.body if isinstance(self.body, list) else self.body.model_dump(exclude_unset=True)


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
    messages: list[str] | None = None
    calls: list[Call] | None = None

    @property
    def answer(self) -> Completion:
        """The answer, as a model gives it."""
        usage = None if self.usage is None else Usage(**self.usage.model_dump())
        calls = tuple(ToolCall(**call.model_dump()) for call in self.calls or ())
        return Completion(self.text, reason_stored(self.finish_reason), usage, self.model, calls=calls)


def read_recording(path: Path) -> dict[StepKey, Completion]:
    """Answers of a recording by step. Raises BadRecord naming the line."""
    return {key: line.answer for key, line in read_lines(path)[0].items()}


def read_lines(path: Path) -> tuple[dict[StepKey, Line], dict[DecisionKey, Any]]:
    """Calls of a recording by step, and decisions. Raises BadRecord naming the line."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise BadRecord(f"{path}: the recording cannot be read: {error.strerror}") from None
    header = parse(lines[0], path, 1)
    if not isinstance(header, dict) or header.get("format") not in FORMATS:
        raise BadRecord(f'{path}:1: not a recording: its first line must be {{"format": "{FORMAT}"}}')
    calls: dict[StepKey, Line] = {}
    decisions: dict[DecisionKey, Any] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        try:
            if isinstance(row := parse(line, path, number), dict) and "decided" in row:
                decided = Decided.model_validate(row)
                decisions[decided.key] = decided.plain
                continue
            call = Line.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise BadRecord(f"{path}:{number}: {where}: {first['msg']}") from None
        key = StepKey(call.task, call.stage, call.sample, call.turn)
        if key in calls:
            raise BadRecord(f"{path}:{number}: {key} is recorded twice")
        calls[key] = call
    return calls, decisions


def parse(line: bytes, path: Path, number: int) -> Any:
    """Parse a line as JSON. Raises BadRecord."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{path}:{number}: not JSON: {error}") from None


def write_recording(
    path: Path,
    calls: Iterable[tuple[StepKey, Completion]],
    messages: Digests | None = None,
    decisions: Mapping[DecisionKey, Any] | None = None,
) -> None:
    """Write a recording atomically."""
    rows: list[dict[str, Any]] = []
    for key, answer in calls:
        usage = answer.usage
        line = Line(
            task=key.task,
            stage=key.stage,
            sample=key.sample,
            turn=key.turn,
            text=answer.text,
            finish_reason=reason_to_store(answer.finish_reason),
            model=answer.model,
            usage=None if usage is None else Counts(**{name: getattr(usage, name) for name in Counts.model_fields}),
            messages=list(messages[key]) if messages and key in messages else None,
            calls=[Call(**call.record()) for call in answer.calls] or None,
        )
        left_out = {name for name in ("messages", "calls") if not getattr(line, name)}
        rows.append(line.model_dump(exclude=left_out))
    version = WITH_CALLS if any("calls" in row for row in rows) else FORMAT
    head = {"format": WITH_DECISIONS if decisions else version}
    for (task, kind, at), body in (decisions or {}).items():
        rows.append({"task": task, "decided": kind, "at": at, "body": body})
    write_whole(path, "".join(json.dumps(row) + "\n" for row in [head, *rows]))
