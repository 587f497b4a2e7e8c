"""What crosses the wire between the driver and the agent of a node, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sandboxes.base import Environment, Execution, Limits
from sandboxes.cluster.texts import Ref
from sandboxes.layers import Entry, Layer

Sandboxed = Environment
Text = str | Ref | None


class Place(NamedTuple):
    """What of an environment changes from execution to execution; its files are held by the node under `name`."""

    name: str
    repository: str
    variables: tuple[tuple[str, str], ...]
    activate: str


class Order(NamedTuple):
    """One execution."""

    place: Place
    script: Text
    script_name: str
    command: tuple[str, ...]
    patch: Text
    limits: tuple[float, int, int, int, int, float]
    layer: Difference | str | None = None
    """Of a command in a session: the layer, or the id of one that the node has."""


class Difference(NamedTuple):
    """A layer, as what differs from another one that the other side has."""

    base: str
    """Its id."""
    entries: tuple[Entry, ...]
    gone: tuple[str, ...] = ()
    """Paths that it has no entries of."""


class Done(NamedTuple):
    """What came of an order."""

    execution: tuple[str, int | None, int | None, str, float, str]
    layer: Difference | None = None
    """None: as before."""
    dropped: str = ""


class Unknown(NamedTuple):
    """Nothing was carried out: the node has not, or no longer, what the order refers to."""

    hashes: tuple[bytes | str, ...]
    """Of texts, and ids of layers."""
    environment: bool = False


@dataclass(frozen=True)
class NodeSettings:
    """How the agent of a node is to work."""

    run: str
    """Name of the run, for the labels of containers."""
    underneath: str
    """`local` or `docker`."""
    cores: int | None = None
    """Executions at a time; by default the cores that Ray has of the node."""
    memory_mb: int | None = None
    """Memory of all executions; by default what Ray has of the node."""
    disk_mb: int | None = None
    """Disk for environments that were sent; by default all that is free but a reserve."""
    reuse: bool = False
    share: bool = True
    """Use folders of the driver's machine where they lie."""


@dataclass(frozen=True)
class Facts:
    """What a node says of itself."""

    host: str
    pid: int
    cores: int
    memory_mb: int
    disk_free_mb: int
    version: str
    python: str
    boot: str
    """Identifies the machine since it was started."""
    trouble: str = ""
    """Why its sandbox cannot be used; empty if it can."""
    held: tuple[str, ...] = ()
    executions: int = 0
    """Carried out so far."""
    last_failure: str = ""


@dataclass(frozen=True)
class Source:
    """Where the files of an environment come from."""

    environment: Environment
    boot: str
    identities: tuple[tuple[int, int], ...] = field(default=())
    """(device, inode) of its root and folders, by which a node of the same machine knows them."""


def limits_of(values: tuple[float, int, int, int, int, float]) -> Limits:
    """The limits that a tuple of their values stands for."""
    return Limits(*values)


def values_of(limits: Limits) -> tuple[float, int, int, int, int, float]:
    """Limits as a tuple."""
    return (
        *(limits.seconds, limits.memory_mb, limits.processes),
        *(limits.output_bytes, limits.disk_mb, limits.cpus),
    )


def packed(execution: Execution) -> tuple[str, int | None, int | None, str, float, str]:
    """An execution as a tuple."""
    e = execution
    return e.reason.value, e.exit_code, e.signal, e.output, e.seconds, e.detail


def difference(before: Layer, after: Layer) -> Difference:
    """What differs in a later layer."""
    changed = tuple(entry for entry in after.entries if before.get(entry.path) != entry)
    return Difference(before.id, changed, tuple(e.path for e in before.entries if after.get(e.path) is None))


def applied(before: Layer, changed: Difference) -> Layer:
    """The later layer."""
    gone = set(changed.gone)
    return Layer.of([*(entry for entry in before.entries if entry.path not in gone), *changed.entries])


def folders_of(environment: Environment) -> tuple[Path, ...]:
    """The folders outside that hold the files of an environment."""
    return (*((environment.root,) if environment.root else ()), *(outside for _, outside in environment.folders))
