"""A function on every node of a cluster, without the agents that executions need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sandboxes.base import SandboxError
from sandboxes.cluster.connection import Connection, living

T = TypeVar("T")
SECONDS = 300.0
"""That the nodes have to answer."""


def on_every_node(address: str, function: Callable[..., T], *arguments: object) -> list[tuple[str, T | SandboxError]]:
    """Call a function of a module on every node; what it returned, or why it did not, with the node's name.

    `address`: see `Connection`. Raises SandboxError if there is no cluster.
    """
    connection = Connection(address)
    try:
        return _call(function, arguments)
    finally:
        connection.close()


def _call(function: Callable[..., T], arguments: tuple[object, ...]) -> list[tuple[str, T | SandboxError]]:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote: Any = ray.remote
    kind = remote(num_cpus=0, max_retries=0)(function)
    asked: list[tuple[str, Any]] = []
    for node in living():
        there = kind.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False))
        asked.append((node.name, there.remote(*arguments)))
    if asked:
        ray.wait([reference for _, reference in asked], num_returns=len(asked), timeout=SECONDS)
    answered: list[tuple[str, T | SandboxError]] = []
    for name, reference in asked:
        try:
            answered.append((name, ray.get(reference, timeout=0)))
        except RayError as error:
            lines = str(error).strip().splitlines()
            answered.append((name, SandboxError(lines[-1] if lines else type(error).__name__)))
    return answered
