"""The upper bound of a model call's cost, true for a provider whose tokeniser counts more than ours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from codemonkeys.journal.calls import StoredCalls
from codemonkeys.models.base import Message, Model, Price, Request
from codemonkeys.models.counting import CAUTIOUS_RATIO, UNKNOWN, Counted, Counting
from codemonkeys.models.parameters import DEFAULT_PARAMETERS, Parameters
from codemonkeys.settings import OperationSettings

RATIO_MARGIN = 1.25
"""How much more than ever before a provider may count next time, once it has counted more than was expected of it."""
MESSAGE_TOKENS = 16
"""What a message costs beyond its text, in an upper bound."""
LONG = 20_000
"""Characters from which on a text is tokenised in a thread; inline it would block the event loop for milliseconds."""


@dataclass(frozen=True)
class Size:
    """The length of a prompt."""

    tokens: int
    """As we count them."""
    bytes: int
    """In UTF-8: no tokeniser makes more tokens of a text than it has bytes."""


class UpperBounds:
    """Upper bounds of the calls of a run, which rise with what its providers are seen to count.

    They never fall below what is expected before the first answer: a provider may count more in the next one, and what
    is in flight then has been reserved already.
    """

    def __init__(self, calls: StoredCalls, operation: OperationSettings) -> None:
        self._calls, self._operation = calls, operation
        self._sizes: dict[str, Size] = {}
        """Of each message that was measured, by its digest."""
        self._countings: dict[int, Counting] = {}
        """By the identity of a model: asked for in every call, and always the same."""

    async def measure(self, request: Request, model: Model) -> Size:
        """The length of a request's prompt; nothing is counted where neither price nor rate needs it."""
        tokens = size = 0
        if self._price(model) is None and self._operation.limits_of(model.name).tokens_a_minute is None:
            return Size(1, 1)
        for message in request.prompt:
            one = await self.size_of(message, model)
            tokens += one.tokens + MESSAGE_TOKENS
            size += one.bytes + MESSAGE_TOKENS
        return Size(tokens, size)

    async def size_of(self, message: Message, model: Model) -> Size:
        """The length of a message, with the thinking and the tool calls that are sent back."""
        if message.digest not in self._sizes:
            self._sizes[message.digest] = await _measure(model, message.content)
        size = self._sizes[message.digest]
        if attached := message.attached:
            more = await _measure(model, attached)
            size = Size(size.tokens + more.tokens, size.bytes + more.bytes)
        return size

    def of(self, request: Request, model: Model, size: Size) -> float:
        """The most that another attempt of a request can cost now, in US dollars."""
        return self.of_size(model, size, request.max_tokens, request.parameters, request.cache)

    def of_size(
        self,
        model: Model,
        size: Size,
        longest: int,
        parameters: Parameters = DEFAULT_PARAMETERS,
        caches: bool = True,
    ) -> float:
        """The same for a prompt of a size and an answer of at most so many tokens, by what a provider may count."""
        price = self._price(model)
        if price is None:
            return 0.0
        completion = longest
        if self.counting(model).beside:
            completion += parameters.thinking_tokens or longest
        fast = str(parameters.extra_body.get("speed", "")).lower() == "fast"
        prompt = self.prompt_tokens(model, size)
        bound = price.at_most(prompt, completion, parameters.service_tier, caches, fast)
        return bound * self._calls.overrun(model.name)

    def prompt_tokens(self, model: Model, size: Size) -> float:
        """The most tokens that a provider may count in a prompt."""
        counting, seen = self.counting(model), self._calls.token_ratio(model.name)
        ratio = CAUTIOUS_RATIO if counting.ratio is None else counting.ratio
        if seen is not None and seen > ratio:
            ratio = seen * RATIO_MARGIN
        tokens = size.tokens * ratio
        if seen is None and counting.ratio is None:
            tokens = max(tokens, size.bytes)
        return tokens + counting.added

    def counting(self, model: Model) -> Counting:
        """How a model's provider counts: as the settings say, else as is known."""
        if id(model) not in self._countings:
            known = model.counting if isinstance(model, Counted) else UNKNOWN
            limits = self._operation.limits_of(model.name)
            self._countings[id(model)] = known.given(limits.token_ratio, limits.reasoning_beside)
        return self._countings[id(model)]

    @staticmethod
    def _price(model: Model) -> Price | None:
        return None if model.price == Price() else model.price


async def _measure(model: Model, text: str) -> Size:
    tokens = await asyncio.to_thread(model.count_tokens, text) if len(text) > LONG else model.count_tokens(text)
    return Size(tokens, len(text.encode("utf-8", "surrogatepass")))
