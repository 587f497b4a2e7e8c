"""The interface of language models to the rest of the system."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

from codemonkeys.keys import StepKey
from codemonkeys.models.parameters import DEFAULT_PARAMETERS, Parameters
from codemonkeys.models.price import Price as Price
from codemonkeys.models.price import Usage as Usage
from codemonkeys.models.tool_calls import Tool, ToolCall


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    thinking: str = ""
    """Of an answer that is sent back: its signed thinking blocks, as JSON."""
    calls: tuple[ToolCall, ...] = ()
    """Of an answer that is sent back: its tool calls."""
    call_id: str = ""
    """Of the result of a tool call: the id of that call."""
    shorter: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """What to say instead once the conversation does not fit into the model's window; None: it stays as it is."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, under which a journal stores it."""
        return hashlib.sha256(self.content.encode("utf-8", "replace")).hexdigest()

    @property
    def attached(self) -> str:
        """What is sent with the content: thinking, and tool calls as JSON."""
        return self.thinking + (json.dumps([call.chat() for call in self.calls]) if self.calls else "")

    def decisive(self) -> tuple[object, ...]:
        """What of a message determines the answer to it, JSON-able; as short as before there was any more to it."""
        more: list[object] = [self.thinking] if self.thinking else []
        if self.calls:
            more.append({"calls": [call.record() for call in self.calls]})
        if self.call_id:
            more.append({"call_id": self.call_id})
        return (self.role, self.content, *more)


def comparable_digest(text: str) -> str:
    """SHA-256 of a message without what it tells of the environment, which differs from machine to machine."""
    told = re.sub(r"<environment (\S+)>\n.*?\n</environment \1>", "", text, flags=re.DOTALL)
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()


class Book(Protocol):
    """Books an attempt that failed."""

    def __call__(self, reason: str, usage: Usage | None = None) -> Awaitable[None]:
        """`reason`: why it failed. `usage`: what the provider counted; without it the upper bound is booked."""
        ...


async def book_nothing(reason: str, usage: Usage | None = None) -> None:
    """Book nothing: for calls that are on nobody's bill."""


@dataclass(frozen=True)
class Request:
    """A complete model call."""

    key: StepKey
    messages: tuple[Message, ...]
    temperature: float = 0.0
    max_tokens: int = 8192
    """Upper bound of the completion, in tokens."""
    cache: bool = False
    """Set prompt-cache breakpoints on the system message and the last two user messages, if the model supports them."""
    cache_hour: bool = False
    """Have what is cached kept for an hour instead of minutes, where that can be asked for."""
    parameters: Parameters = DEFAULT_PARAMETERS
    """Of the model in the role that answers."""
    tools: tuple[Tool, ...] = ()
    """What the model may call."""
    book_attempt: Book = field(default=book_nothing, repr=False, compare=False)
    """To be awaited before a retry if the failed attempt may have been charged; raises if another is not affordable."""
    _hashes: dict[str, str] = field(default_factory=dict[str, str], init=False, repr=False, compare=False)

    @cached_property
    def described_tools(self) -> str:
        """The tools, as JSON; empty without any."""
        return json.dumps([tool.chat() for tool in self.tools]) if self.tools else ""

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All that the model reads, for whoever counts it: the tools, then the messages."""
        return (Message("system", self.described_tools), *self.messages) if self.tools else self.messages

    def hash(self, model: str) -> str:
        """SHA-256 of all that determines the answer: model, messages, temperature, max_tokens, parameters, tools.

        Without parameters, thinking and tools it is what it was before there were any, so that older runs resume.
        """
        if model not in self._hashes:
            messages = [message.decisive() for message in self.messages]
            content: list[object] = [model, messages, self.temperature, self.max_tokens]
            if given := self.parameters.given():
                content.append(json.dumps(given, sort_keys=True))
            if self.tools:
                content.append({"tools": self.described_tools})
            self._hashes[model] = hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()
        return self._hashes[model]


STORED = {"length": "cut"}
"""Finish reasons that are stored under another word. Versions that took a cut answer as whole stored `length`: runs and
recordings of theirs go on as they began."""


def reason_to_store(finish_reason: str) -> str:
    """A finish reason, as journals and recordings have it."""
    return STORED.get(finish_reason, finish_reason)


def reason_stored(stored: str) -> str:
    """What a finish reason of a journal or a recording means."""
    return {"cut": "length", "length": "stop"}.get(stored, stored)


@dataclass(frozen=True)
class Completion:
    """A model's answer."""

    text: str
    finish_reason: str
    """`stop`; `length`: cut, or `broken`: broke off, neither of which is taken as whole; `empty`: without text."""
    usage: Usage | None
    """None if the provider reported none: the call is then charged at its upper bound."""
    model: str
    """The model that answered, as the provider names it."""
    seconds: float = 0.0
    """Latency of the attempt that succeeded."""
    attempts: int = 1
    """Number of attempts, retries included."""
    reasoning: str = ""
    """What the model thought, as far as the provider tells it: kept, but no part of the answer."""
    thinking: str = ""
    """Signed thinking blocks, as JSON, which the provider wants back with the answer."""
    calls: tuple[ToolCall, ...] = ()
    """Tool calls, in the order in which they were written."""


@runtime_checkable
class Model(Protocol):
    """A language model; many calls may be awaited concurrently."""

    name: str
    price: Price | None
    """None if unknown."""

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text: an estimate, good enough for packing and, with a margin, for upper bounds."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Answer one request, retries included.

        Before each retry, `request.book_attempt` is awaited unless the provider certainly did not charge for the
        attempt that failed. Raises what that raises, and ModelError, whose `charged` and `usage` tell of the last
        attempt: MissingKey, UnusableModel, RejectedRequest, PromptTooLong, RetriesExhausted, NoAnswer, FilteredAnswer,
        MissingRecording.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@runtime_checkable
class Remote(Protocol):
    """A model at an address that can be tried before the first call."""

    def check_reach(self) -> None:
        """Raise NothingAnswers if nothing answers there; blocks for seconds."""
        ...


@runtime_checkable
class Parametrised(Protocol):
    """A model that knows which parameters it takes."""

    def check_parameters(self, parameters: Parameters, max_tokens: int) -> None:
        """Raise BadSettings for one that it does not take. `max_tokens`: of an answer."""
        ...


@runtime_checkable
class ToolCalling(Protocol):
    """A model that knows whether it is to be given tools; others are given none unless the settings say so."""

    @property
    def takes_tools(self) -> bool:
        """Whether it has native tool calls, as far as is known."""
        ...

    def check_tools(self) -> None:
        """Raise BadSettings if tools would not reach it."""
        ...


@runtime_checkable
class Recorded(Protocol):
    """A model whose answers are recorded."""

    def has_calls(self, key: StepKey) -> bool:
        """Whether any answer of the conversation of a step has tool calls."""
        ...


@runtime_checkable
class RecordedDecisions(Protocol):
    """A model with what was decided between its recorded answers."""

    def decision(self, task: str, kind: str, at: int) -> Any:
        """The body of a recorded note about a task's waves; None if there is none."""
        ...


@runtime_checkable
class Remarking(Protocol):
    """A model with remarks for the user at the end of a session."""

    def remarks(self) -> list[str]:
        """Sentences for the user; empty if all was as expected."""
        ...
