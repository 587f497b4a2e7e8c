"""Containers of gradings on the nodes of a cluster, by the container engine of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.grading.containers import ContainerResult, ContainerScript, EngineContainers
from codemonkeys.grading.sandboxed import LIMITS, SANDBOX_ATTEMPTS
from sandboxes.base import Environment, Limits, SandboxError
from sandboxes.nodes import ClusterSandbox


@dataclass(frozen=True)
class NodeContainers:
    """Containers on nodes that have a task's image; `environment` returns its environment, or raises EnvironmentFailed.

    An engine that fails, and a node that is lost, are tried again, as far as possible on another node.
    """

    environment: Callable[[str], Environment]
    sandbox: ClusterSandbox
    limits: Limits = LIMITS

    def run(self, id: str, run: str, script: ContainerScript, isolated: bool) -> ContainerResult:
        """Run a script; see `Containers`."""
        environment = self.environment(id)
        why = ""
        for _ in range(SANDBOX_ATTEMPTS):
            try:
                return self.sandbox.call(environment, self.limits, run_here, environment, run, script, isolated)
            except SandboxError as error:
                why = str(error)
        raise EnvironmentFailed(f"{id}: {why}")

    def stop(self, run: str) -> None:
        """Remove the containers of a run from every node."""
        self.sandbox.call_all(stop_here, run)


def run_here(environment: Environment, run: str, script: ContainerScript, isolated: bool) -> ContainerResult:
    """Run a script on the engine of the machine that this is called on. Raises SandboxError if its engine fails."""
    try:
        return EngineContainers(lambda _: str(environment.image)).run("", run, script, isolated)
    except (EnvironmentFailed, OSError) as error:
        raise SandboxError(str(error)) from error


def stop_here(run: str) -> None:
    """Remove the containers of a run from the engine of the machine that this is called on."""
    EngineContainers(str).stop(run)
