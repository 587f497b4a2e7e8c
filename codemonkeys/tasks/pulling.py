"""Pulls images: from a mirror of the hub if one is set, and again after a while if a registry is busy."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from codemonkeys.redact import redact
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.build_once import check_room

PULL_BYTES = 8 << 30
"""Free disk space required to pull an image: those of SWE-bench take 2 to 6 GB, plus their layers during the pull."""
MIRROR = "CODEMONKEYS_REGISTRY_MIRROR"
"""Variable with the address of a registry that has what Docker's hub has, such as `mirror.example:5000`."""
WAITS = (5.0, 20.0, 60.0)
"""Seconds before a pull is tried again that a registry, or the way to it, was too busy for."""
_BUSY = re.compile(
    r"toomanyrequests|too many requests|\b429\b|\b503\b|TLS handshake timeout|i/o timeout|unexpected EOF"
    r"|connection reset by peer",
    re.I,
)
_HUB = re.compile(r"(?:docker\.io/|index\.docker\.io/)?((?:[a-z0-9._-]+/)?[a-z0-9._-]+(?::[\w.-]+)?)")


def pull(client: Any, name: str) -> str | None:
    """Pull an image. Returns why it could not be pulled, or None. Raises EnvironmentFailed if the disk is too full."""
    check_engine_room(client, PULL_BYTES)
    mirrored = mirror_name(name, os.environ.get(MIRROR, ""))
    if mirrored is not None and _pull(client, mirrored) is None:
        repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
        client.api.tag(mirrored, repository, tag)
        client.images.remove(mirrored)  # its second name
        return None
    return _pull(client, name)


def mirror_name(name: str, mirror: str) -> str | None:
    """The name under which a mirror of the hub has an image; None without a mirror, or for an image from elsewhere."""
    match = _HUB.fullmatch(name)
    first, slash, _ = match[1].partition("/") if match is not None else ("", "", "")
    if (
        match is None
        or not mirror.strip()
        or name.startswith("sha256:")
        or (slash and ("." in first or first == "localhost"))
    ):
        return None
    return f"{mirror.strip().rstrip('/')}/{match[1] if slash else f'library/{match[1]}'}"


def _pull(client: Any, name: str) -> str | None:
    from docker.errors import DockerException

    for wait in (*WAITS, None):
        try:
            client.images.pull(name)
            return None
        except DockerException as error:
            refused = redact(str(error))
        if wait is None or not _BUSY.search(refused):
            break
        time.sleep(wait)
    return refused


def note_pull(home: Path, image: str, task: str) -> None:
    """Remember that an image was pulled here for a task: what was there before, or was built, is its owner's."""
    write_whole(note_of_pull(home, image), json.dumps({"image": redact(image), "task": task}))


def note_of_pull(home: Path, image: str) -> Path:
    """The file that exists if codemonkeys pulled an image."""
    return home / "images" / "pulled" / f"{key_of(image)}.json"


def key_of(image: str) -> str:
    """A file name for an image's name."""
    return hashlib.sha256(image.encode()).hexdigest()[:24]


def check_engine_room(client: Any, needed: int) -> None:
    """Raise EnvironmentFailed if the engine's disk has fewer than `needed` bytes free; remote disks are not checked."""
    root = engine_disk(client)
    if root is not None:
        check_room(root, needed, "remove images: codemonkeys images clean, docker image prune")


def engine_disk(client: Any) -> Path | None:
    """The folder of this machine that an engine keeps its images in; None if it is on another machine."""
    root = Path(client.info().get("DockerRootDir", ""))
    return root if client.api.base_url.startswith("http+docker") and root.is_absolute() and root.is_dir() else None
