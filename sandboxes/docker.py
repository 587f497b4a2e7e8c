"""The `docker` sandbox: a fresh container for every run, on any engine that speaks Docker's API (DOCKER_HOST)."""

from __future__ import annotations

import contextlib
import io
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from sandboxes import inside
from sandboxes.base import Environment, Execution, Limits, SandboxError, Script
from sandboxes.engine import LABEL, export_folder, labels_of, open_engine, process_start, remove, unavailable

__all__ = ["DockerSandbox", "create", "export_folder", "unavailable"]

_GRACE = 15.0
"""Seconds beyond the limit before we stop from outside what should have stopped by itself."""
_NOBODY = 65534


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
        if refusal := inside.refusal(script):
            return inside.failed(refusal)
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
            remove(self._engine, container)
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
            if owner.isdigit() and process_start(int(owner)) != started:
                remove(engine, found["Id"])
                count += 1
        return count

    def connect(self) -> Any:
        """The engine's client; connects, and reaps, at the first call. Raises SandboxError."""
        from docker.errors import DockerException

        with self._lock:
            if self._engine is not None:
                return self._engine
            self._engine = open_engine(timeout=120)
        with contextlib.suppress(DockerException, OSError):
            self.reap()
        return self._engine

    @contextlib.contextmanager
    def _container(
        self, engine: Any, environment: Environment, script: Script, patch: str | None, limits: Limits
    ) -> Iterator[str]:
        """A container with the script and the patch in it, not started; removed at the end."""
        command = inside.command(environment, script, patch, limits)
        container = create(engine, environment, command, limits, labels_of(self._run))
        with self._lock:
            self._containers.add(container)
        try:
            engine.api.put_archive(container, "/", _archive(inside.files(script, patch)))
            yield container
        finally:
            remove(engine, container)
            with self._lock:
                self._containers.discard(container)


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
