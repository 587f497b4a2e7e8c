"""Downloads packages on this machine, so that installing them elsewhere needs no network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system import programs
from codemonkeys.system.variables import variables_without_secrets

PIP_SECONDS = 900
CURRENT_PYTHON = "{}.{}".format(*sys.version_info[:2])
"""Version of the Python that runs this process."""


def download_wheels(
    what: str, requirements: Path, destination: Path, python: str = CURRENT_PYTHON, *, dependencies: bool = False
) -> None:
    """Download the packages of a requirements file for a version of Python; with `dependencies`, theirs as well.

    For another version than the current one only wheels are accepted: source distributions cannot be built for it here.
    `what` is named in messages. Raises EnvironmentFailed with pip's output.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    if not dependencies:
        command.append("--no-deps")
    if python != CURRENT_PYTHON:
        command += ["--only-binary", ":all:", "--python-version", python]
    try:
        code, output = programs.run(
            [*command, "--dest", str(destination), "--requirement", str(requirements)],
            variables_without_secrets(),
            None,
            PIP_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(
            f"{what}: pip took longer than {PIP_SECONDS} s to download its requirements; try later"
        ) from None
    if code:
        raise programs.failure(
            f"{what}: pip could not download its requirements for Python {python}; check that this machine reaches "
            f"the package index (`{sys.executable} -m pip config list`)",
            output,
        )
