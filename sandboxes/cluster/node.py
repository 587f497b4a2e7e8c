"""The agent of a node: an actor that owns the environments and the sandbox of one machine of the cluster."""

from __future__ import annotations

import importlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any, TypeGuard, TypeVar

from sandboxes import inside
from sandboxes.base import Backend, Environment, ImageSandbox, Limits, Sandbox, SandboxError, Script
from sandboxes.cluster.holding import Holding, default_home
from sandboxes.cluster.messages import Done, Facts, NodeSettings, Order, Source, Unknown, difference, result_of
from sandboxes.cluster.texts import Kept, Key, Ref
from sandboxes.layers import EMPTY, Layer
from sandboxes.sessions import SessionSandbox

T = TypeVar("T")
_KEY = "_API_KEY"
"""Ends the names of variables with keys of providers."""


class NodeAgent:
    """Carries out what the driver sends. Thread-safe: its methods are called in threads of their own."""

    def __init__(self, settings: NodeSettings, cores: int, memory_mb: int) -> None:
        """`cores`, `memory_mb`: what Ray has of this node."""
        self._settings = settings
        self._cores, self._memory_mb = settings.cores or cores, settings.memory_mb or memory_mb
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._closed = False
        self._environments: dict[str, Environment] = {}
        self._busy: Counter[str] = Counter()
        """What is under way in them."""
        self._holding = Holding(default_home(), settings)
        self._texts: Kept[str] = Kept()
        self._layers: Kept[Layer] = Kept()

    def start(self) -> Facts:
        """Open the sandbox underneath, if it can be used here."""
        return self.probe()

    def probe(self) -> Facts:
        """Try whether the sandbox can be used."""
        backend: Backend = importlib.import_module(f"sandboxes.{self._settings.underneath}").BACKEND
        trouble = backend.unavailable() or ""
        with self._lock:
            if not trouble and self._sandbox is None and not self._closed:
                self._sandbox = backend.open(self._settings.run, reuse=self._settings.reuse)
        return replace(self.facts(), trouble=trouble, probed=True)

    def facts(self) -> Facts:
        """What the node is and has."""
        return Facts(
            cores=self._cores,
            memory_mb=self._memory_mb,
            disk_free_mb=self._holding.free_mb(),
            version=version("codemonkeys"),
            held=self._holding.sizes(),
            keys=tuple(sorted(name for name in os.environ if name.endswith(_KEY) and os.environ[name])),
        )

    def hold(self, source: Source) -> float | None:
        """Make an environment ready; returns its size in MiB, or None: its files have to be sent first, by `receive`.

        Raises SandboxError.
        """
        sandbox = self._underneath()
        if (environment := self._holding.find(source)) is None:
            return None
        sandbox.ensure(environment)
        with self._lock:
            self._environments[source.environment.name] = environment
        return self._holding.size_mb(source.environment)

    def receive(self, environment: Environment, number: int, piece: bytes) -> None:
        """Take a piece of an environment's files; they come in order. Raises SandboxError."""
        self._holding.receive(environment, number, piece)

    def received(self, environment: Environment, size: int) -> None:
        """All pieces have come, of so many bytes together. Raises SandboxError."""
        self._holding.received(environment, size)

    def forget(self, name: str) -> None:
        """Give up an environment that is being received."""
        self._holding.forget(name)

    def evict(self, name: str) -> None:
        """Remove an environment that was sent here; it stays if something has come to use it meanwhile."""
        with self._lock:
            if self._busy[name]:
                return
            environment = self._environments.pop(name, None)
        if environment is not None and environment.image is not None:
            self.release(environment.image)
        self._holding.evict(name)

    def carry_out(self, order: Order, texts: dict[bytes, str], layers: tuple[Layer, ...] = ()) -> Done | Unknown:
        """Run a script or a command. `texts`, `layers`: what comes with it, to be kept."""
        for key, text in texts.items():
            self._texts.put(key, text, len(text))
        for layer in layers:
            self._layers.put(layer.id, layer, layer.size)
        with self._use(order.environment) as environment:
            return self._carry_out(order, environment)

    @contextmanager
    def _use(self, name: str) -> Iterator[Environment | None]:
        """The environment of this name, if it is here; it stays for as long as the block takes."""
        with self._lock:
            self._busy[name] += 1
            environment = self._environments.get(name)
        try:
            yield environment
        finally:
            with self._lock:
                self._busy[name] -= 1

    def _carry_out(self, order: Order, environment: Environment | None) -> Done | Unknown:
        before = self._layer(order.layer)
        missing: list[Key] = [given.hash for given in (order.script, order.patch) if self._lacks(given)]
        if order.layer is not None and before is None:
            missing.append(order.layer)
        if environment is None or missing:
            return Unknown(tuple(missing), environment is None)
        script, patch = self._text(order.script), self._text(order.patch)
        assert script is not None
        there = replace(environment, repository=order.repository, variables=order.variables, activate=order.activate)
        program = Script(script, order.script_name, order.command)
        try:
            return self._run(there, program, patch, Limits(*order.limits), before)
        except Exception as error:  # such as a full disk: it counts against this node like its sandbox's own
            return Done(result_of(inside.unforeseen(error)))

    def _run(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, before: Layer | None
    ) -> Done:
        sandbox = self._underneath()
        if before is None:
            return Done(result_of(sandbox.run(environment, script, patch, limits)))
        assert isinstance(sandbox, SessionSandbox)
        step = sandbox.step(environment, script, before, limits)
        if step.layer.id == before.id:
            return Done(result_of(step.execution), None, step.dropped)
        self._layers.put(step.layer.id, step.layer, step.layer.size)
        return Done(result_of(step.execution), difference(before, step.layer), step.dropped)

    def _text(self, given: str | Ref | None) -> str | None:
        return self._texts.get(given.hash) if isinstance(given, Ref) else given

    def _lacks(self, given: str | Ref | None) -> TypeGuard[Ref]:
        return isinstance(given, Ref) and self._texts.get(given.hash) is None

    def _layer(self, id: str | None) -> Layer | None:
        return EMPTY if id == EMPTY.id else None if id is None else self._layers.get(id)

    def _underneath(self) -> Sandbox:
        if self._sandbox is None:
            raise SandboxError("the sandbox was closed" if self._closed else "no sandbox is open on this node")
        return self._sandbox

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function on this node."""
        return function(*arguments)

    def call_in(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function; the environment of this name among the arguments is given as it lies here.

        Raises SandboxError if it does not.
        """
        with self._use(name) as held:
            if held is None:
                raise SandboxError(f"environment {name} is no longer on this node")
            given = (held if isinstance(one, Environment) and one.name == name else one for one in arguments)
            return function(*given)

    def release(self, image: str) -> None:
        """Give up what is ready in an image; see `ImageSandbox.release`."""
        if isinstance(self._sandbox, ImageSandbox):
            self._sandbox.release(image)

    def close(self) -> None:
        """End what runs, and remove what is half received."""
        with self._lock:
            self._closed, sandbox = True, self._sandbox
            self._sandbox = None
        if sandbox is not None:
            sandbox.close()
        self._holding.close()
