"""Coroutines for callers that do not await, and calls from other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def synchronous(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The function for callers that do not await; where an event loop runs, it gets a thread and a loop of its own."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        run = partial(asyncio.run, function(*args, **kwargs))
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run()
        with ThreadPoolExecutor(1, "codemonkeys") as thread:
            return thread.submit(run).result()

    call.__name__ = call.__qualname__ = f"run_{function.__name__}"
    call.__doc__ = f"`{function.__name__}` without `await`; it blocks until it is done."
    return call


def in_this_loop(function: Callable[[T], object]) -> Callable[[T], None]:
    """The function, called in the event loop that runs now, whichever thread asks for it."""
    loop, thread = asyncio.get_running_loop(), threading.get_ident()

    def call(value: T) -> None:
        if threading.get_ident() == thread:
            function(value)
        else:
            loop.call_soon_threadsafe(function, value)

    return call
