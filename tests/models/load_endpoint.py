"""The load endpoint of the test data: another implementation of the protocol, with faults of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def load_endpoint(program: Path, answers: Path, *faults: str) -> Iterator[str]:
    """It as a process of its own, which listens; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(program), "--port", str(port), "--answers", str(answers), *faults])
    try:
        end = time.monotonic() + 120
        while process.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        # Told to end, it would wait a minute for the requests that it never answers.
        process.kill()
        process.wait(60)
