"""The Docker engine at DOCKER_HOST: connecting to it and to containers, their owners, folders copied out of images."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import shutil
import socket
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandboxes.base import SandboxError
from sandboxes.processes import process_start

LABEL = "codemonkeys"
_SEND_SECONDS = 45.0
_ADVICE = "start it, or point DOCKER_HOST to one"


def open_engine(timeout: int) -> Any:
    """A client of the engine at DOCKER_HOST, which has answered a ping. Raises SandboxError."""
    import docker
    from docker.errors import DockerException

    engine = None
    try:
        knock()
        engine = docker.from_env(timeout=timeout, max_pool_size=64)
        engine.ping()
        skip_missing_helpers(engine)
    except (DockerException, OSError) as error:
        if engine is not None:
            engine.close()
        raise SandboxError(f"No Docker engine answers ({error}); {_ADVICE}") from error
    return engine


def skip_missing_helpers(engine: Any) -> None:
    """Have a client do without the credential helpers of its configuration that are not installed.

    Docker Desktop leaves one behind when it is removed, and docker-py then fails every build, also of a local image.
    """
    from docker.auth import INDEX_URL
    from docker.utils.config import load_general_config

    config = load_general_config()
    helpers = config.get("credHelpers") or {}
    missing = {name for name in (config.get("credsStore"), *helpers.values()) if name and not _has_helper(name)}
    if not missing:
        return
    # Never empty: docker-py would read the file again.
    kept = {"auths": config.get("auths") or {INDEX_URL: {}}}
    kept["credHelpers"] = {registry: name for registry, name in helpers.items() if name not in missing}
    if config.get("credsStore") not in missing:
        kept["credsStore"] = config.get("credsStore")
    with os.fdopen(os.memfd_create("config.json"), "w") as file:  # Keys in it must not reach the disk.
        json.dump(kept, file)
        file.flush()
        engine.api.reload_config(f"/proc/self/fd/{file.fileno()}")


def _has_helper(name: str) -> bool:
    return shutil.which(f"docker-credential-{name}") is not None


def knock() -> None:
    """Raise OSError if nothing listens on a Unix socket: docker-py would leave its own socket open then."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(address.removeprefix("unix://"))


def unavailable() -> str | None:
    """Why containers cannot be run from here and what to do about it; None if they can."""
    try:
        open_engine(timeout=20).close()
    except SandboxError as error:
        return str(error)
    return None


def remove(engine: Any, container: str) -> None:
    """Kill and remove a container, if it is still there."""
    from docker.errors import DockerException

    # It is gone already, or the engine is removing it: either is fine.
    with contextlib.suppress(DockerException, OSError):
        engine.api.remove_container(container, force=True, v=True)


def ran_out_of_memory(engine: Any, container: str, since: float) -> bool:
    """Whether the kernel has killed processes of a container that ended, for memory, since a moment."""
    from docker.errors import DockerException

    wanted = {"container": container, "event": ["oom", "die"]}
    try:
        # The engine may hear of it a moment after us; it is not waited for if that was long ago.
        events = engine.api.events(since=int(since), until=int(time.time()) + 5, filters=wanted, decode=True)
        with contextlib.closing(events):
            return next((event["Action"] == "oom" for event in events), False)
    except (DockerException, OSError):
        return False


def labels_of(run: str) -> dict[str, str]:
    """Labels that identify a container's owner: run, machine, process id and start time of the process."""
    return {
        f"{LABEL}.run": run,
        f"{LABEL}.host": socket.gethostname(),
        f"{LABEL}.pid": str(os.getpid()),
        f"{LABEL}.started": process_start(os.getpid()),
    }


def orphans(engine: Any) -> list[Any]:
    """Our containers whose owner, a process on this machine, has died."""
    return [found for found in containers(engine) if owner(found["Labels"]) == "dead"]


def containers(engine: Any) -> list[Any]:
    """All our containers on the engine, of any owner, as the engine lists them."""
    found: list[Any] = engine.api.containers(all=True, filters={"label": f"{LABEL}.host"})
    return found


def owner(labels: dict[str, str]) -> str:
    """State of a container's owner: `alive` or `dead` if it is a process of this machine, else `elsewhere`."""
    if labels.get(f"{LABEL}.host") != socket.gethostname():
        return "elsewhere"
    pid, started = labels.get(f"{LABEL}.pid", ""), labels.get(f"{LABEL}.started", "")
    return "dead" if pid.isdigit() and process_start(int(pid)) != started else "alive"


def export_folder(image: str, path: str, destination: Path) -> None:
    """Copy the folder `path` of an image to the new folder `destination` without running anything in the image.

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
    """Extraction filter: strip the top folder and the owner; leave out devices and pipes.

    Symbolic links are kept wherever they point, as repositories contain such links; nothing is written through one.
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


class Stream:
    """The connection to a container's standard streams."""

    def __init__(self, file: Any) -> None:
        self._file = file
        # docker-py gives a file object or, over TLS or SSH, the socket itself.
        self._socket = getattr(file, "_sock", file)
        self._received = bytearray()

    def send(self, data: bytes) -> None:
        self._socket.settimeout(_SEND_SECONDS)
        self._socket.sendall(data)

    def silent(self) -> bool:
        """Whether it is open and has nothing to read."""
        try:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN | select.POLLHUP)
            return not self._received and not poll.poll(0)
        except (OSError, ValueError):
            return False

    def read_until(self, last_told: bytes, last_output: bytes, deadline: float) -> tuple[bytes, str]:
        """Read standard output and standard error until both end with these words, or to the end of the stream.

        Raises TimeoutError.
        """
        output, told = bytearray(), bytearray()
        for channel, data in self._frames(deadline):
            kept = output if channel == 1 else told
            kept += data
            if last_told in told and output.endswith(last_output):
                end = told.index(last_told) + len(last_told)
                # Bytes beyond belong to the next read.
                self._received[:0] = _frame(2, bytes(told[end:]))
                del told[end:]
                break
        return bytes(output), told.decode(errors="replace")

    def close(self) -> None:
        for end in (self._socket, self._file):
            end.close()

    def shut(self) -> None:
        """Shut it down while another thread reads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _frames(self, deadline: float) -> Iterator[tuple[int, bytes]]:
        """Yield (channel, bytes) to the end of the stream; channel 1 is standard output, 2 standard error."""
        while True:
            size = int.from_bytes(self._received[4:8], "big") + 8
            if len(self._received) >= max(size, 8):
                channel, data = self._received[0], bytes(self._received[8:size])
                del self._received[:size]
                yield channel, data
                continue
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            more = self._socket.recv(1 << 16)
            if not more:
                return
            self._received += more


def _frame(channel: int, data: bytes) -> bytes:
    return bytes([channel, 0, 0, 0]) + len(data).to_bytes(4, "big") + data if data else b""


class Chunks(io.RawIOBase):
    """A raw stream over an iterator of byte strings."""

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
