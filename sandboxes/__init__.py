"""Sandboxes: run untrusted scripts on a repository. Independent of models, tasks and grading."""

from __future__ import annotations

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
]
