"""Sandboxes: run scripts that nobody trusts on a repository. Knows nothing of models, tasks or grading."""

from __future__ import annotations

from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, SandboxError, Script

__all__ = [
    "Environment",
    "Execution",
    "Limits",
    "Reason",
    "Sandbox",
    "SandboxError",
    "Script",
]
