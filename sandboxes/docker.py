"""The `docker` sandbox: containers, started ahead of use, on any engine with Docker's API (DOCKER_HOST)."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import defaultdict
from typing import Any

from sandboxes import inside
from sandboxes.base import Backend, Environment, Execution, Limits, Reason, SandboxError, Script
from sandboxes.container import Container, Kind, unpacked_layer
from sandboxes.engine import (
    LABEL,
    export_folder,
    knock,
    labels_of,
    open_engine,
    orphans,
    ran_out_of_memory,
    remove,
    unavailable,
)
from sandboxes.guard import Guard
from sandboxes.layers import EMPTY, Layer
from sandboxes.pool import Pool
from sandboxes.ready import Ready, make_ready
from sandboxes.sessions import Session, Step, step_of

__all__ = ["BACKEND", "DockerSandbox", "export_folder", "unavailable"]

_MOST = 16
"""Maximum number of waiting containers over all environments; and, separately, of kept ones."""
_CLOSE_SECONDS = 20.0
_SESSION = "session"
"""Begins what a container that has a session's files is kept for; no patch begins so."""


class DockerSandbox:
    """Runs scripts in containers without network or privileges and with a read-only root.

    `run`: name of the run, for the containers' labels. `reuse`: keep a container for the next script on the same patch
    if the last one left nothing in it; otherwise each script gets a fresh one. `ahead`: containers kept waiting for
    each environment in use, for `idle_seconds` at most. `patience`: seconds to wait for an engine that went away.
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
        """Make sure the engine has the environment's image, pulled if necessary, and a prepared copy of it.

        Raises SandboxError saying what is missing and what to do.
        """
        from docker.errors import DockerException, ImageNotFound

        if environment.image is None:
            raise SandboxError(f"Environment {environment.name} has no container image; use the local sandbox.")
        engine = self.connect()
        try:
            engine.images.get(environment.image)
        except ImageNotFound:
            try:
                engine.images.pull(environment.image)
            except (DockerException, OSError) as error:
                raise SandboxError(
                    f"The Docker engine has no image {environment.image} and cannot pull it ({error}). "
                    "Build or load that image, or use the local sandbox."
                ) from error
        except (DockerException, OSError) as error:
            raise SandboxError(f"The Docker engine failed on image {environment.image}: {error}") from error
        self._ready_image(environment)

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script in a container of the environment's image; see `Sandbox.run`."""
        return self._execute(environment, script, patch, limits or Limits()).execution

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        """Run a command in the container that has the session's files, if there is one; see `SessionSandbox.step`."""
        return self._execute(environment, script, None, limits or Limits(), layer)

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Session:
        """Open a session; see `SessionSandbox.open`."""
        return Session(self, environment, limits or Limits(), layer)

    def _execute(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None = None
    ) -> Step:
        """`layer`: of a command in a session."""
        before = EMPTY if layer is None else layer
        if environment.image is None:
            return Step(inside.failed(f"environment {environment.name} has no container image"), before)
        if self._closed.is_set():
            return Step(inside.failed("the sandbox was closed"), before)
        if refusal := inside.refusal(environment, script, limits):
            return Step(inside.failed(refusal), before)
        kind = Kind.of(environment, limits)
        candidate = patch if self._reuse else None
        if layer is not None:
            candidate = f"{_SESSION} {layer.id}"
        container, began = None, time.time()
        after, dropped = before, ""
        try:
            container = self._pool.take(kind, candidate)
            with self._lock:
                self._busy.add(container)
            if self._closed.is_set():  # `close` did not see this container
                return Step(inside.failed("the sandbox was closed"), before)
            done, changed = container.run(environment, script, patch, limits, layer)
            if layer is not None:
                _, after, dropped = step_of(environment, layer, done, unpacked_layer(changed))
                container.holds, candidate = after.id, f"{_SESSION} {after.id}"
            if (self._reuse or layer is not None) and done.reason is not Reason.SANDBOX_FAILED and not dropped:
                self._put_back(kind, candidate, container)
                container = None
        except Exception as error:  # of the engine, and of texts and environments that cannot be passed on
            done = inside.failed(f"the Docker engine failed: {inside.unforeseen(error).detail}")
        finally:
            if container:
                with self._lock:
                    self._busy.discard(container)
                container.close()
        if done.reason is not Reason.SANDBOX_FAILED:
            return Step(done, after, dropped)
        if self._closed.is_set():
            return Step(inside.failed("the sandbox was closed", done.output.encode()), before)
        if container and ran_out_of_memory(self._engine, container.identity, began):
            # What a script wrote into memory stays when it is killed: process 1 was next.
            done, dropped = Execution(Reason.OUT_OF_MEMORY, output=done.output), "the container ran out of memory"
            return Step(done, before, dropped if layer is not None else "")
        return Step(done, before)

    def release(self, image: str) -> None:
        """Remove the containers that wait for scripts in an image; see `ImageSandbox.release`."""
        with self._lock:
            made = [self._ready.pop(key).image for key in list(self._ready) if key[0] == image]
        self._pool.drop(image)
        for ready in made:
            self._remove_all(ancestor=ready)

    def close(self) -> None:
        """Kill and remove all containers; calls in flight return SANDBOX_FAILED."""
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
        """Remove containers whose owner, a process on this machine, has died; returns their number."""
        engine = self.connect()
        found = orphans(engine)
        for container in found:
            remove(engine, container["Id"])
        return len(found)

    def connect(self) -> Any:
        """The engine's client; the first call connects and reaps. Raises SandboxError."""
        from docker.errors import DockerException

        with self._lock:
            if self._engine is not None:
                return self._engine
            if self._closed.is_set():  # nobody would close a client opened now
                raise SandboxError("the sandbox was closed")
            self._engine = open_engine(timeout=120)
            self._guard = Guard(self._labels[f"{LABEL}.sandbox"])
        with contextlib.suppress(DockerException, OSError):
            self.reap()
        return self._engine

    def _start(self, kind: Kind) -> Container:
        """Start a container, waiting for an engine that is temporarily away."""
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
                del known[key]  # it was removed: prepare the image again
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

    def _remove_all(self, **which: str) -> None:
        """Remove containers that have not exited by themselves, and wait until none is left; `which`: more filters."""
        from docker.errors import DockerException

        filters = {"label": f"{LABEL}.sandbox={self._labels[f'{LABEL}.sandbox']}", **which}
        end = time.monotonic() + _CLOSE_SECONDS
        with contextlib.suppress(DockerException, OSError):
            while left := self._engine.api.containers(all=True, filters=filters):
                if time.monotonic() > end:
                    return
                for found in left:
                    remove(self._engine, found["Id"])
                time.sleep(0.05)


def _open(run: str, reuse: bool = False, **options: Any) -> DockerSandbox:
    return DockerSandbox(run, reuse=reuse)


BACKEND = Backend(_open, unavailable, "image")
