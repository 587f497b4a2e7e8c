"""Fetches packages on this machine, so that what installs them needs no network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.redact import redact
from codemonkeys.system.variables import variables_without_secrets

PIP_SECONDS = 900
TAIL = 4000
HERE = "{}.{}".format(*sys.version_info[:2])
"""The version of the Python that runs us."""


def download_wheels(
    what: str, requirements: Path, destination: Path, python: str = HERE, *, dependencies: bool = False
) -> None:
    """Fetch what a requirements file lists, and with `dependencies` what that needs, for a version of Python.

    For another version than ours only wheels can be taken, as nothing can be built for it here. `what` is named in
    messages. Raises EnvironmentFailed quoting pip.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    if not dependencies:
        command.append("--no-deps")
    if python != HERE:
        command += ["--only-binary", ":all:", "--python-version", python]
    try:
        done = subprocess.run(
            [*command, "--dest", str(destination), "--requirement", str(requirements)],
            env=variables_without_secrets(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PIP_SECONDS,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"{what}: pip did not fetch its requirements in {PIP_SECONDS} s; try later") from None
    if done.returncode:
        raise EnvironmentFailed(
            f"{what}: pip could not fetch its requirements for Python {python}; check that this "
            f"machine reaches its package index (`{sys.executable} -m pip config list`). It said:\n{tail(done.stdout)}"
        )


def tail(text: str) -> str:
    """The end of a program's output, without secrets."""
    return redact(text)[-TAIL:].strip()
