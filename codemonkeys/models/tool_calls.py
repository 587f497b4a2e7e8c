"""Native tool calls: what a model is offered, what it calls, and how a call goes back to its provider as history."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from codemonkeys.system.text import valid_text

LONGEST_NAME = 64
UNREADABLE = "unreadable_arguments"
"""Argument under which a call goes back whose own are no JSON object: providers parse them, and refuse the request."""


@dataclass(frozen=True)
class Tool:
    """A function that a model may call."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of its arguments, an object."""

    def __hash__(self) -> int:
        return hash(self.name)

    def chat(self) -> dict[str, Any]:
        """This tool in a request of chat completions."""
        return {"type": "function", "function": self.fields()}

    def fields(self) -> dict[str, Any]:
        """Name, description and parameters, JSON-able."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool in a model's answer."""

    id: str
    """Unique in its answer; the result refers to it."""
    name: str
    arguments: str
    """JSON, as the model wrote it: it may be malformed."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the provider wants back with the call, such as a signature of the thoughts before it."""

    def __hash__(self) -> int:
        return hash(self.id)

    def record(self) -> dict[str, Any]:
        """This call as a journal and a recording have it."""
        extra = {"extra": dict(self.extra)} if self.extra else {}
        return {"id": self.id, "name": self.name, "arguments": self.arguments, **extra}

    def read_arguments(self) -> dict[str, Any]:
        """The arguments. Raises ValueError if they are not a JSON object."""
        try:
            found = json.loads(self.arguments) if self.arguments.strip() else {}
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        return {valid_text(name): mapped(value, valid_text) for name, value in found.items()}

    def sent_arguments(self) -> str:
        """The arguments as they go back to the provider: always a JSON object."""
        try:
            return json.dumps(self.read_arguments())
        except ValueError:
            return json.dumps({UNREADABLE: valid_text(self.arguments)})

    def chat(self) -> dict[str, Any]:
        """This call in a message of chat completions."""
        function = {"name": self.name, "arguments": self.sent_arguments()}
        extra = {"provider_specific_fields": dict(self.extra)} if self.extra else {}
        return {"id": self.id, "type": "function", "function": function, **extra}

    def cleaned(self, clean: Callable[[str], str]) -> ToolCall:
        """This call with all texts of its arguments cleaned; what is signed is dropped if it would have to be."""
        try:
            found = self.read_arguments()
            cleaned = mapped(found, clean)
            arguments = self.arguments if cleaned == found else json.dumps(cleaned)
        except ValueError:
            arguments = self.arguments
        extra = self.extra if mapped(self.extra, clean) == self.extra else {}
        return replace(self, name=clean(self.name), arguments=clean(arguments), extra=extra)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with all of its texts changed."""
    match value:
        case str():
            return change(value)
        case Mapping():
            return {change(name): mapped(inner, change) for name, inner in value.items()}
        case list():
            return [mapped(inner, change) for inner in value]
    return value


def read_calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The tool calls of an answer's message, each with an id of its own and a name that providers take back."""
    listed = message.get("tool_calls")
    calls: list[ToolCall] = []
    for call in listed if isinstance(listed, list) else []:
        if not isinstance(call, Mapping) or not isinstance(function := call.get("function"), Mapping):
            continue
        said = function.get("arguments")
        arguments = said if isinstance(said, str) else json.dumps({} if said is None else said)
        given, taken = call.get("id"), {other.id for other in calls}
        id = given if isinstance(given, str) and given and given not in taken else f"call{len(calls) + 1:05d}"
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", str(function.get("name") or "unnamed"))[:LONGEST_NAME]
        extra = call.get("provider_specific_fields") or function.get("provider_specific_fields")
        calls.append(ToolCall(id, name, arguments, dict(extra) if isinstance(extra, Mapping) else {}))
    return tuple(calls)


def dump_calls(calls: Iterable[ToolCall]) -> str:
    """Calls as JSON."""
    return json.dumps([call.record() for call in calls])


def in_words(calls: Iterable[ToolCall]) -> str:
    """Calls for a reader: each with its arguments, those of several lines as they are."""
    return "\n\n".join(f"{call.name}\n{arguments_in_words(call)}".rstrip() for call in calls)


def arguments_in_words(call: ToolCall) -> str:
    """The arguments of a call, one below the other."""
    try:
        found = call.read_arguments()
    except ValueError:
        return call.arguments
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
    return "\n".join(f"{name}:\n{text}" if "\n" in text else f"{name}: {text}" for name, text in texts.items())


def load_calls(text: str) -> tuple[ToolCall, ...]:
    """The inverse of `dump_calls`; no text is no calls."""
    return tuple(ToolCall(**record) for record in json.loads(text)) if text else ()
