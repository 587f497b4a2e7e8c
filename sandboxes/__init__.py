"""Sandboxes: run scripts that nobody trusts on a repository. Knows nothing of models, tasks or grading."""

from __future__ import annotations

from typing import Literal

from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, SandboxError, Script

__all__ = [
    "Environment",
    "Execution",
    "Limits",
    "Reason",
    "Sandbox",
    "SandboxError",
    "Script",
    "open_sandbox",
]


def open_sandbox(kind: Literal["local", "docker"], run: str, reuse: bool = False) -> Sandbox:
    """The sandbox of this kind; `run` and `reuse` are for `docker`: see DockerSandbox."""
    if kind == "docker":
        from sandboxes.docker import DockerSandbox

        return DockerSandbox(run, reuse=reuse)
    from sandboxes.local import LocalSandbox

    return LocalSandbox()
