"""Threads in a number that may grow."""

from __future__ import annotations

import threading

from codemonkeys.engine.threads import Threads


def test_there_are_never_more_threads_than_were_asked_for_and_more_once_more_are() -> None:
    most, names, lock = 2, set[str](), threading.Lock()

    def note() -> str:
        with lock:
            names.add(threading.current_thread().name)
        return threading.current_thread().name

    threads = Threads(lambda: most)
    for _ in range(200):
        threads.submit(note).result()
    assert 1 <= len(names) <= 2
    held = threading.Event()
    waiting = [threads.submit(held.wait, 60) for _ in range(2)]
    most = 3
    assert threads.submit(note).result(60)  # although both of those before wait
    held.set()
    assert all(future.result(60) for future in waiting)
    threads.shutdown()
