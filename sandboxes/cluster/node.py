"""The agent of a node: an actor that owns the environments and the sandbox of one machine of the cluster."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import socket
import threading
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sandboxes import inside
from sandboxes.base import Backend, Environment, ImageSandbox, Sandbox, SandboxError, Script
from sandboxes.cluster.messages import (
    Difference,
    Done,
    Facts,
    NodeSettings,
    Order,
    Source,
    Unknown,
    difference,
    limits_of,
    packed,
)
from sandboxes.cluster.shipping import Unpacking, boot_id, folder_of, shared, unpacked
from sandboxes.cluster.texts import Kept, Ref
from sandboxes.layers import EMPTY, Layer
from sandboxes.sessions import SessionSandbox


class NodeAgent:
    """Carries out what the driver sends. Thread-safe: its methods are called in threads of their own."""

    def __init__(self, settings: NodeSettings, cores: int, memory_mb: int) -> None:
        """`cores`, `memory_mb`: what Ray has of this node."""
        self._settings = settings
        self._cores, self._memory_mb = settings.cores or cores, settings.memory_mb or memory_mb
        self._home = default_home()
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._trouble = ""
        self._held: dict[str, Environment] = {}
        self._receiving: dict[str, Unpacking] = {}
        self._texts: Kept[str] = Kept()
        self._layers: Kept[Layer] = Kept()
        self._layers.put(EMPTY.id, EMPTY, 0)
        self._executions = 0
        self._last_failure = ""

    def start(self) -> Facts:
        """Open the sandbox underneath, if it can be used here."""
        backend: Backend = importlib.import_module(f"sandboxes.{self._settings.underneath}").BACKEND
        self._trouble = backend.unavailable() or ""
        if not self._trouble and self._sandbox is None:
            self._sandbox = backend.open(self._settings.run, reuse=self._settings.reuse)
        return self.facts()

    def facts(self) -> Facts:
        """What the node is and has."""
        with self._lock:
            held = tuple(self._held)
        return Facts(
            host=socket.gethostname(),
            pid=os.getpid(),
            cores=self._cores,
            memory_mb=self._memory_mb,
            disk_free_mb=self.disk_free_mb(),
            version=version("codemonkeys"),
            python=platform.python_version(),
            boot=boot_id(),
            trouble=self._trouble,
            held=held,
            executions=self._executions,
            last_failure=self._last_failure,
        )

    def disk_free_mb(self) -> int:
        """Free disk for environments."""
        existing = next(parent for parent in (self._home, *self._home.parents) if parent.exists())
        return shutil.disk_usage(existing).free >> 20

    def hold(self, source: Source) -> bool:
        """Make an environment ready; False: its files have to be sent first, by `receive`. Raises SandboxError."""
        environment = source.environment
        if environment.image is None or environment.root or environment.folders:
            folder = folder_of(environment, self._home)
            if not (self._settings.share and shared(source)):
                if not folder.is_dir():
                    return False
                environment = unpacked(environment, folder)
        self._underneath().ensure(environment)
        with self._lock:
            self._held[source.environment.name] = environment
        return True

    def receive(self, environment: Environment, piece: bytes, last: bool) -> None:
        """Take the next piece of an environment's files. Raises SandboxError."""
        with self._lock:
            receiving = self._receiving.get(environment.name)
            if receiving is None:
                receiving = self._receiving[environment.name] = Unpacking(folder_of(environment, self._home))
        try:
            receiving.write(piece)
            if not last:
                return
            receiving.finish()
        except SandboxError:
            self.forget(environment.name)
            raise
        self.forget(environment.name)

    def forget(self, name: str) -> None:
        """Give up an environment that is being received."""
        with self._lock:
            receiving = self._receiving.pop(name, None)
        if receiving is not None:
            receiving.close()

    def carry_out(self, order: Order, texts: dict[bytes, str], layers: tuple[Layer, ...] = ()) -> Done | Unknown:
        """Run a script or a command; `texts` and `layers`: what comes with it, to be kept."""
        for key, text in texts.items():
            self._texts.put(key, text, len(text))
        for layer in layers:
            self._layers.put(layer.id, layer, layer.size)
        with self._lock:
            environment = self._held.get(order.place.name)
        script = self._text(order.script, texts)
        patch = self._text(order.patch, texts)
        before = self._layers.get(order.layer) if isinstance(order.layer, str) else None
        missing = [
            given.hash for given, text in ((order.script, script), (order.patch, patch)) if text is None and given
        ]
        if environment is None or missing or (order.layer is not None and before is None):
            layer_ids = (order.layer,) if isinstance(order.layer, str) and before is None else ()
            return Unknown((*missing, *layer_ids), environment is None)
        assert script is not None
        place = order.place
        environment = replace(
            environment, repository=place.repository, variables=place.variables, activate=place.activate
        )
        done = self._run(environment, Script(script, order.script_name, order.command), patch, order, before)
        self._executions += 1
        if done.execution[5]:
            self._last_failure = done.execution[5]
        return done

    def _run(
        self, environment: Environment, script: Script, patch: str | None, order: Order, before: Layer | None
    ) -> Done:
        limits = limits_of(order.limits)
        try:
            sandbox = self._underneath()
        except SandboxError as error:
            return Done(packed(inside.unforeseen(error)))
        if before is None:
            return Done(packed(sandbox.run(environment, script, patch, limits)))
        assert isinstance(sandbox, SessionSandbox)
        step = sandbox.step(environment, script, before, limits)
        if step.layer.id == before.id:
            return Done(packed(step.execution), None, step.dropped)
        self._layers.put(step.layer.id, step.layer, step.layer.size)
        return Done(packed(step.execution), difference(before, step.layer), step.dropped)

    def _text(self, given: str | Ref | None, texts: dict[bytes, str]) -> str | None:
        if isinstance(given, Ref):
            return texts.get(given.hash) or self._texts.get(given.hash)
        return given

    def _underneath(self) -> Sandbox:
        if self._sandbox is None:
            raise SandboxError(self._trouble or "the agent was not started")
        return self._sandbox

    def release(self, image: str) -> None:
        """Give up what is ready in an image; see `ImageSandbox.release`."""
        if isinstance(self._sandbox, ImageSandbox):
            self._sandbox.release(image)

    def call(self, function: str, *arguments: Any) -> Any:
        """Call `module:function` with this agent, for work beside executions that its caller has placed here."""
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(self, *arguments)

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox underneath. Raises SandboxError."""
        return self._underneath()

    def held(self, name: str) -> Environment | None:
        """An environment as it lies on this node."""
        with self._lock:
            return self._held.get(name)

    def close(self) -> None:
        """End what runs, and remove what is half received."""
        if self._sandbox is not None:
            self._sandbox.close()
        for name in list(self._receiving):
            self.forget(name)


def default_home() -> Path:
    """Where a node keeps environments: CODEMONKEYS_HOME, or the user's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("CODEMONKEYS_HOME")
    return Path(given).expanduser().absolute() if given else user_cache_path("codemonkeys")


__all__ = ["Difference", "NodeAgent"]
