"""Sandboxes: run scripts that nobody trusts on a repository. Knows nothing of models, tasks or grading."""

from __future__ import annotations

from collections.abc import Callable
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


def open_sandbox(kind: Literal["local", "docker", "auto"], run: str, environment: Environment) -> Sandbox:
    """The sandbox of this kind, made sure to run the environment; `run` names the user's run to a container engine.

    `auto` takes `local` if the environment has folders for it and namespaces work, else `docker`.
    Raises SandboxError that tells why none works; ValueError for an unknown kind.
    """
    from sandboxes.docker import DockerSandbox
    from sandboxes.local import LocalSandbox

    kinds: dict[str, Callable[[], Sandbox]] = {"local": LocalSandbox, "docker": lambda: DockerSandbox(run)}
    if kind != "auto" and kind not in kinds:
        raise ValueError(f"no sandbox of kind {kind!r}: choose one of {', '.join(kinds)}, auto")
    reasons = []
    for name in kinds if kind == "auto" else [kind]:
        sandbox = kinds[name]()
        try:
            sandbox.ensure(environment)
            return sandbox
        except SandboxError as error:
            sandbox.close()
            reasons.append(f"{name}: {error}")
    raise SandboxError("No sandbox can run this environment.\n" + "\n".join(reasons))
