"""The `ray` sandboxes by what their nodes run: `local`, on folders, or `docker`, on images."""

from __future__ import annotations

from typing import Any

from sandboxes.base import Backend, EnvironmentKind, Sandbox
from sandboxes.cluster.connection import unavailable


def _backend(underneath: str, environment: EnvironmentKind) -> Backend:
    def open_sandbox(run: str, ray_address: str | None = None, **options: Any) -> Sandbox:
        from sandboxes.cluster.driver import RaySandbox

        known = ("node_cores", "node_memory_mb", "node_disk_mb", "reuse")
        given = {name: options[name] for name in known if name in options}
        return RaySandbox(run, underneath, address=ray_address, **given)

    return Backend(open_sandbox, unavailable, environment)


LOCAL = _backend("local", "folders")
DOCKER = _backend("docker", "image")
