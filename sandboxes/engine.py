"""The Docker engine that DOCKER_HOST names: reaching it, whose containers are whose, folders out of images."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandboxes.base import SandboxError
from sandboxes.processes import process_start

LABEL = "codemonkeys"
_ADVICE = "Start it, point DOCKER_HOST to one, or use --sandbox local."


def open_engine(timeout: int) -> Any:
    """A client of the engine that DOCKER_HOST names, which has answered. Raises SandboxError."""
    import docker
    from docker.errors import DockerException

    engine = None
    try:
        knock()
        engine = docker.from_env(timeout=timeout, max_pool_size=64)
        engine.ping()
    except (DockerException, OSError) as error:
        if engine is not None:
            engine.close()
        raise SandboxError(f"No Docker engine answers ({error}). {_ADVICE}") from error
    return engine


def knock() -> None:
    """Raise OSError where nobody listens; for sockets of this machine, as docker-py leaves its own open there."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(address.removeprefix("unix://"))


def unavailable() -> str | None:
    """Why no container can run on this machine and what to do about it; None if one can."""
    try:
        open_engine(timeout=20).close()
    except SandboxError as error:
        return str(error)
    return None


def remove(engine: Any, container: str) -> None:
    """Kill and remove a container, if it is still there."""
    from docker.errors import DockerException

    # Gone, or being removed by the engine: either is what we want.
    with contextlib.suppress(DockerException, OSError):
        engine.api.remove_container(container, force=True, v=True)


def labels_of(run: str) -> dict[str, str]:
    """The labels by which a container's owner is known: run, machine, process, and when that process started."""
    return {
        f"{LABEL}.run": run,
        f"{LABEL}.host": socket.gethostname(),
        f"{LABEL}.pid": str(os.getpid()),
        f"{LABEL}.started": process_start(os.getpid()),
    }


def orphans(engine: Any) -> list[Any]:
    """Containers of ours whose owner, a process on this machine, has died."""
    return [found for found in containers(engine) if owner(found["Labels"]) == "dead"]


def containers(engine: Any) -> list[Any]:
    """All containers of ours on the engine, as its list tells of them, whoever their owner is."""
    found: list[Any] = engine.api.containers(all=True, filters={"label": f"{LABEL}.host"})
    return found


def owner(labels: dict[str, str]) -> str:
    """Who a container belongs to: `alive` or `dead` for a process of this machine, `elsewhere` for another's."""
    if labels.get(f"{LABEL}.host") != socket.gethostname():
        return "elsewhere"
    pid, started = labels.get(f"{LABEL}.pid", ""), labels.get(f"{LABEL}.started", "")
    return "dead" if pid.isdigit() and process_start(int(pid)) != started else "alive"


def export_folder(image: str, path: str, destination: Path) -> None:
    """Copy the folder `path` of an image to the new folder `destination`, without running anything of the image.

    Raises SandboxError when the image or the folder is missing, or the engine fails.
    """
    from docker.errors import DockerException

    engine = open_engine(timeout=600)
    container = ""
    try:
        container = engine.api.create_container(image, ["true"], network_disabled=True, labels=labels_of("export"))[
            "Id"
        ]
        chunks, _ = engine.api.get_archive(container, path)
        destination.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BufferedReader(Chunks(chunks)), mode="r|") as archive:
            archive.extractall(destination, filter=_ours)
    except (DockerException, OSError, tarfile.TarError) as error:
        raise SandboxError(f"Cannot copy {path} of image {image} to {destination}: {error}") from error
    finally:
        if container:
            remove(engine, container)
        engine.close()


def _ours(entry: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
    """Take a file, folder or link without the archive's top folder, as our own; leave out devices and pipes.

    Symbolic links stay as they are, wherever they point, as a repository may hold such; nothing is written through one.
    """
    if not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
        return None
    name = entry.name.partition("/")[2]
    if not name:
        return None
    target = entry.linkname.partition("/")[2] if entry.islnk() else entry.linkname
    if entry.islnk() and ".." in target.split("/"):
        return None
    renamed = entry.replace(name=name, linkname=target, uid=None, gid=None, uname=None, gname=None)  # type: ignore[arg-type]
    return tarfile.tar_filter(renamed, destination)


class Chunks(io.RawIOBase):
    """A file that reads the byte strings of an iterator."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._chunks, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count
