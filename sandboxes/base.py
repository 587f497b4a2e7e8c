"""The contract of a sandbox: `run(environment, script, patch, limits) -> Execution`, a function of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Concatenate, Literal, NamedTuple, Protocol, runtime_checkable

EnvironmentKind = Literal["folders", "image", "here"]
"""How an environment is given to a sandbox: folders of this machine (or the root file system of an image, exported to
one), a container image, or the container that this process runs in, whose repository is used where it lies."""


class SandboxError(Exception):
    """A sandbox is unusable or an environment is missing; the message says what to do."""


@dataclass(frozen=True)
class Environment:
    """Where scripts run: one repository at its base commit, with everything it needs installed."""

    name: str
    """Identifies the content: environments of equal name are treated as equal."""
    image: str | None = None
    """Container image that holds the repository, for the `docker` sandbox."""
    root: Path | None = None
    """Root file system of the image, exported to this machine by `rootfs.export_image`, for the `local` sandbox."""
    folders: tuple[tuple[str, Path], ...] = ()
    """(absolute path inside, folder outside), for the `local` sandbox; mounted over the root, or over this machine's
    system folders if there is no root. No run changes the folder outside."""
    repository: str = "/testbed"
    """Absolute path inside of the repository, whose only commit is the base. Working directory of scripts."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of scripts, added to those of the image and of the sandbox. PATH is used as given."""
    activate: str = ""
    """Shell commands run before the script, such as activating a conda environment."""


@dataclass(frozen=True)
class Script:
    """A program to run: a read-only file outside the repository, written afresh for each run."""

    text: str
    name: str = "script.py"
    """File name, without a folder."""
    command: tuple[str, ...] = ("python",)
    """Command that runs it; the script's path is appended."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of one execution."""

    seconds: float = 100.0
    """Wall-clock time, after which the whole process tree is killed."""
    memory_mb: int = 4096
    """Memory of the whole process tree, in MiB; no swap."""
    processes: int = 256
    """Concurrent processes and threads."""
    output_bytes: int = 1 << 20
    """Standard output and error together; a script that exceeds it is stopped, see `Reason.OUTPUT_LIMIT`."""
    disk_mb: int = 2048
    """Bytes written to the repository and to scratch folders, in MiB."""
    cpus: float = 2.0
    """CPU cores."""


class Reason(StrEnum):
    """Why an execution ended."""

    EXITED = "exited"
    """The script exited by itself; see `exit_code`."""
    KILLED = "killed"
    """A signal ended the script, and no limit sent it; see `signal`."""
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    OUTPUT_LIMIT = "output limit"
    """The script exceeded `Limits.output_bytes` and was stopped; output up to the limit is kept."""
    PATCH_FAILED = "patch did not apply"
    """`git apply` rejected the patch and the script did not run; `output` holds git's message."""
    SANDBOX_FAILED = "sandbox failed"
    """The sandbox itself failed, which says nothing about the script. The only reason worth a retry."""


@dataclass(frozen=True)
class Execution:
    """The result of running a script."""

    reason: Reason
    exit_code: int | None = None
    """0 to 255; set if and only if the reason is `EXITED`."""
    signal: int | None = None
    """Set if and only if the reason is `KILLED`."""
    output: str = ""
    """Standard output and error, interleaved as written, decoded as UTF-8 with U+FFFD for invalid bytes. A last line in
    brackets says if some of it may be lost."""
    seconds: float = 0.0
    """Wall-clock time of the script."""
    detail: str = ""
    """What failed, for `SANDBOX_FAILED`."""
    node: str = field(default="", compare=False)
    """Id of the machine it ran on, or failed on, where a sandbox has several; see `sandboxes.nodes`. It is no
    part of what makes executions equal."""


class Sandbox(Protocol):
    """Runs untrusted scripts. Thread-safe."""

    name: str

    def ensure(self, environment: Environment) -> None:
        """Check that the environment can run here, before any money is spent; pull its image if necessary.

        Raises SandboxError saying what is missing and what to do.
        """
        ...

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script on the environment's repository with a patch applied; the call leaves nothing behind.

        Failures of a script, a patch or an engine are reported by `Execution.reason`, never raised.
        """
        ...

    def close(self) -> None:
        """Kill what still runs and clean up; calls in flight return SANDBOX_FAILED."""
        ...


@runtime_checkable
class ImageSandbox(Sandbox, Protocol):
    """A sandbox that keeps something ready in images, so that these cannot be removed."""

    def release(self, image: str) -> None:
        """Give up what is ready in an image, by its id; scripts may still run in it, and then it is made ready anew."""
        ...


class Capacity(NamedTuple):
    """What a sandbox takes at a time."""

    executions: int
    memory_mb: int
    share: int
    """Executions that its largest machine takes."""


@runtime_checkable
class ElasticSandbox(Sandbox, Protocol):
    """A sandbox of more than this machine, which may grow and shrink while it is open."""

    def capacity(self) -> Capacity:
        """What it takes at a time, as it is now."""
        ...


@dataclass(frozen=True)
class Backend:
    """A kind of sandbox that a run can choose by name."""

    open: Callable[Concatenate[str, ...], Sandbox]
    """Opens a sandbox, given the name of the run and options as keywords: today `reuse` (keep containers between
    scripts). Accept keywords that you do not know; more may be added."""
    unavailable: Callable[[], str | None]
    """Says why it cannot be used on this machine and what to do about it; None if it can."""
    environment: EnvironmentKind
    """The kind of environment its scripts run in; tasks are prepared accordingly."""
    lost: str = ""
    """What it does not isolate, which is said at the start of a run; empty if nothing."""
