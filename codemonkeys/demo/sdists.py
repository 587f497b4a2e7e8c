"""Fetches source distributions from the package index that pip is configured for, each pinned by its hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed

STAND_IN = Path(__file__).parent / "stand_in"
SECONDS = 300


@dataclass(frozen=True)
class Sdist:
    """A source distribution of one release."""

    name: str
    version: str
    sha256: str


def download(sdist: Sdist, folder: Path) -> Path:
    """Fetch a source distribution into an empty folder; returns its file, checked against the hash.

    Raises EnvironmentFailed if the index cannot be reached, lacks the release, or gives other content.
    """
    requirement = f"{sdist.name}=={sdist.version}"
    folder.mkdir(parents=True, exist_ok=True)
    # To name what it fetched, pip asks the release's build backend for metadata; that would first install the backend
    # and then run code of the release. The stand-in answers from the metadata that every source distribution carries.
    path = os.pathsep.join(filter(None, (str(STAND_IN), os.environ.get("PYTHONPATH"))))
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "2"]
    source_only = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    try:
        done = subprocess.run(
            [*pip, *source_only, "--dest", str(folder), requirement],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"pip did not fetch {requirement} within {SECONDS} s; try again later") from None
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if line.startswith("ERROR")) or done.stderr.strip()
        raise EnvironmentFailed(
            f"pip could not fetch the source of {requirement}; check that this machine reaches its package index "
            f"(`{sys.executable} -m pip config list` shows which). pip said:\n{said}"
        )
    files = list(folder.glob("*.tar.gz"))
    if len(files) != 1:
        raise EnvironmentFailed(f"pip fetched {len(files)} files for {requirement} into {folder}, not one .tar.gz")
    found = hashlib.sha256(files[0].read_bytes()).hexdigest()
    if found != sdist.sha256:
        raise EnvironmentFailed(
            f"the package index gave another {files[0].name} than the one pinned here: its SHA-256 is {found}, "
            f"not {sdist.sha256}; use an index that mirrors the original"
        )
    return files[0]
