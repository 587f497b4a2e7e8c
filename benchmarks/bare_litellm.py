"""Baseline: sends requests by plain `litellm.acompletion`, in a process with litellm's default configuration.

    python -m benchmarks.bare_litellm < ORDERS

Each order is a line of JSON: the concurrency limit, and a list of keyword arguments for `acompletion`. The reply is a
line with the number of calls, seconds, and CPU seconds over all threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

NO_NETWORK = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
"""Otherwise litellm asks for new prices when it is imported, and reads .env files."""


@dataclass(frozen=True)
class Measured:
    """Measurements of one round of calls."""

    calls: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per call."""
        return 1000 * self.cpu / self.calls


@contextmanager
def bare_litellm() -> Iterator[Callable[[Sequence[dict[str, Any]], int], Measured]]:
    """Start the process; yields a function that sends requests at a given concurrency and measures them."""
    command = [sys.executable, "-m", "benchmarks.bare_litellm"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **NO_NETWORK}
    )
    assert process.stdin is not None and process.stdout is not None
    to_it, from_it = process.stdin, process.stdout

    def measure(requests: Sequence[dict[str, Any]], concurrency: int) -> Measured:
        print(json.dumps([concurrency, requests]), file=to_it, flush=True)
        return Measured(**json.loads(from_it.readline()))

    with process:
        yield measure


async def send(requests: Sequence[dict[str, Any]], concurrency: int) -> Measured:
    """Send the requests at a given concurrency."""
    import litellm

    room = asyncio.Semaphore(concurrency)

    async def one(arguments: dict[str, Any]) -> None:
        async with room:
            await litellm.acompletion(**arguments)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(arguments) for arguments in requests))
    return Measured(len(requests), time.perf_counter() - began, time.process_time() - cpu)


async def main() -> None:
    """Process orders until the input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        concurrency, requests = json.loads(line)
        measured = await send(requests, concurrency)
        print(json.dumps(asdict(measured)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
