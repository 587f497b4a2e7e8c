"""What a sandbox of several machines tells of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

from sandboxes.base import ElasticSandbox, Environment, Limits, SandboxError

T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """A machine of a cluster at one moment."""

    id: str
    """Unique in the cluster; executions name it as `Execution.node`."""
    address: str
    """Where it is, for people: a host name or an IP address."""
    sandbox: str
    """The sandbox that runs scripts there, such as `local` or `docker`; empty while that is not known."""
    state: Literal["up", "suspect", "gone"]
    """`suspect`: it does not answer in time, and gets nothing new; `gone`: it left, was given up or cannot be used."""
    cores: float = 0.0
    """CPU cores that executions may take there."""
    memory_mb: int = 0
    """Memory that executions may take there, in MiB."""
    running: int = 0
    """Executions under way."""
    environments: int = 0
    """Environments that are there."""
    disk_free_mb: int | None = None
    """Free disk space where environments lie, in MiB; None while that is not known."""
    failure: str = ""
    """What was last wrong with the machine itself; the failure of an execution is told by the execution."""


@dataclass(frozen=True)
class Cluster:
    """The machines of a sandbox at one moment."""

    address: str
    """Where other programs reach it, HOST:PORT."""
    dashboard: str
    """URL of its own dashboard; empty if it has none."""
    nodes: tuple[Node, ...]


@runtime_checkable
class ClusterSandbox(ElasticSandbox, Protocol):
    """A sandbox that runs scripts on several machines."""

    def cluster(self) -> Cluster:
        """What is known of its machines now. Asks nobody, so that it may be called often."""
        ...

    def call(self, environment: Environment, limits: Limits, function: Callable[..., T], *arguments: object) -> T:
        """Call a function of a module on a machine that has an environment, once an execution with these limits fits.

        The environment among the arguments is given as it lies there. Raises SandboxError if the machine fails, and
        what the function raises.
        """
        ...

    def call_all(self, function: Callable[..., T], *arguments: object) -> dict[str, T | SandboxError]:
        """Call a function of a module on every machine that is up, beside what runs there; results by its id."""
        ...
