"""A running container of another program, as the sandbox that keeps its working tree needs it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sandboxes
from codemonkeys.errors import EnvironmentFailed
from sandboxes.base import SandboxError

T = TypeVar("T")

LIBRARY = "/tmp/codemonkeys-library"
"""Where the program that keeps the working tree lies inside."""
MODULES = ("keeper.py", "kept_tree.py")
_FIND_PYTHON = """
for python in python3 python /usr/bin/python3 /usr/local/bin/python3 /opt/miniconda3/bin/python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
        command -v "$python"
        exit
    fi
done
exit 1
"""


class AsyncContainer(Protocol):
    """What the other program offers, in its event loop. Errors of any kind mean that the container failed."""

    async def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a command with the container's own variables; its exit code and output."""
        ...

    async def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        ...

    async def get(self, path: str) -> bytes:
        """Read a file."""
        ...


class ForeignContainer:
    """The container from threads outside of that loop; see `sandboxes.kept.Container`."""

    owned = False
    owner = ""
    library = LIBRARY
    scratch = "/tmp"

    def __init__(self, container: AsyncContainer, loop: asyncio.AbstractEventLoop) -> None:
        """Put our program there. Call it outside of the loop. Raises EnvironmentFailed saying what is missing."""
        self._container, self._loop = container, loop
        code, said = self.exec(["sh", "-c", _FIND_PYTHON], 60)
        if code:
            raise EnvironmentFailed("the container has no Python 3.9 or later, which keeps its working tree")
        self.python = said.strip().splitlines()[-1]
        self.exec(["mkdir", "-p", f"{LIBRARY}/sandboxes"], 60)
        for name in MODULES:
            source = Path(sandboxes.__file__).with_name(name)
            self.put(f"{LIBRARY}/sandboxes/{name}", source.read_bytes())

    def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a command."""
        return self._wait(self._container.exec(words, seconds))

    def interrupt(self) -> None:
        """There is no way to: a command ends by its own limit."""

    def is_abandoned(self, folder: str) -> bool:
        """Nobody can tell."""
        return False

    def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        self._wait(self._container.put(path, content))

    def get(self, path: str) -> bytes:
        """Read a file."""
        return self._wait(self._container.get(path))

    def shell(self, text: str, seconds: float = 600) -> str:
        """The output of a shell command. Raises SandboxError if it fails."""
        code, said = self.exec(["sh", "-c", text], seconds)
        if code:
            raise SandboxError(f"`{shlex.quote(text.strip())[:200]}` failed in the container: {said.strip()[-500:]}")
        return said

    def _wait(self, doing: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(doing, self._loop).result()
        except Exception as error:  # whatever another program raises
            raise SandboxError(f"the container failed: {type(error).__name__}: {error}") from error
