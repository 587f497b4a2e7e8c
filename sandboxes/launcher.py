"""Starts, asks and ends the process of zygote.py, from which all runs of a `local` sandbox are forked."""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sandboxes.base import Limits, SandboxError
from sandboxes.layers import MOST_BYTES
from sandboxes.supervisor import GONE

_PROGRAM = f"""import sys, types
sys.modules["sandboxes"] = types.ModuleType("sandboxes")
sys.modules["sandboxes"].__path__ = [{str(Path(__file__).parent)!r}]
from sandboxes import zygote
zygote.main(int(sys.argv[1]), sys.argv[2:])
"""
"""Loads nothing of the package that it does not need: a fork takes the longer the more there is to copy."""
_KILLED = 60.0
"""Seconds that killed processes have to disappear: one that waits in the kernel for ever is left to it."""


class Process:
    """A run that waits for its task; `output`, `report` and `layer` are pipes to read to their end afterwards."""

    def __init__(self, plan: int, output: int, report: int, layer: int) -> None:
        self.output, self.report, self.layer = output, report, layer
        self._plan = plan

    def give(self, plan: dict[str, Any]) -> None:
        """Send it its ground, or its task."""
        with contextlib.suppress(BrokenPipeError), open(self._plan, "wb", closefd=False) as given:
            given.write(marshal.dumps(plan))

    def waits(self) -> bool:
        """Whether it still waits for its task, without having failed."""
        return not select.select([self.output, self.report], [], [], 0)[0]

    def stop(self) -> None:
        """Kill every process of the run."""
        if self._plan >= 0:
            os.close(self._plan)
            self._plan = -1

    @property
    def stopped(self) -> bool:
        """Whether its processes have been killed."""
        return self._plan < 0

    def end(self) -> None:
        """Stop it and close its pipes."""
        self.stop()
        for pipe in (self.output, self.report, self.layer):
            os.close(pipe)


def read_all(
    process: Process, limits: Limits, stop: threading.Event, grace: float, gathered: bool
) -> tuple[bytes, str, bytes]:
    """The script's output, up to the limit, the report of `inside.pl`, and what was gathered; all has ended then.

    `grace`: seconds after the time limit when it is stopped from outside; what does not end even then is given up.
    `gathered`: something is, after the end.
    """
    output, report, layer = bytearray(), bytearray(), bytearray()
    deadline, killed = time.monotonic() + limits.seconds + grace, 0.0
    pipes = (process.output, output, limits.output_bytes), (process.report, report, 1 << 16)
    with selectors.DefaultSelector() as selector:
        for pipe, kept, most in (*pipes, (process.layer, layer, 2 * MOST_BYTES)):
            selector.register(pipe, selectors.EVENT_READ, (kept, most))
        while selector.get_map():
            if stop.is_set():
                process.stop()
            elif time.monotonic() > deadline:
                process.stop()
                report[:] = f"the sandbox did not exit by itself {grace:g} s after the time limit".encode()
            if process.stopped:
                killed = killed or time.monotonic()
                if time.monotonic() - killed > _KILLED:
                    break
            # What is left then is the kernel's work on the root, for which nobody needs to wait.
            over = report.endswith(GONE) and not gathered
            ready = selector.select(0 if over else 0.2)
            if over and not ready:
                break
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fileobj)
                kept, most = key.data
                kept += data[: max(most - len(kept), 0)]
    return bytes(output), report.decode(errors="replace"), bytes(layer)


class Launcher:
    """Keeps a process of zygote.py running; starts it at the first run, and again if it has died.

    `groups`: folders from which this process's control groups are removed if it is killed.
    """

    def __init__(self, groups: Iterable[Path] = ()) -> None:
        self._groups = sorted({str(folder) for folder in groups})
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._end: Callable[[], object] = lambda: None

    def start(self, entrances: list[str], ground: dict[str, Any]) -> Process:
        """Start a run in the control group with these `cgroup.procs` files. Raises SandboxError."""
        theirs_plan, ours_plan = os.pipe()
        ours_output, theirs_output = os.pipe()
        ours_report, theirs_report = os.pipe()
        ours_layer, theirs_layer = os.pipe()
        process = Process(ours_plan, ours_output, ours_report, ours_layer)
        theirs = [theirs_plan, theirs_output, theirs_report, theirs_layer]
        try:
            self._send(marshal.dumps(entrances), theirs)
        except OSError as error:
            process.end()
            raise SandboxError(f"the process that starts sandboxes is gone: {error}") from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        process.give(ground)
        return process

    def close(self) -> None:
        """End the process and all that it has started."""
        with self._lock:
            self._end()
            self._socket = None

    def _send(self, request: bytes, descriptors: list[int]) -> None:
        with self._lock:
            if self._socket is not None:
                try:
                    socket.send_fds(self._socket, [request], descriptors)
                    return
                except OSError:  # it was killed
                    self._end()
            self._socket = self._begin()
            socket.send_fds(self._socket, [request], descriptors)

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(os.getpid()), *self._groups],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        # At the latest when this process exits, even if nobody calls `close`.
        self._end = weakref.finalize(self, _end, ours, process)
        return ours


def _end(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    connection.close()
    process.kill()  # its forks die with it
    process.wait()
