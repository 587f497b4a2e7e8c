"""Stopping a run from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable

from codemonkeys.engine.stop import Stop


def test_a_signal_handler_may_abort_while_its_own_thread_begins_to_listen() -> None:
    """It interrupts that thread anywhere, and waited for ever for the lock that this one held."""
    stop, called = Stop(), list[bool]()

    class Interrupted(list[Callable[[], object]]):
        def append(self, callback: Callable[[], object]) -> None:
            super().append(callback)
            stop.abort()

    def listen() -> None:
        with stop.calling(lambda: called.append(True)):
            pass

    stop._on_abort = Interrupted()
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    thread.join(60)
    assert called and not thread.is_alive()
