"""Sandboxes: run scripts that nobody trusts on a repository. Knows nothing of models, tasks or grading."""

from __future__ import annotations

from typing import Literal

from sandboxes.base import (
    Backend,
    Environment,
    EnvironmentKind,
    Execution,
    Limits,
    Reason,
    Sandbox,
    SandboxError,
    Script,
)

__all__ = [
    "Backend",
    "Environment",
    "EnvironmentKind",
    "Execution",
    "Limits",
    "Reason",
    "Sandbox",
    "SandboxError",
    "Script",
    "open_sandbox",
]


def open_sandbox(kind: Literal["local", "docker"], run: str, reuse: bool = False) -> Sandbox:
    """Open one of the two sandboxes of this package; see `Backend.open`."""
    from sandboxes import docker, local

    return {"local": local.BACKEND, "docker": docker.BACKEND}[kind].open(run, reuse=reuse)
