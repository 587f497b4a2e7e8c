"""Prompt caching across conversations: the first call of a shared prefix goes alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class PrefixGate:
    """Lets the first call of a shared prompt prefix go alone: it writes the provider's cache, the others read it."""

    def __init__(self) -> None:
        self._first = asyncio.Lock()
        self._open = False

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, alone if none has succeeded before. A first call that fails lets the next one be first."""
        if not self._open:
            async with self._first:
                if not self._open:
                    answer = await call()
                    self._open = True
                    return answer
        return await call()
