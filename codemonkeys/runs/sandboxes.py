"""Chooses the sandbox of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from codemonkeys.errors import SandboxUnavailable
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, why_not_locally


def choose_sandbox(kind: str, tasks: Sequence[Task]) -> Literal["local", "docker"]:
    """`local` or `docker`: what was asked for, or the first that works here for every task.

    Raises SandboxUnavailable saying why neither does.
    """
    from sandboxes import docker, local

    why_not_local = local.unavailable() or (None if kind == "docker" else why_not_locally(tasks, default_home()))
    if kind != "docker" and why_not_local is None:
        return "local"
    if kind == "local":
        raise SandboxUnavailable(f"the local sandbox cannot be used: {why_not_local}")
    why_not_docker = docker.unavailable()
    if why_not_docker is None:
        return "docker"
    reasons = f"docker: {why_not_docker}"
    if kind == "auto":
        reasons = f"local: {why_not_local}; {reasons}"
    raise SandboxUnavailable(f"no sandbox can run untrusted code here. {reasons}")
