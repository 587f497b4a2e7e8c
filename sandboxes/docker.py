"""The `docker` sandbox: a fresh container for every run, on any engine that speaks Docker's API (DOCKER_HOST)."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandboxes import inside
from sandboxes.base import Environment, Execution, Limits, SandboxError, Script

LABEL = "codemonkeys"
_GRACE = 15.0
"""Seconds beyond the limit before we stop from outside what should have stopped by itself."""
_NOBODY = 65534
_ADVICE = "Start it, point DOCKER_HOST to one, or use --sandbox local."


class DockerSandbox:
    """Runs scripts in containers without network and privileges; `run` names the user's run in their labels.

    Process 1 of a container is `inside.pl`, which ends at the time limit: a container ends, and is removed by the
    engine, even if nobody comes back for it. Those that were made but never started go when a later process reaps.
    A script has the user and the (lack of) capabilities of process 1, so it can forge how it ended; but no more than by
    ending so.
    """

    name = "docker"

    def __init__(self, run: str = "") -> None:
        self._run = run
        self._lock = threading.Lock()
        self._engine: Any = None
        self._containers: set[str] = set()
        self._closed = threading.Event()

    def ensure(self, environment: Environment) -> None:
        """Make sure the engine answers and has the environment's image; pulls it if need be.

        Raises SandboxError with what is missing and what to do.
        """
        from docker.errors import DockerException, ImageNotFound

        if environment.image is None:
            raise SandboxError(f"Environment {environment.name} has no container image; use --sandbox local.")
        engine = self.connect()
        try:
            engine.images.get(environment.image)
        except ImageNotFound:
            try:
                engine.images.pull(environment.image)
            except (DockerException, OSError) as error:
                raise SandboxError(
                    f"The Docker engine has no image {environment.image} and cannot pull it ({error}). "
                    "Build or load that image, or use --sandbox local."
                ) from error
        except (DockerException, OSError) as error:
            raise SandboxError(f"The Docker engine failed on image {environment.image}: {error}") from error

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script in a new container of the environment's image; see `Sandbox.run`."""
        from docker.errors import DockerException

        limits = limits or Limits()
        if environment.image is None:
            return inside.failed(f"environment {environment.name} has no container image")
        if self._closed.is_set():
            return inside.failed("the sandbox was closed")
        try:
            engine = self.connect()
            with self._container(engine, environment, script, patch, limits) as container:
                output, told = _watch(engine, container, limits)
        except (DockerException, SandboxError, OSError) as error:
            return inside.failed(f"the Docker engine failed: {error}")
        if self._closed.is_set():
            return inside.failed("the sandbox was closed", output)
        return inside.execution(output, told)

    def close(self) -> None:
        """Remove the containers that still run; calls in flight return SANDBOX_FAILED."""
        self._closed.set()
        with self._lock:
            left = tuple(self._containers)
        for container in left:
            _remove(self._engine, container)
        if self._engine is not None:
            self._engine.close()

    def reap(self) -> int:
        """Remove containers whose owner, a process on this machine, has died; how many."""
        engine = self.connect()
        filters = {"label": f"{LABEL}.host={socket.gethostname()}"}
        count = 0
        for found in engine.api.containers(all=True, filters=filters):
            labels = found["Labels"]
            owner, started = labels.get(f"{LABEL}.pid", ""), labels.get(f"{LABEL}.started", "")
            if owner.isdigit() and _process_start(int(owner)) != started:
                _remove(engine, found["Id"])
                count += 1
        return count

    def connect(self) -> Any:
        """The engine's client; connects, and reaps, at the first call. Raises SandboxError."""
        from docker.errors import DockerException

        with self._lock:
            if self._engine is not None:
                return self._engine
            self._engine = _open_engine(timeout=120)
        with contextlib.suppress(DockerException, OSError):
            self.reap()
        return self._engine

    @contextlib.contextmanager
    def _container(
        self, engine: Any, environment: Environment, script: Script, patch: str | None, limits: Limits
    ) -> Iterator[str]:
        """A container with the script and the patch in it, not started; removed at the end."""
        command = inside.command(environment, script, patch, limits)
        container = create(engine, environment, command, limits, _labels(self._run))
        with self._lock:
            self._containers.add(container)
        try:
            engine.api.put_archive(container, "/", _archive(inside.files(script, patch)))
            yield container
        finally:
            _remove(engine, container)
            with self._lock:
                self._containers.discard(container)


def _open_engine(timeout: int) -> Any:
    """A client of the engine that DOCKER_HOST names, which has answered. Raises SandboxError."""
    import docker
    from docker.errors import DockerException

    engine = None
    try:
        address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        if address.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as first:  # where nobody answers, docker-py leaves its own open
                first.connect(address.removeprefix("unix://"))
        engine = docker.from_env(timeout=timeout, max_pool_size=64)
        engine.ping()
    except (DockerException, OSError) as error:
        if engine is not None:
            engine.close()
        raise SandboxError(f"No Docker engine answers ({error}). {_ADVICE}") from error
    return engine


def unavailable() -> str | None:
    """Why the docker sandbox cannot run on this machine and what to do about it; None if it can."""
    sandbox = DockerSandbox()
    try:
        sandbox.connect()
    except SandboxError as error:
        return str(error)
    finally:
        sandbox.close()
    return None


def create(engine: Any, environment: Environment, command: list[str], limits: Limits, labels: dict[str, str]) -> str:
    """Create a container that can do nothing but compute; returns its id."""
    memory, period, disk = limits.memory_mb << 20, 100_000, limits.disk_mb << 20
    settings = engine.api.create_host_config(
        auto_remove=True,
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mem_limit=memory,
        memswap_limit=memory,
        pids_limit=limits.processes + 1,  # process 1 is ours
        cpu_period=period,
        cpu_quota=int(limits.cpus * period),
        shm_size=disk,
        tmpfs={"/tmp": f"size={disk},mode=1777,exec,nosuid,nodev"},
        ulimits=[{"Name": "fsize", "Soft": disk, "Hard": disk}, {"Name": "core", "Soft": 0, "Hard": 0}],
        log_config={"Type": "none"},
    )
    made = engine.api.create_container(
        environment.image,
        entrypoint=command[:3],
        command=command[3:],
        environment=dict(environment.variables),
        working_dir="/",
        hostname="sandbox",
        user="root",
        labels=labels,
        stdin_open=False,
        host_config=settings,
    )
    return str(made["Id"])


def _watch(engine: Any, container: str, limits: Limits) -> tuple[bytes, str]:
    """Start a container; what its script wrote, at most up to the limit, and what `inside.pl` told."""
    stream = engine.api.attach_socket(container, {"stdout": 1, "stderr": 1, "stream": 1})
    # docker-py gives a file object or, over TLS or SSH, the socket itself.
    connection = getattr(stream, "_sock", stream)
    output, told = bytearray(), bytearray()
    try:
        engine.api.start(container)
        deadline = time.monotonic() + limits.seconds + _GRACE
        for channel, data in _frames(connection, deadline):
            kept, most = (output, limits.output_bytes) if channel == 1 else (told, 1 << 16)
            kept += data[: most - len(kept)]
    except TimeoutError:
        return bytes(output), f"the container did not end by itself {_GRACE:g} s after the time limit"
    finally:
        connection.close()
        stream.close()
    return bytes(output), told.decode(errors="replace")


def _frames(connection: Any, deadline: float) -> Iterator[tuple[int, bytes]]:
    """The frames of an attached stream, until its end: 1 for standard output, 2 for standard error; and bytes."""

    def receive(size: int) -> bytes:
        data = b""
        while len(data) < size:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            more = connection.recv(size - len(data))
            if not more:
                return b""
            data += more
        return data

    while header := receive(8):
        size = int.from_bytes(header[4:], "big")
        yield header[0], receive(size) if size else b""


def _archive(files: dict[str, bytes]) -> bytes:
    """A tar archive of `inside.FOLDER`, owned by nobody: root without capabilities may read it but not write it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo(inside.FOLDER.strip("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        folder.uid = folder.gid = _NOBODY
        archive.addfile(folder)
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{folder.name}/{name}")
            entry.size, entry.mode = len(data), 0o444
            entry.uid = entry.gid = _NOBODY
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _remove(engine: Any, container: str) -> None:
    """Kill and remove a container, if it is still there."""
    from docker.errors import DockerException

    # Gone, or being removed by the engine: either is what we want.
    with contextlib.suppress(DockerException, OSError):
        engine.api.remove_container(container, force=True, v=True)


def _labels(run: str) -> dict[str, str]:
    """The labels by which a container's owner is known: run, machine, process, and when that process started."""
    return {
        f"{LABEL}.run": run,
        f"{LABEL}.host": socket.gethostname(),
        f"{LABEL}.pid": str(os.getpid()),
        f"{LABEL}.started": _process_start(os.getpid()),
    }


def _process_start(pid: int) -> str:
    """When a process started, in the kernel's ticks; with the pid it names a process for good. Empty if it is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def export_folder(image: str, path: str, destination: Path) -> None:
    """Copy the folder `path` of an image to the new folder `destination`, without running anything of the image.

    Raises SandboxError when the image or the folder is missing, or the engine fails.
    """
    from docker.errors import DockerException

    engine = _open_engine(timeout=600)
    container = ""
    try:
        container = engine.api.create_container(image, ["true"], network_disabled=True, labels=_labels("export"))["Id"]
        chunks, _ = engine.api.get_archive(container, path)
        destination.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks)), mode="r|") as archive:
            archive.extractall(destination, filter=_ours)
    except (DockerException, OSError, tarfile.TarError) as error:
        raise SandboxError(f"Cannot copy {path} of image {image} to {destination}: {error}") from error
    finally:
        if container:
            _remove(engine, container)
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


class _Chunks(io.RawIOBase):
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
