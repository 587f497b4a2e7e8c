"""What crosses the wire between the driver and the agent of a node, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sandboxes.base import Environment, Execution, Limits, Reason, SandboxError
from sandboxes.cluster.texts import Ref
from sandboxes.layers import Entry, Layer

Text = str | Ref | None
LimitValues = tuple[float, int, int, int, int, float]
Result = tuple[str, int | None, int | None, str, float, str]


class Order(NamedTuple):
    """One execution."""

    environment: str
    """Name of an environment that the node holds."""
    repository: str
    variables: tuple[tuple[str, str], ...]
    activate: str
    script: Text
    script_name: str
    command: tuple[str, ...]
    patch: Text
    limits: LimitValues
    layer: str | None = None
    """Of a command in a session: the id of a layer that the node has."""


class Difference(NamedTuple):
    """A layer, as what differs from another one."""

    entries: tuple[Entry, ...]
    gone: tuple[str, ...]
    """Paths that it has no entries of."""


class Done(NamedTuple):
    """What came of an order."""

    result: Result
    layer: Difference | None = None
    """What a command has changed since the layer before; None: nothing."""
    dropped: str = ""


class Unknown(NamedTuple):
    """Nothing was carried out: the node has not, or no longer, what the order refers to."""

    keys: tuple[bytes | str, ...]
    """Hashes of texts, ids of layers."""
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
    """Disk for environments that were sent; by default all that is free."""
    reuse: bool = False
    share: bool = True
    """Use folders of the driver's machine where they lie."""


@dataclass(frozen=True)
class Facts:
    """What a node says of itself."""

    cores: int
    memory_mb: int
    disk_free_mb: int
    """What environments may take."""
    version: str
    """Of codemonkeys."""
    trouble: str = ""
    """Why its sandbox cannot be used; empty if it can, or if that was not tried."""
    probed: bool = False
    """Whether that was tried."""
    held: Mapping[str, float] = field(default_factory=dict[str, float])
    """Environments that were sent before, with their sizes in MiB."""
    keys: tuple[str, ...] = ()
    """Variables of its processes that hold keys of providers, of which it needs none."""


class SourceMissing(SandboxError):
    """The driver cannot read the files of an environment: no node is to blame."""


@dataclass(frozen=True)
class Source:
    """An environment of the driver's machine, and where a node finds its files."""

    environment: Environment
    boot: str = ""
    """Identifies the driver's machine."""
    identities: tuple[tuple[int, int], ...] = ()
    """(device, inode) of its root and folders, by which a node of the same machine knows them."""
    content: str = ""
    """Changes with what is in folders that may change; empty for what came of an image."""
    references: tuple[str, ...] = ()
    """Names by which registries have its image."""


def limit_values(limits: Limits) -> LimitValues:
    """Limits as a tuple, in the order of their fields."""
    return (
        *(limits.seconds, limits.memory_mb, limits.processes),
        *(limits.output_bytes, limits.disk_mb, limits.cpus),
    )


def result_of(execution: Execution) -> Result:
    """An execution as a tuple."""
    e = execution
    return e.reason.value, e.exit_code, e.signal, e.output, e.seconds, e.detail


def execution_of(result: Result, node: str) -> Execution:
    """The execution that a tuple stands for."""
    reason, exit_code, signal, output, seconds, detail = result
    return Execution(Reason(reason), exit_code, signal, output, seconds, detail, node)


def difference(before: Layer, after: Layer) -> Difference:
    """What differs in a later layer."""
    changed = tuple(entry for entry in after.entries if before.get(entry.path) != entry)
    return Difference(changed, tuple(entry.path for entry in before.entries if after.get(entry.path) is None))


def applied(before: Layer, changed: Difference) -> Layer:
    """The later layer."""
    gone = set(changed.gone)
    return Layer.of([*(entry for entry in before.entries if entry.path not in gone), *changed.entries])
