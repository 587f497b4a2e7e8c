"""Settings of the sandbox, and of the cluster that it may be spread over."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codemonkeys.settings.section import Section


class SandboxSettings(Section):
    """The sandbox, and the limits of one execution."""

    kind: str = Field("auto", min_length=1)
    """Where scripts run: `local`, `docker`, `here` (this container as it is), `ray-local` or `ray-docker` (the nodes of
    a Ray cluster), another sandbox by name or as `module:attribute`; or `auto` and `ray`: the first of `local` and
    `docker`, here or on the nodes, that works for all tasks on this machine."""
    seconds: float = Field(100.0, gt=0)
    """Wall-clock limit per execution."""
    memory_mb: int = Field(4_096, ge=64)
    """Memory limit per execution, in MiB."""
    processes: int = Field(256, ge=8)
    """Limit on processes and threads per execution."""
    reuse: bool = False
    """Reuse a container for the candidate's next script if the last one left nothing in it; `docker` only."""
    output_characters: int = Field(8_192, ge=256)
    """Maximum output shown to a model; longer output is cut in the middle."""


class ClusterSettings(Section):
    """The Ray cluster of the sandboxes `ray-local` and `ray-docker`."""

    address: str | None = Field(None, min_length=1)
    """`auto` (the cluster that this machine is part of), HOST:PORT, or `local`, the default: a cluster of this machine
    alone, started and ended with the run."""
    node_cores: int | None = Field(None, ge=1)
    """Maximum concurrent executions of a node; by default one per core that Ray has of it."""
    node_memory_mb: int | None = Field(None, ge=64)
    """Memory for all concurrent executions of a node in MiB; by default what Ray has of it."""
    node_disk_mb: int | None = Field(None, ge=1)
    """Disk for environments on a node in MiB, of which the least recently used are removed; by default all but a
    reserve."""

    def options(self) -> dict[str, Any]:
        """What is given, as options of a backend."""
        given = {"ray_address": self.address, **self.model_dump(exclude={"address"})}
        return {name: value for name, value in given.items() if value is not None}
