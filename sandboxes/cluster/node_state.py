"""What a driver knows of a node: what it has, what it holds, and what runs on it; and what may start there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sandboxes.cluster.estimates import SIZE_MB

DISK_MARGIN_MB = 2048
"""Disk that stays free beside environments, for what executions write."""
FAILURES = 3
"""Infrastructure failures in a row after which a node gets nothing new until it is known to be well."""
NO_ROOM = (
    f"it gets no environments, as less than {(DISK_MARGIN_MB + SIZE_MB) / 1024:.0f} GiB of disk are free for them: "
    f"{DISK_MARGIN_MB / 1024:.0f} stay free for what scripts write, and an environment counts as {SIZE_MB / 1024:.0f} "
    "until its size is known"
)
"""Why a node gets nothing of which no size is known."""


class Condition(StrEnum):
    """Whether a node can be given work."""

    UP = "up"
    SUSPECT = "suspect"
    """It does not answer, or fails again and again: it gets nothing new, and may come back."""
    GONE = "gone"
    """It never comes back; a node that returns is another one."""


@dataclass(frozen=True)
class Request:
    """What an execution needs of a node."""

    environment: str
    cores: float = 1.0
    """0 to have the environment there and nothing else, as when a task is prepared."""
    memory_mb: int = 0
    node: str | None = None
    """Where a session began: it stays there while the node is up."""


class Start(NamedTuple):
    """A request that may start."""

    ticket: int
    node: str
    fetch: bool = False
    """Bring the environment there first, then tell so by `arrived`; if that fails, by `end`."""
    evict: tuple[str, ...] = ()
    """Environments to remove before, for room; they count as removed."""


@dataclass(eq=False)
class NodeState:
    """A node of the cluster."""

    id: str
    cores: float
    memory_mb: int
    disk_free_mb: float
    """As last measured, less what has been brought there since."""
    environments: dict[str, float] = field(default_factory=dict[str, float])
    """Held, in MiB; the least recently used first."""
    fetching: dict[str, float] = field(default_factory=dict[str, float])
    """On their way, in MiB as far as known."""
    refused: set[str] = field(default_factory=set[str])
    """Environments that could not be brought or run there."""
    running: dict[int, Request] = field(default_factory=dict[int, Request])
    """By ticket."""
    cores_taken: float = 0.0
    memory_taken_mb: int = 0
    executions: int = 0
    """That have ended there."""
    failures: int = 0
    """Infrastructure failures since the last execution that succeeded."""
    condition: Condition = Condition.UP

    @property
    def up(self) -> bool:
        """Whether it can be given work."""
        return self.condition is Condition.UP

    def has_room(self, request: Request) -> bool:
        """Whether a request fits beside what runs; alone it always does."""
        return self.fits(request.cores, request.memory_mb)

    def fits(self, cores: float, memory_mb: int) -> bool:
        """Whether so many cores and so much memory are free, or nothing runs."""
        if cores == 0 or not self.cores_taken:
            return True
        return self.cores_taken + cores <= self.cores and self.memory_taken_mb + memory_mb <= self.memory_mb

    @property
    def is_too_full(self) -> bool:
        """Whether no environment that is not there could come, as long as its size is not known."""
        return self.up and not self.could_ever_hold(SIZE_MB)

    @property
    def full(self) -> bool:
        """Whether no core is free."""
        return self.cores_taken >= self.cores

    @property
    def parallel(self) -> float:
        """Executions that it carries out at a time, as far as that shows."""
        return self.cores_taken if self.cores_taken >= 1 else self.cores

    def uses(self, environment: str) -> bool:
        """Whether something runs in an environment."""
        return any(request.environment == environment for request in self.running.values())

    def begin(self, ticket: int, request: Request) -> None:
        """Give it a request."""
        self.running[ticket] = request
        self.cores_taken += request.cores
        self.memory_taken_mb += request.memory_mb
        if request.environment in self.environments:  # the most recently used is the last
            self.environments[request.environment] = self.environments.pop(request.environment)

    def end(self, ticket: int) -> None:
        """Take a request back."""
        request = self.running.pop(ticket)
        self.memory_taken_mb -= request.memory_mb
        # Fractions of cores would leave a remainder that looks like work.
        self.cores_taken = self.cores_taken - request.cores if self.running else 0.0

    def succeed(self) -> None:
        """Note that an execution ended as it should."""
        self.executions += 1
        self.failures = 0
        self.refused.clear()

    def fail(self, environment: str) -> None:
        """Note an infrastructure failure."""
        self.failures += 1
        self.refused.add(environment)

    def hold(self, environment: str, size_mb: float) -> None:
        """Note that an environment has arrived."""
        self.fetching.pop(environment, None)
        self.refused.discard(environment)
        if environment not in self.environments:
            self.disk_free_mb -= size_mb
        self.environments[environment] = size_mb

    def drop(self, environment: str) -> None:
        """Note that an environment is no longer there, or does not come."""
        self.fetching.pop(environment, None)
        self.disk_free_mb += self.environments.pop(environment, 0.0)

    def evictions(self, size_mb: float, needed: Container[str]) -> tuple[str, ...] | None:
        """Environments to remove so that another fits, none of them in use or `needed`; None: it cannot fit."""
        free = self.disk_free_mb - DISK_MARGIN_MB - sum(self.fetching.values())
        found: list[str] = []
        if free >= size_mb:
            return ()
        used = Counter(request.environment for request in self.running.values())
        for environment, size in self.environments.items():
            if environment not in used and environment not in needed:
                found.append(environment)
                free += size
                if free >= size_mb:
                    return tuple(found)
        return None

    def could_ever_hold(self, size_mb: float) -> bool:
        """Whether an environment fits there once nothing is in use."""
        return self.disk_free_mb + sum(self.environments.values()) - DISK_MARGIN_MB >= size_mb


def load(node: NodeState) -> tuple[float, float, str]:
    """Order of nodes, the least loaded first: by what runs and what may come to run, then by free disk."""
    claims = node.cores_taken + len(node.environments) + len(node.fetching)
    return claims / node.cores, -node.disk_free_mb, node.id
