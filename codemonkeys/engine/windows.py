"""Fits calls into the windows of models. A pure function of the call and of the window that is stored with the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import zip_longest

from codemonkeys.engine.bounds import MESSAGE_TOKENS
from codemonkeys.errors import PromptTooLong
from codemonkeys.models.base import Message, Request
from codemonkeys.models.failures import how_to_shorten
from codemonkeys.models.windows import Window

CAUTION = 2.2
"""How many of a provider's tokens one of ours may come to, at the very worst.

An answer gets more than the least only of what would be left then: most providers refuse what might not fit.
"""
KEPT = 0.5
"""Share of the room for its history that a conversation keeps after a turn that did not fit.

Well below 1, so that the turns after it fit too: they begin as it did, and find that in the provider's cache.
"""

Count = Callable[[Message], Awaitable[int]]
"""Tokens of a message as we count them."""


async def fit(request: Request, window: Window | None, count: Count) -> Request:
    """A call as it fits into a window: old outputs left out of its history, its answer as long as there is room.

    Raises PromptTooLong if it cannot fit.
    """
    if window is None:
        return request
    longest = window.longest(request.max_tokens)
    if window.tokens is None:
        return replace(request, max_tokens=longest)
    messages, caution = request.messages, max(window.margin, CAUTION)
    thinking = request.parameters.thinking_tokens
    # No token is shorter than a byte: most calls fit for certain, without counting.
    tokens = sum(bytes_of(message) + MESSAGE_TOKENS for message in request.prompt)
    if tokens * caution + longest > window.tokens:
        room = window.room(request.max_tokens, thinking)
        tools = sum([await count(message) + MESSAGE_TOKENS for message in request.prompt[: -len(messages)]])
        messages = await shorten(messages, room - tools, count)
        tokens = tools + sum([await count(message) + MESSAGE_TOKENS for message in messages])
        if tokens > room:
            raise PromptTooLong(
                f"{request.key}: not sent: its prompt has about {tokens:,} tokens. The model may count up to "
                f"{window.margin:g} times as many, and takes {window.tokens:,} with the answer: "
                f"{how_to_shorten(request.key.stage)}",
                charged=False,
            )
    left = max(window.least(request.max_tokens, thinking), int(window.tokens - tokens * caution))
    return replace(request, messages=messages, max_tokens=min(longest, left))


async def shorten(messages: Sequence[Message], room: float, count: Count) -> tuple[Message, ...]:
    """A conversation without its oldest outputs, as far as it has to be.

    What an earlier turn left out stays out, so the conversation is gone through from its first turn.
    """
    told: list[Message] = []
    sizes: list[int] = []
    last = 0
    for message, following in zip_longest(messages, messages[1:]):
        last = len(told) if message.role == "assistant" else last
        told.append(message)
        sizes.append(await count(message) + MESSAGE_TOKENS)
        answers_follow = following is None or following.role == "assistant"
        if message.role == "assistant" or not answers_follow or sum(sizes) <= room:
            continue
        kept = sizes[0] + KEPT * (room - sizes[0])
        for at, old in enumerate(told):
            # What the model was told last is what it is to act on: it goes only if nothing else helps.
            if old.shorter is not None and sum(sizes) > (room if at > last else kept):
                told[at] = Message(old.role, old.shorter(), call_id=old.call_id)
                sizes[at] = await count(told[at]) + MESSAGE_TOKENS
    return tuple(told)


def bytes_of(message: Message) -> int:
    """Length of a message in UTF-8, with the thinking and the tool calls that are sent back."""
    return len(f"{message.content}{message.attached}".encode("utf-8", "surrogatepass"))
