"""This machine as a container of another program."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """The test in an event loop of its own."""

    @wraps(test)
    def run(*arguments: P.args, **more: P.kwargs) -> None:
        asyncio.run(test(*arguments, **more))

    return run


class Machine:
    """Runs commands in a folder of this machine, and remembers them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.begun = asyncio.Event()
        """Set when the first script that the model wrote is about to run."""
        self.broken = False
        """Whether scripts cannot be run any more."""

    async def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
        self.ran.append(" ".join(words))
        if self.broken and "keeper.main('run'" in self.ran[-1]:
            raise RuntimeError("the engine is gone")
        process = await asyncio.create_subprocess_exec(
            *words, cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), seconds)
        return process.returncode or 0, output.decode(errors="replace")

    async def put(self, path: str, content: bytes) -> None:
        if path.endswith("/request") and b"codemonkeys_dry_run" in content:
            self.begun.set()
        Path(path).write_bytes(content)

    async def get(self, path: str) -> bytes:
        return Path(path).read_bytes()
