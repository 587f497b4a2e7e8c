"""A model whose answers come from a function: the model `fake`, and tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codemonkeys.errors import NoAnswer
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.counting import EXACT
from codemonkeys.models.tokens import count_tokens
from codemonkeys.models.tool_calls import ToolCall, dump_calls

FREE = Price()


@dataclass(frozen=True)
class Called:
    """An answer with calls of tools."""

    calls: tuple[ToolCall, ...]
    text: str = ""
    finish_reason: str = "stop"


Answerer = Callable[[Request], str | Called]


class FakeModel:
    """Answers by calling a function; deterministic if the function is."""

    def __init__(self, answer: Answerer, price: Price | None = FREE, name: str = "fake") -> None:
        self.name = name
        self.price = price
        self.counting = EXACT
        self._answer = answer

    def count_tokens(self, text: str) -> int:
        """Tokens of a text by the cl100k vocabulary."""
        return count_tokens(text)

    async def complete(self, request: Request) -> Completion:
        """Answer one request. Raises NoAnswer for a blank answer, and what the function raises."""
        said = self._answer(request)
        said = Called((), said) if isinstance(said, str) else said
        if not said.text.strip() and not said.calls:
            raise NoAnswer(f"{request.key}: {self.name} answered without text")
        prompt = sum(self.count_tokens(f"{message.content}{message.attached}") for message in request.prompt)
        usage = Usage(prompt, self.count_tokens(f"{said.text}{dump_calls(said.calls) if said.calls else ''}"))
        return Completion(said.text, said.finish_reason, usage, self.name, calls=said.calls)

    async def close(self) -> None:
        """Nothing to release."""


def scripted(rules: Sequence[tuple[str, str]]) -> Answerer:
    """Answers with the text of the first rule whose regular expression matches the messages, else with no text."""
    compiled = [(re.compile(pattern, re.S), text) for pattern, text in rules]

    def answer(request: Request) -> str:
        said = "\n".join(message.content for message in request.messages)
        return next((text for pattern, text in compiled if pattern.search(said)), "")

    return answer
