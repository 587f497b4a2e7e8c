"""The contract of a sandbox: `run(environment, script, patch, limits) -> Execution`, a function of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Concatenate, Literal, Protocol

EnvironmentKind = Literal["folders", "image"]
"""How an environment is given to a sandbox: folders of this machine (or the root file system of an image, exported to
one), or a container image."""


class SandboxError(Exception):
    """A sandbox cannot be used at all, or an environment is missing; the message says what to do."""


@dataclass(frozen=True)
class Environment:
    """Where scripts run: one repository at its base commit, with everything it needs installed."""

    name: str
    """Names the content: environments of equal name are taken to be equal."""
    image: str | None = None
    """Container image that holds the repository; what the `docker` sandbox runs."""
    root: Path | None = None
    """The image's root file system as `rootfs.export_image` left it on this machine, for the `local` sandbox."""
    folders: tuple[tuple[str, Path], ...] = ()
    """(absolute path inside, folder outside), for the `local` sandbox, over its root; without a root, over this
    machine's system folders. No run ever changes the folder outside."""
    repository: str = "/testbed"
    """Absolute path of the repository inside: a git repository of one commit, the base. Scripts start there."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables a script sees beside the image's and the few a sandbox sets. PATH is taken as given."""
    activate: str = ""
    """Shell lines run before the script, such as the activation of a conda environment."""


@dataclass(frozen=True)
class Script:
    """A program to run; it lies outside the repository, read-only, written anew for each run."""

    text: str
    name: str = "script.py"
    """File name; no folder."""
    command: tuple[str, ...] = ("python",)
    """What runs it: these words followed by the script's path."""


@dataclass(frozen=True)
class Limits:
    """What one execution may use."""

    seconds: float = 100.0
    """Wall-clock time; the whole process tree is killed after it."""
    memory_mb: int = 4096
    """Memory of the whole process tree, without swap."""
    processes: int = 256
    """Processes and threads at one time."""
    output_bytes: int = 1 << 20
    """Standard output and error together. The script is stopped well beyond it; see `Reason.OUTPUT_LIMIT`."""
    disk_mb: int = 2048
    """What may be written to the repository and to scratch folders."""
    cpus: float = 2.0
    """Processor cores."""


class Reason(StrEnum):
    """Why an execution ended."""

    EXITED = "exited"
    """The script ended by itself: see the exit code."""
    KILLED = "killed"
    """A signal that no limit of ours sent ended the script: see the signal."""
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    OUTPUT_LIMIT = "output limit"
    """The script wrote more than `Limits.output_bytes` and was stopped; what it wrote up to there is kept."""
    PATCH_FAILED = "patch did not apply"
    """`git apply` refused the patch; the script did not run; `output` holds what git said."""
    SANDBOX_FAILED = "sandbox failed"
    """The sandbox itself failed: nothing is known about the script. The only reason worth a retry."""


@dataclass(frozen=True)
class Execution:
    """What a script did."""

    reason: Reason
    exit_code: int | None = None
    """Set if and only if the reason is `EXITED`; 0 to 255."""
    signal: int | None = None
    """Set if and only if the reason is `KILLED`."""
    output: str = ""
    """Standard output and error as they came, decoded once as UTF-8, invalid bytes as U+FFFD."""
    seconds: float = 0.0
    """Wall-clock time of the script."""
    detail: str = ""
    """For `SANDBOX_FAILED`: what failed."""


class Sandbox(Protocol):
    """Runs scripts that nobody trusts. Safe to call from many threads at once."""

    name: str

    def ensure(self, environment: Environment) -> None:
        """Make sure the environment can run here, before any money is spent; pulls an image if need be.

        Raises SandboxError with what is missing and what to do.
        """
        ...

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script on the environment's repository with a patch applied; nothing of it outlives the call.

        Never raises for what a script, a patch or an engine does: that is told by `Execution.reason`.
        """
        ...

    def close(self) -> None:
        """End what still runs and remove what was left; calls in flight return SANDBOX_FAILED."""
        ...


@dataclass(frozen=True)
class Backend:
    """One kind of sandbox, as it is offered to `--sandbox`."""

    open: Callable[Concatenate[str, ...], Sandbox]
    """Opens a sandbox for a run, given its name and options by keyword: `reuse` (see `sandbox.reuse`), which a backend
    without containers ignores. Take further keywords too: options may be added."""
    unavailable: Callable[[], str | None]
    """Why it cannot be used on this machine and what to do about it; None if it can."""
    environment: EnvironmentKind
    """What its scripts run in."""
