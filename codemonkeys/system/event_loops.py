"""Coroutines for callers that do not await."""

from __future__ import annotations

import asyncio
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
