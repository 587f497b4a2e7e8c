"""Signals: Ctrl-C once drains the run, twice aborts it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from codemonkeys.engine.events import Notify, note
from codemonkeys.engine.stop import Stop

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_until_stopped(session: Callable[[Stop], Awaitable[T]], notify: Notify) -> T:
    """Run a session in an event loop of its own; SIGINT and SIGTERM stop it."""

    async def main() -> T:
        stop, loop = Stop(), asyncio.get_running_loop()

        def interrupted() -> None:
            if stop.draining:
                stop.abort()
            else:
                stop.drain()
                notify(note("stopping: calls in flight will end and be kept; again to stop at once"))

        for number in SIGNALS:
            loop.add_signal_handler(number, interrupted)
        try:
            return await session(stop)
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    return asyncio.run(main())
