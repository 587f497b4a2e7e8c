"""Runs programs, each in a session of its own, so that Ctrl-C in the terminal does not reach it.

A terminal interrupts its whole foreground process group, but a run that drains still needs its programs. Those that a
`Programs` has started end with it instead.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from pathlib import Path
from threading import Lock
from typing import IO, TypeVar

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.redact import redact, safe_terminal

T = TypeVar("T")

File = int | IO[bytes]

LAST_LINES, LAST_CHARACTERS = 3, 500
"""The end of a program's output that a message quotes."""


class Programs:
    """The programs that one session of a run has running."""

    killed: bool
    """Whether nobody waits for them any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.killed = False

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in this thread; the programs that it runs are of this session."""
        context = copy_context()
        context.run(_OURS.set, self)
        return context.run(function)

    def kill(self) -> None:
        """Kill the programs that run, and from now on each that starts."""
        with self._lock:
            self.killed = True
            for process in self._running:
                kill(process)

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Make a program one of this session."""
        with self._lock:
            self._running.add(process)
            if self.killed:
                kill(process)

    def remove(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a program, which has ended."""
        with self._lock:
            self._running.discard(process)


_OURS: ContextVar[Programs | None] = ContextVar("programs", default=None)
"""What the programs that the current thread starts belong to."""


def killed() -> bool:
    """Whether the programs of the current thread's session have been killed: what it waits for, nobody needs."""
    ours = _OURS.get()
    return ours is not None and ours.killed


@contextmanager
def worker_threads(
    count: int, name: str, *on_interrupt: Callable[[], object]
) -> Iterator[Callable[[Callable[[], T]], Future[T]]]:
    """Threads that an interrupt ends: nothing that queues begins, and the programs that they run are killed.

    Gives a function that submits another one. `on_interrupt` ends what else they wait for.
    """
    ours = Programs()
    with ThreadPoolExecutor(count, name) as pool:
        try:
            yield lambda function: pool.submit(ours.call, function)
        except Exception:
            raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            ours.kill()
            for end in on_interrupt:
                end()
            raise


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None, stdin: File, stdout: File, stderr: File
) -> subprocess.Popen[bytes]:
    """Start a program. Raises OSError if it cannot be run."""
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
    )


def finish(
    process: subprocess.Popen[bytes], stdin: bytes | None = None, seconds: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Wait for a program's end. Raises subprocess.TimeoutExpired; then, and for every other error, it is killed."""
    ours = _OURS.get()
    if ours is not None:
        ours.add(process)
    try:
        with process:
            try:
                stdout, stderr = process.communicate(stdin, seconds)
            except BaseException:
                kill(process)
                raise
    finally:
        if ours is not None:
            ours.remove(process)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout or b"", stderr or b"")


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path | None, seconds: float) -> tuple[int, str]:
    """Run a program without input; its exit code, and its output and error output in one.

    Raises OSError, and subprocess.TimeoutExpired after it was killed.
    """
    process = start(command, environment, folder, subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT)
    done = finish(process, seconds=seconds)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def failure(message: str, output: str) -> EnvironmentFailed:
    """The error of a program that failed: the message, the last lines of what it printed, and all of that apart."""
    output = redact(output).strip()
    lines = [line.strip() for line in safe_terminal(output).splitlines() if line.strip()]
    end = " | ".join(lines[-LAST_LINES:])[-LAST_CHARACTERS:]
    return EnvironmentFailed(f"{message}. It said: {end or 'nothing'}", output)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program of `start` and all that it has started in its session."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
