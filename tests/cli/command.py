"""Calls the command line as a user does: another process, a clean environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


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
    done = subprocess.run(
        [sys.executable, "-m", "codemonkeys", *map(str, arguments)],
        cwd=cwd,
        env=environment(home, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
