"""A pseudo terminal with a command in it, as a user sits at one."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cli.command import LONGEST, Command

CTRL_C = b"\x03"
COLUMNS, LINES = 80, 24


class Terminal:
    """Runs one command in its foreground; reads all that it shows."""

    def __init__(
        self, arguments: Sequence[str | Path], home: Path, cwd: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._shown = bytearray()
        try:
            self.command = Command.in_terminal(theirs, arguments, home, cwd, variables or {})
        finally:
            os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:  # no process has it open any more
                return
            self._shown += data

    @property
    def shown(self) -> str:
        """All that was shown so far, control codes included."""
        return self._shown.decode(errors="replace")

    def press(self, keys: bytes) -> None:
        """Press keys; the terminal sends its foreground process group a signal for Ctrl-C."""
        os.write(self._ours, keys)

    def wait(self, timeout: float = LONGEST) -> int:
        """The exit code of the command."""
        code = self.command.wait(timeout)
        self._reader.join(10)
        return code

    def close(self) -> None:
        """Kill the command if it runs, and close the terminal."""
        self.command.kill()
        self.wait()
        os.close(self._ours)
