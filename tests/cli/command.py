"""Calls the command line as a user does: another process, a clean environment."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

LONGEST = 420.0
"""Seconds that a command may take where a test sets no limit: the longest one takes a minute on a machine at rest. Less
than pytest gives a test, whose whole process ends then."""
SERVER = "CODEMONKEYS_TEST_COMMANDS"
"""Environment variable that holds the socket of the fork server; see `fork_server.py` and `conftest.py`."""
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Variables without which libraries begin threads when they are imported: the server is to have none when it forks."""
READ_AT_IMPORT = ("PYTHON", "HF_HOME", "HF_ENDPOINT", "HF_HUB_", "LITELLM_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Beginnings of variables that Python or a library reads when it is imported: these need a process of their own."""


@contextmanager
def fork_server() -> Iterator[None]:
    """A server that `Command` in this process and in those that it starts can reach."""
    program = Path(__file__).with_name("fork_server.py")
    with tempfile.TemporaryDirectory(prefix="codemonkeys-commands-") as folder:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            os.environ[SERVER] = f"{folder}/socket"
            listener.bind(os.environ[SERVER])
            listener.listen(64)
            number = listener.fileno()
            server = subprocess.Popen(
                [sys.executable, str(program), str(number)],
                cwd=folder,
                env=environment(Path(folder), **NO_THREADS),
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            yield
        finally:
            server.kill()
            server.wait()


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The environment of a command: of ours only what finding programs and packages needs."""
    kept = ("PATH", "DOCKER_HOST", "LANG", "TMPDIR")
    ours = {name: value for name, value in os.environ.items() if name in kept or name.startswith(("PIP_", "SSL_"))}
    return {**ours, "HOME": str(home), "CODEMONKEYS_HOME": str(home), "PYTHONWARNINGS": "ignore", **variables}


def codemonkeys(*arguments: str | Path, home: Path, cwd: Path, **variables: str) -> Done:
    """Run `codemonkeys` with arguments to its end."""
    if any(name.startswith(READ_AT_IMPORT) for name in variables):
        return new_process(*arguments, home=home, cwd=cwd, **variables)
    return forked(*arguments, home=home, cwd=cwd, **variables)


def forked(*arguments: str | Path, home: Path, cwd: Path, **variables: str) -> Done:
    """The same as a fork of the fork server, whatever the variables: what was read at import is not read again."""
    command = Command(*arguments, home=home, cwd=cwd, **variables)
    out, err = command.communicate()
    return Done(command.wait(), out, err)


def new_process(*arguments: str | Path, home: Path, cwd: Path, **variables: str) -> Done:
    """The same in a Python process that is started for it, which takes seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "codemonkeys", *map(str, arguments)],
        cwd=cwd,
        env=environment(home, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Command:
    """`codemonkeys` with arguments, started as a fork of the fork server; used as a subprocess.Popen is."""

    def __init__(self, *arguments: str | Path, home: Path, cwd: Path, **variables: str) -> None:
        self._streams = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]
        with open(os.devnull) as nothing:
            streams = [nothing.fileno(), *(stream.fileno() for stream in self._streams)]
            self._start(arguments, environment(home, **variables), cwd, streams)

    @classmethod
    def in_terminal(
        cls, terminal: int, arguments: Sequence[str | Path], home: Path, cwd: Path, variables: Mapping[str, str]
    ) -> Command:
        """One in the foreground of a terminal, given by its descriptor, that no session has yet."""
        command = cls.__new__(cls)
        command._streams = []
        command._start(arguments, environment(home, TERM="xterm", **variables), cwd, [terminal] * 3)
        return command

    def _start(
        self, arguments: Sequence[str | Path], variables: dict[str, str], folder: Path, streams: list[int]
    ) -> None:
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.connect(os.environ[SERVER])
        self._server.settimeout(LONGEST)
        request = {"arguments": list(map(str, arguments)), "environment": variables, "folder": str(folder)}
        socket.send_fds(self._server, [json.dumps(request).encode()], streams)
        self.pid = int(self._server.recv(100))
        self.returncode: int | None = None

    def wait(self, timeout: float = LONGEST) -> int:
        """Its exit code, negative for a signal; raises TimeoutError if it runs for longer than some seconds."""
        if self.returncode is None:
            self._server.settimeout(timeout)
            self.returncode = int(self._server.recv(100))
            self._server.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        try:
            return self.wait(0)
        except BlockingIOError:
            return None

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = LONGEST) -> tuple[str, str]:
        """Wait for its end; what it wrote to standard output and to standard error.

        One that takes longer is killed, and AssertionError tells where it waited.
        """
        try:
            self.wait(timeout)
        except TimeoutError:
            for number in (signal.SIGUSR1, signal.SIGABRT):  # See `fork_server.py`.
                self.send_signal(number)
                time.sleep(5)
            self.kill()
            self.wait()
            raise AssertionError(f"not ended after {timeout:g} s: {self._written()}") from None
        return self._written()

    def _written(self) -> tuple[str, str]:
        written = []
        for stream in self._streams:
            with stream:
                stream.seek(0)
                written.append(stream.read().decode())
        return written[0], written[1]
