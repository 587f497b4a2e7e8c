"""Sandbox backends by name, and the choice of the one in which the code of some tasks runs."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any, get_args

from codemonkeys.errors import BadInput, SandboxUnavailable
from codemonkeys.registry import Registry
from codemonkeys.tasks import in_place
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import why_not_locally
from codemonkeys.wording import option
from sandboxes.base import Backend, EnvironmentKind

AUTO = "auto"
PREFERENCE = ("local", "docker")
"""What `auto` tries, in this order. Any other is used only if it is named."""
CHOICES = {AUTO: PREFERENCE, "ray": ("ray-local", "ray-docker")}
"""Names that stand for the first of some backends that works."""
ON_THIS_MACHINE = frozenset({AUTO, *PREFERENCE, "here"})
"""Sandboxes that use no cluster."""


def _check(found: Any) -> Backend:
    if not isinstance(found, Backend):
        raise TypeError(f"it is of type {type(found).__name__}, not sandboxes.Backend")
    if found.environment not in (kinds := get_args(EnvironmentKind)):
        raise TypeError(f"its environment is {found.environment!r}, not one of {', '.join(kinds)}")
    try:
        signature(found.open).bind("run", reuse=False)
    except ValueError:  # of something that is not written in Python
        return found
    except TypeError as error:
        raise TypeError(
            f"its open does not take a run's name and options: {error}; write open(run, **options)"
        ) from None
    return found


BACKENDS: Registry[Backend] = Registry(
    "sandbox",
    "codemonkeys.sandboxes",
    {name: f"sandboxes.{name}:BACKEND" for name in (*PREFERENCE, "here")}
    | {f"ray-{name}": f"sandboxes.cluster.backends:{name.upper()}" for name in PREFERENCE},
    _check,
)


def choose_backend(kind: str, tasks: Sequence[Task], home: Path) -> tuple[str, Backend]:
    """The name and backend that `sandbox.kind` stands for: of `CHOICES` the first that works here for all of the tasks.

    `home`: where environments are kept, see `default_home`. Raises BadSettings for an unknown name,
    SandboxUnavailable saying why it, or of `CHOICES` each one, cannot be used.
    """
    reasons: dict[str, str] = {}
    for name in CHOICES.get(kind, (kind,)):
        backend = BACKENDS.get(name)
        reason = backend.unavailable()
        if reason is None and backend.environment == "folders":
            reason = why_not_locally(tasks, home)
        elif reason is None and backend.environment == "here":
            reason = in_place.why_not(tasks)
        if reason is None:
            return name, backend
        reasons[name] = reason
    if kind not in CHOICES:
        raise SandboxUnavailable(f"the sandbox {kind} cannot be used: {reasons[kind]}")
    why = "; ".join(f"{name}: {reason.removesuffix('.')}" for name, reason in reasons.items())
    raise SandboxUnavailable(f"no sandbox can run untrusted code here. {why}")


def check_address(kind: str, address: str | None) -> None:
    """Raise BadInput for the address of a cluster that this `sandbox.kind` would leave unused."""
    if address is not None and kind in ON_THIS_MACHINE:
        raise BadInput(
            f"{option('ray_address', address)} names a cluster, which the sandbox {kind!r} does not use: give "
            f"{option('sandbox_of_grading', 'ray')} too, or leave the address out"
        )


def environment_kind(kind: str) -> EnvironmentKind | None:
    """What the code of a task runs in for this `sandbox.kind`; None for `auto` and `ray`, which decide by the task.

    Raises BadSettings for an unknown name.
    """
    return None if kind in CHOICES else BACKENDS.get(kind).environment
