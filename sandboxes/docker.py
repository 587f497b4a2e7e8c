"""The `docker` sandbox: containers of any engine that speaks Docker's API (DOCKER_HOST), started ahead of their use."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import defaultdict
from typing import Any

from sandboxes import inside
from sandboxes.base import Backend, Environment, Execution, Limits, Reason, SandboxError, Script
from sandboxes.container import Container, Kind
from sandboxes.engine import LABEL, export_folder, knock, labels_of, open_engine, orphans, remove, unavailable
from sandboxes.guard import Guard
from sandboxes.pool import Pool
from sandboxes.ready import Ready, make_ready

__all__ = ["BACKEND", "DockerSandbox", "export_folder", "unavailable"]

_MOST = 16
"""Containers that wait at most, over all environments, and as many that are kept."""
_CLOSE_SECONDS = 20.0


class DockerSandbox:
    """Runs scripts in containers without network and privileges, whose root is read-only.

    `run` names the user's run in the containers' labels. `reuse` keeps a container for the next script of the same
    patch, if nothing of the last one is left in it; else each script has a fresh one. `ahead` containers wait for each
    environment in use, `idle_seconds` at most. When the engine goes away, calls wait `patience` seconds for it.
    """

    name = "docker"

    def __init__(
        self,
        run: str = "",
        *,
        reuse: bool = False,
        ahead: int = 2,
        idle_seconds: float = 600.0,
        patience: float = 60.0,
    ) -> None:
        self._labels = labels_of(run) | {f"{LABEL}.sandbox": uuid.uuid4().hex}
        self._reuse = reuse
        self._idle_seconds = idle_seconds
        self._patience = patience
        self._lock = threading.Lock()
        self._engine: Any = None
        self._guard: Guard | None = None
        self._ready: dict[tuple[str, str], Ready] = {}
        self._making: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._pool = Pool(self._start, ahead, _MOST)
        self._busy: set[Container] = set()
        self._closed = threading.Event()

    def ensure(self, environment: Environment) -> None:
        """Make sure the engine has the environment's image, pulled if need be, and that it is ready to be run.

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
        self._ready_image(environment)

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script in a container of the environment's image; see `Sandbox.run`."""
        from docker.errors import DockerException

        limits = limits or Limits()
        if environment.image is None:
            return inside.failed(f"environment {environment.name} has no container image")
        if self._closed.is_set():
            return inside.failed("the sandbox was closed")
        if refusal := inside.refusal(script):
            return inside.failed(refusal)
        kind = Kind.of(environment, limits)
        candidate = patch if self._reuse else None
        container = None
        try:
            container = self._pool.take(kind, candidate)
            with self._lock:
                self._busy.add(container)
            if self._closed.is_set():  # too late for `close` to see it
                return inside.failed("the sandbox was closed")
            done = container.run(environment, script, patch, limits)
            if self._reuse and done.reason is not Reason.SANDBOX_FAILED:
                self._put_back(kind, candidate, container)
                container = None
        except (DockerException, SandboxError, OSError) as error:
            done = inside.failed(f"the Docker engine failed: {error}")
        finally:
            if container:
                with self._lock:
                    self._busy.discard(container)
                container.close()
        if self._closed.is_set() and done.reason is Reason.SANDBOX_FAILED:
            return inside.failed("the sandbox was closed", done.output.encode())
        return done

    def close(self) -> None:
        """End and remove all containers; calls in flight return SANDBOX_FAILED."""
        self._closed.set()
        with self._lock:
            busy = tuple(self._busy)
        for container in busy:
            container.interrupt()
        self._pool.close()
        if self._engine is not None:
            self._remove_all()
            self._engine.close()
        if self._guard is not None:
            self._guard.close()

    def reap(self) -> int:
        """Remove containers whose owner, a process on this machine, has died; how many."""
        engine = self.connect()
        found = orphans(engine)
        for container in found:
            remove(engine, container["Id"])
        return len(found)

    def connect(self) -> Any:
        """The engine's client; connects, and reaps, at the first call. Raises SandboxError."""
        from docker.errors import DockerException

        with self._lock:
            if self._engine is not None:
                return self._engine
            if self._closed.is_set():  # nobody would close what is opened now
                raise SandboxError("the sandbox was closed")
            self._engine = open_engine(timeout=120)
            self._guard = Guard(self._labels[f"{LABEL}.sandbox"])
        with contextlib.suppress(DockerException, OSError):
            self.reap()
        return self._engine

    def _start(self, kind: Kind) -> Container:
        """Start a container, also where the engine is away for a while."""
        from docker.errors import DockerException, ImageNotFound

        engine = self.connect()
        end, known = time.monotonic() + self._patience, dict(self._ready)
        while not self._closed.is_set():
            try:
                knock()
                ready = self._ready_image(kind.environment)
                return Container.start(engine, ready, kind, self._labels, once=not self._reuse, wait=self._idle_seconds)
            except ImageNotFound:
                key = (str(kind.environment.image), kind.environment.repository)
                if key not in known:
                    raise
                del known[key]  # somebody removed it: make it again
                self._ready.pop(key, None)
                continue
            except (DockerException, OSError):
                if self._answers() or time.monotonic() > end:
                    raise
            self._closed.wait(0.5)
        raise SandboxError("the sandbox was closed")

    def _answers(self) -> bool:
        from docker.errors import DockerException

        try:
            knock()
            return bool(self._engine.ping())
        except (DockerException, OSError):
            return False

    def _ready_image(self, environment: Environment) -> Ready:
        engine, key = self.connect(), (str(environment.image), environment.repository)
        with self._lock:
            making = self._making[key]
        with making:
            if key not in self._ready:
                self._ready[key] = make_ready(engine, *key)
            return self._ready[key]

    def _put_back(self, kind: Kind, candidate: str | None, container: Container) -> None:
        with self._lock:
            self._busy.discard(container)
        self._pool.give_back(kind, candidate, container)

    def _remove_all(self) -> None:
        """Remove what has not ended by itself, and wait until nothing is left."""
        from docker.errors import DockerException

        filters = {"label": f"{LABEL}.sandbox={self._labels[f'{LABEL}.sandbox']}"}
        end = time.monotonic() + _CLOSE_SECONDS
        with contextlib.suppress(DockerException, OSError):
            while left := self._engine.api.containers(all=True, filters=filters):
                if time.monotonic() > end:
                    return
                for found in left:
                    remove(self._engine, found["Id"])
                time.sleep(0.05)


BACKEND = Backend(DockerSandbox, unavailable, "image")
