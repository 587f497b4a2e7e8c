"""The `here` sandbox: the container that this process runs in. It isolates little, see `kept.LOST`."""

from __future__ import annotations

import ctypes
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sandboxes import inside
from sandboxes.base import Backend, SandboxError
from sandboxes.kept import LOST, KeptSandbox
from sandboxes.processes import process_start

_PR_SET_DUMPABLE = 4
_PUTTING_BACK = 30.0
"""Seconds that the tree of an owner who was killed has to be put back."""
_TOOLS = {"perl": "perl-base", "bash": "bash", "git": "git", "setpriv": "util-linux"}


class ThisContainer:
    """Where this process runs."""

    owned = True

    def __init__(self) -> None:
        self.library = str(Path(__file__).parent.parent)
        self.python = sys.executable
        self.scratch = os.path.realpath(tempfile.gettempdir())
        self.owner = f"{os.getpid()} {process_start(os.getpid())}"
        self._running: subprocess.Popen[bytes] | None = None

    def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a command without variables; it sees by its standard input when this process has died."""
        # Without start-up files of Python: a script may have written them.
        options = ["-I", "-S"] if words[0] == self.python else []
        with subprocess.Popen(
            [words[0], *options, *words[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": inside.PATH},
            cwd="/",
            start_new_session=True,
        ) as process:
            self._running = process
            try:
                output = _output(process, seconds)
                return process.wait(), output.decode(errors="replace")
            finally:
                self._running = None

    def interrupt(self) -> None:
        """Tell the command that runs now that nobody wants its result."""
        running = self._running
        if running is not None and running.stdin is not None:
            running.stdin.close()

    def is_abandoned(self, folder: str) -> bool:
        """Whether its owner has died; what then is still put back is waited for."""
        if not Path(folder, "owner").exists():
            raise SandboxError(
                f"{folder} names no process that owns it: one may just begin, or was killed as it did. If no other "
                "codemonkeys runs here, remove that folder"
            )
        pid, _, started = self.get(f"{folder}/owner").decode(errors="replace").partition(" ")
        if not pid.isdigit() or process_start(int(pid)) == started:
            return False
        deadline = time.monotonic() + _PUTTING_BACK
        while Path(folder, "running").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        return True

    def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        try:
            Path(path).write_bytes(content)
        except OSError as error:
            raise SandboxError(f"{path} cannot be written: {error}") from error

    def get(self, path: str) -> bytes:
        """Read a file."""
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise SandboxError(f"{path} cannot be read: {error}") from error


def _output(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """What a process writes until it ends. Raises SandboxError if that takes too long."""
    assert process.stdout is not None
    output, deadline = b"", time.monotonic() + seconds
    while True:
        if select.select([process.stdout], [], [], 0.5)[0]:
            if not (read := os.read(process.stdout.fileno(), 1 << 16)):
                return output
            output += read
        elif time.monotonic() > deadline:
            process.kill()
            raise SandboxError(f"{process.args!r:.200} took longer than {seconds:g} s")
        else:
            process.send_signal(signal.SIGCONT)  # a script may have stopped it


def unavailable() -> str | None:
    """Why this container cannot be the sandbox and what to do about it; None if it can."""
    if platform.system() != "Linux":
        return "The sandbox here needs Linux; use the docker sandbox."
    if missing := [tool for tool in _TOOLS if not shutil.which(tool, path=inside.PATH)]:
        packages = " ".join(_TOOLS[tool] for tool in missing)
        return f"The sandbox here needs {', '.join(missing)} (Debian, Ubuntu: apt-get install {packages})."
    return None


def open_here(run: str, **options: object) -> KeptSandbox:
    """Open the sandbox; closes this process's memory and variables, where keys are, to scripts of the same user."""
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return KeptSandbox(ThisContainer(), "here")


BACKEND = Backend(open_here, unavailable, "here", lost=", ".join(LOST))
