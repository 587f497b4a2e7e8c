"""The program that runs inside every sandbox, `inside.pl`: how it is called, and how its report is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sandboxes.base import Environment, Execution, Limits, Reason, SandboxError, Script

FOLDER = "/codemonkeys"
"""Read-only folder inside with the script and the patch."""
PATCH_NAME = ".patch"
SOCKET_KB = 512
"""What the buffers of a socket can hold at most: 256 KiB each way, see `keep_sockets_small` in unaccounted.py."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LAST_LINE = re.compile(r"^codemonkeys: ([a-z-]+) (\d+) ([\d.]+) (\d+)( lost)?$", re.MULTILINE)
_BEGUN = "codemonkeys: begun\n"
_LOST = "\n[some of the output may be lost: the process that collects it was stopped]\n"
_LIMITS_HIT = {
    "timed-out": Reason.TIMED_OUT,
    "out-of-memory": Reason.OUT_OF_MEMORY,
    "output-limit": Reason.OUTPUT_LIMIT,
    "patch-failed": Reason.PATCH_FAILED,
}


_MOST = {
    "seconds": 10**7,
    "memory_mb": 1 << 30,
    "processes": 1 << 20,
    "output_bytes": 1 << 40,
    "disk_mb": 1 << 30,
    "cpus": 1 << 16,
}
_LEAST = {"seconds": 0.001, "cpus": 0.01}


def refusal(environment: Environment, script: Script, limits: Limits) -> str:
    """Why a script cannot be placed in `FOLDER`, or its limits or variables cannot be set; empty if they can."""
    if script.name in ("", ".", "..", PATCH_NAME) or "/" in script.name or "\0" in script.name:
        return f"{script.name!r} is no name for a script: give the name of a file, without a folder"
    if "\0" in "".join((*script.command, environment.activate, environment.repository)):
        return "a command, an activation or a repository with the character NUL cannot be passed on"
    for variable, text in environment.variables:
        if not variable or "=" in variable or "\0" in variable + text:
            return (
                f"{variable!r} cannot be an environment variable: its name or value has a character that none can have"
            )
    for name, most in _MOST.items():
        value, least = getattr(limits, name), _LEAST.get(name, 1)
        if not isinstance(value, (int, float) if name in _LEAST else int) or not least <= value <= most:
            return f"{value!r} is no limit for {name}: give a number from {least} to {most}"
    return ""


def files(script: Script, patch: str | None) -> dict[str, bytes]:
    """Files to place in `FOLDER`, by name. Surrogate escapes in texts stand for bytes that are not UTF-8."""
    placed = {script.name: script.text.encode(errors="surrogateescape")}
    if patch:
        placed[PATCH_NAME] = patch.encode(errors="surrogateescape")
    return placed


def command(
    environment: Environment,
    script: Script,
    patch: str | None,
    limits: Limits,
    prefix: Sequence[str] = (),
    count_processes: bool = False,
    count_memory: bool = False,
    folder: str = FOLDER,
) -> list[str]:
    """The command that runs `inside.pl`.

    `prefix`: command that git and the script are run through, to drop privileges. `count_processes`, `count_memory`:
    have `inside.pl` enforce these limits, where the kernel does not. `folder`: where the script and the patch lie.
    """
    program = Path(__file__).with_name("inside.pl").read_text("utf-8")
    counted = (limits.processes if count_processes else 0, limits.memory_mb << 10 if count_memory else 0, SOCKET_KB)
    given = f"{folder}/{PATCH_NAME}" if patch else ""
    given = f"{folder}/{PATCH_NAME}" if patch else ""
    settings = (environment.repository, given, limits.seconds, limits.output_bytes, *counted)
    words = [*map(str, settings), environment.activate, *prefix, "--", *script.command, f"{folder}/{script.name}"]
    return ["perl", "-e", program, *words]


def failed(detail: str, output: bytes = b"", seconds: float = 0.0) -> Execution:
    """The result when the sandbox itself failed."""
    return Execution(Reason.SANDBOX_FAILED, None, None, output.decode(errors="replace"), seconds, detail)


def unforeseen(error: Exception) -> Execution:
    """The result when carrying out a run raised an error."""
    told = str(error) if isinstance(error, (OSError, SandboxError)) else f"{type(error).__name__}: {error}"
    return failed(told.encode(errors="backslashreplace").decode())


def execution(output: bytes, report: str, oom_kills: int = 0) -> Execution:
    """The result as `inside.pl` reported it on standard error; `oom_kills`: counted outside."""
    lines = _LAST_LINE.findall(report)
    if not lines:
        if oom_kills:
            return Execution(Reason.OUT_OF_MEMORY, output=output.decode(errors="replace"))
        return failed(report.replace(_BEGUN, "").strip() or "the sandbox ended without a word", output)
    how, number, seconds, counted_inside, lost = lines[-1]
    text = output.decode(errors="replace") + (_LOST if lost else "")
    if oom_kills or int(counted_inside):
        return Execution(Reason.OUT_OF_MEMORY, output=text, seconds=float(seconds))
    if how == "exited":
        return Execution(Reason.EXITED, int(number), None, text, float(seconds))
    if how == "killed":
        return Execution(Reason.KILLED, None, int(number), text, float(seconds))
    return Execution(_LIMITS_HIT[how], output=text, seconds=float(seconds))
