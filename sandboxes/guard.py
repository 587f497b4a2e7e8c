"""A process that waits for its owner to die and then removes the containers that the owner could not.

Containers end by themselves when their owner does, except those created but not yet started. A guard that was closed
removes nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sandboxes.base import SandboxError
from sandboxes.engine import LABEL, open_engine, remove

_PROGRAM = f"""import sys
if sys.stdin.read():
    sys.exit()
sys.path.append({str(Path(__file__).parent.parent)!r})
from sandboxes.guard import remove_all
remove_all(sys.argv[1])
"""
"""Imports nothing while it waits, to stay as small as possible."""
_VARIABLES = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "SSH_AUTH_SOCK")
"""Environment variables passed on to it; no keys."""
_SECONDS = 60.0
_STILL = 5.0
"""Seconds without a new container after which to stop looking: the engine may still be creating the last one."""


class Guard:
    """The guard of one sandbox, identified by the value of its containers' label."""

    def __init__(self, sandbox: str) -> None:
        variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, sandbox],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables,
            cwd="/",
            start_new_session=True,
        )

    def close(self) -> None:
        """End it without removing anything."""
        self._process.communicate(b"closed")


def remove_all(sandbox: str) -> None:
    """Remove the containers of a sandbox, including those that appear meanwhile; waits for an engine that is away."""
    from docker.errors import DockerException

    end = time.monotonic() + _SECONDS
    quiet = time.monotonic() + _STILL
    while time.monotonic() < min(end, quiet):
        try:
            engine = open_engine(timeout=20)
        except SandboxError:
            quiet = end
        else:
            try:
                for found in engine.api.containers(all=True, filters={"label": f"{LABEL}.sandbox={sandbox}"}):
                    remove(engine, found["Id"])
                    quiet = time.monotonic() + _STILL
            except (DockerException, OSError):
                quiet = end
            finally:
                engine.close()
        time.sleep(0.5)
