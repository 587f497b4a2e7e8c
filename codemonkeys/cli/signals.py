"""Signal handling: Ctrl-C once drains the run, twice aborts it."""

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
    """Run a session in its own event loop; the first SIGINT or SIGTERM drains it, the second aborts it."""

    async def main() -> T:
        stop, loop = Stop(), asyncio.get_running_loop()

        def on_signal() -> None:
            if stop.draining:
                stop.abort()
            else:
                stop.drain()
                notify(
                    note("draining: waiting for calls in flight, whose answers are kept; press Ctrl-C again to abort")
                )

        for number in SIGNALS:
            loop.add_signal_handler(number, on_signal)
        try:
            return await session(stop)
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    return asyncio.run(main())
