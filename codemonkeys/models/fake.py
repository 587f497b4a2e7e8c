"""A model that is a function: for dry runs and tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from codemonkeys.errors import NoAnswer
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.tokens import count_tokens

FREE = Price()

Answerer = Callable[[Request], str]


class FakeModel:
    """Answers by calling a function; equal requests get equal answers as long as the function sees to it."""

    def __init__(self, answer: Answerer, price: Price | None = FREE, name: str = "fake") -> None:
        self.name = name
        self.price = price
        self._answer = answer

    def count_tokens(self, text: str) -> int:
        """Tokens of a text by the cl100k vocabulary."""
        return count_tokens(text)

    async def complete(self, request: Request) -> Completion:
        """Answer one request. Raises NoAnswer for a blank answer, and whatever the function raises."""
        text = self._answer(request)
        if not text.strip():
            raise NoAnswer(f"{request.key}: {self.name} answered without text")
        prompt = sum(self.count_tokens(message.content) for message in request.messages)
        return Completion(text, "stop", Usage(prompt, self.count_tokens(text)), self.name)

    async def close(self) -> None:
        """Nothing to release."""


def scripted(rules: Sequence[tuple[str, str]]) -> Answerer:
    """Answers with the text of the first rule whose regular expression is found in the messages, else with nothing."""
    compiled = [(re.compile(pattern, re.S), text) for pattern, text in rules]

    def answer(request: Request) -> str:
        said = "\n".join(message.content for message in request.messages)
        return next((text for pattern, text in compiled if pattern.search(said)), "")

    return answer
