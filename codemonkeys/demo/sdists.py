"""Downloads source distributions, pinned by hash, from the package index that pip is configured for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system import programs

STAND_IN = Path(__file__).parent / "stand_in"
SECONDS = 300


@dataclass(frozen=True)
class Sdist:
    """A source distribution of one release."""

    name: str
    version: str
    sha256: str


def download(sdist: Sdist, folder: Path) -> Path:
    """Download a source distribution into an empty folder; returns its path, verified against the hash.

    Raises EnvironmentFailed if the index cannot be reached, lacks the release, or serves different content.
    """
    requirement = f"{sdist.name}=={sdist.version}"
    folder.mkdir(parents=True, exist_ok=True)
    # To name its download, pip asks the release's build backend for metadata, which would install the backend and run
    # code of the release. The stand-in backend answers from the metadata that every source distribution includes.
    path = os.pathsep.join(filter(None, (str(STAND_IN), os.environ.get("PYTHONPATH"))))
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "2"]
    source_only = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    try:
        code, output = programs.run(
            [*pip, *source_only, "--dest", str(folder), requirement], os.environ | {"PYTHONPATH": path}, folder, SECONDS
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"pip did not download {requirement} within {SECONDS} s; try again later") from None
    if code:
        raise programs.failure(
            f"pip could not download the source of {requirement}; check that this machine reaches its package index "
            f"(`{sys.executable} -m pip config list` shows which)",
            output,
        )
    files = list(folder.glob("*.tar.gz"))
    if len(files) != 1:
        raise EnvironmentFailed(
            f"pip downloaded {len(files)} .tar.gz files for {requirement} to {folder}; expected one"
        )
    found = hashlib.sha256(files[0].read_bytes()).hexdigest()
    if found != sdist.sha256:
        raise EnvironmentFailed(
            f"{files[0].name} from the package index does not match the pinned hash: its SHA-256 is {found}, "
            f"not {sdist.sha256}; use an index that mirrors the original"
        )
    return files[0]
