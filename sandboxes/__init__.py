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
from sandboxes.layers import Entry, Layer
from sandboxes.sessions import Session, SessionSandbox, Step

__all__ = [
    "Backend",
    "Entry",
    "Environment",
    "EnvironmentKind",
    "Execution",
    "Layer",
    "Limits",
    "Reason",
    "Sandbox",
    "SandboxError",
    "Script",
    "Session",
    "SessionSandbox",
    "Step",
]
