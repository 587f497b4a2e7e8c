"""Process 1 of a run in a `local` sandbox: applies the patch, runs the script, and reports how it ended.

What inside.pl does where nothing of ours can run, done here by the process that built the root: it starts no program
but the script's own (and git, for a patch). Standard output, standard error and the report are those of inside.pl. When
the script has ended, every other process of the run is killed and waited for before that is told.

It holds two capabilities, which keep its memory and files out of the script's reach; nothing that it starts has any.
Nothing is imported once the root is entered: files there are not ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from sandboxes import unaccounted, upper
from sandboxes.syscalls import PR_SET_NAME, drop_capabilities, libc

_PIPE_BYTES = 1 << 16
_F_GETPIPE_SZ = 1032
_TICK = 0.05
"""Seconds between two counts of what no control group limits."""
_LONG = 3600.0
_PATIENCE = 2.0
"""Seconds after the time limit when output that nobody reads is given up."""
_KEPT = (1, 8)
"""CAP_DAC_OVERRIDE, CAP_SETPCAP."""
_GIT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}
GONE = b"codemonkeys: gone\n"
"""Ends a report: no other process of the run is left, and all of its output has been written."""
ENDED = b"ended"
"""What the parent is sent then."""


class _Unread(Exception):
    """Nobody reads the output."""


def disguise() -> None:
    """Take the arguments of the process that this one was forked from out of sight: they name paths of the machine."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, b"sandbox", min(7, end - start - 1))
    libc.prctl(PR_SET_NAME, b"sandbox", 0, 0, 0)


def supervise(
    given: Mapping[str, Any], variables: Mapping[str, str], parent: socket.socket, opened: upper.Handed | None
) -> NoReturn:
    """Carry out a run in the root that has been entered.

    `given`: see `make_task` in plans.py. `opened`: folders from which to gather what the patch has changed, if wanted.
    Raises OSError.
    """
    sys.path.clear()
    sys.meta_path.clear()
    drop_capabilities(_KEPT)
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # process 1 does not even get signals that it has no handler for
    started = time.monotonic()
    _enter(given["repository"])
    if given["patch"]:
        said, status = _apply(given)
        if status:
            os.write(1, said[: given["output_bytes"]])
            _finish(parent, started, "patch-failed", 0)
        _enter(given["repository"])
    if opened:
        upper.gather(opened, upper.OUTPUT)
        upper.close(opened)
        os.close(upper.OUTPUT)
    run = _Run(given)
    try:
        ended = run.watch(variables)
    except _Unread:
        _finish(parent, run.started, "timed-out", 0, lost=True)
    _finish(parent, run.started, *ended)


def _enter(repository: str) -> None:
    os.chdir(repository)
    # Without capabilities not even root may write what belongs to another user.
    if not os.access(repository, os.W_OK):
        raise OSError(0, "the repository may not be written", repository)


def _apply(given: Mapping[str, Any]) -> tuple[bytes, int]:
    """Apply the patch; what git said, and its exit status.

    From the folder above, so that git finds no repository and obeys neither its configuration nor its hooks.
    """
    above, _, name = given["repository"].rpartition("/")
    os.chdir(above or "/")
    words = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", f"--directory={name}", given["patch"]]
    read, write = os.pipe()
    child = _spawn(words, {**_GIT, "GIT_CEILING_DIRECTORIES": above or "/"}, write)
    os.close(write)
    said = bytearray()
    while part := os.read(read, _PIPE_BYTES):
        said += part
    os.close(read)
    return bytes(said), os.waitpid(child, 0)[1]


def _start(given: Mapping[str, Any], variables: Mapping[str, str], output: int) -> int:
    """Start the script; returns its process."""
    words = list(given["words"])
    # A file that Bash would read first may change what is found.
    if not given["activate"] and "BASH_ENV" not in variables:
        # As Bash would leave them to the script.
        seen = {"SHLVL": "0", **variables, "PWD": os.getcwd()}
        with contextlib.suppress(OSError):
            return _spawn(words, seen, output)
    # Bash also says what is wrong with a command, and runs a script without a first line.
    return _spawn(["bash", "-c", f'{given["activate"]}\nexec "$@"', "script", *words], dict(variables), output)


def _spawn(words: Sequence[str], variables: dict[str, str], output: int) -> int:
    """Start a program without standard input, found as its variables say. Raises OSError."""
    program = words[0]
    if "/" not in program:
        places = [f"{folder or '.'}/{program}" for folder in variables.get("PATH", "").split(":")]
        program = next((path for path in places if os.path.isfile(path) and os.access(path, os.X_OK)), program)
    variables.setdefault("_", program)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    return os.posix_spawn(program, list(words), variables, file_actions=actions)


class _Run:
    """The script's output and its limits."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self.started = time.monotonic()
        self._deadline = self.started + given["seconds"]
        self._left = given["output_bytes"]
        self._most = given["processes"], given["memory_kb"], given["socket_kb"]
        self._open = True
        # A child may end just before we wait; what the handler of its signal writes is still there.
        self._signals, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._output, self._input = os.pipe()
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        os.set_blocking(1, False)

    def watch(self, variables: Mapping[str, str]) -> tuple[str, int]:
        """Run the script, and pass on its output until it ends or reaches a limit: how, and the exit code or signal.

        Raises _Unread.
        """
        child, status = _start(self._given, variables, self._input), None
        os.close(self._input)
        while status is None:
            status = _reap(child)
            if time.monotonic() >= self._deadline:
                return self._end("timed-out", 0)
            if status is None and (over := unaccounted.over(*self._most)):
                return self._end(over, signal.SIGKILL if over == "killed" else 0)
            if status is None and self._holds(self._deadline - time.monotonic()) and self._pass_on(_PIPE_BYTES):
                return "output-limit", 0
        ended = ("killed", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ("exited", os.WEXITSTATUS(status))
        return self._end(*ended)

    def _end(self, how: str, number: int) -> tuple[str, int]:
        """Pass on what the script has left in the pipe: no more, as other processes may go on writing to it."""
        return ("output-limit", 0) if self._pass_on(fcntl.fcntl(self._output, _F_GETPIPE_SZ)) else (how, number)

    def _holds(self, seconds: float) -> bool:
        """Wait a while for the script to write or a child to end; whether the script wrote."""
        most = _TICK if any(self._most[:2]) else _LONG
        # Not poll, which fails for a process that may open no files: a script can limit this one, of its own user.
        waiting = [self._signals, *([self._output] if self._open else [])]
        ready, _, _ = select.select(waiting, [], [], max(min(seconds, most), 0))
        if self._signals in ready:
            os.read(self._signals, 4096)
        return self._output in ready

    def _pass_on(self, room: int) -> bool:
        """Pass on what the pipe holds, at most `room` bytes; whether the script wrote more than it may."""
        while room > 0 and self._open and self._holds(0):
            data = os.read(self._output, _PIPE_BYTES)
            self._open = bool(data)
            self._write(data[: self._left])
            if len(data) > self._left:
                return True
            self._left -= len(data)
            room -= len(data)
        return False

    def _write(self, data: bytes) -> None:
        while data:
            seconds = self._deadline + _PATIENCE - time.monotonic()
            if seconds <= 0 or not select.select([], [1], [], seconds)[1]:
                raise _Unread
            try:
                data = data[os.write(1, data) :]
            except BlockingIOError:
                continue
            except OSError:  # nobody can read it any more
                return


def _reap(child: int) -> int | None:
    """Wait for all that have ended; the status of this one if it has."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                status = ended[1]
    return status


def _finish(parent: socket.socket, started: float, how: str, number: int, lost: bool = False) -> NoReturn:
    """End every other process of the run, report, and exit."""
    seconds = time.monotonic() - started
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    report = f"\ncodemonkeys: {how} {number} {seconds:.4f} 0{' lost' if lost else ''}\n".encode()
    os.write(2, report + GONE)
    parent.send(ENDED)
    os.close(1)
    os.close(2)
    os._exit(0)


def limit(rlimits: Mapping[str, int]) -> None:
    """Limit what this process and all that it starts may use of each resource."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in rlimits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
