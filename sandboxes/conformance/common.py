"""The repository that the checks expect, and helpers that they share."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

_FILES = {
    "a.txt": b"one\ntwo\nthree\n",
    "latin.txt": b"caf\xe9\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "data.bin": bytes(range(256)),
}
BRIEF = Limits(seconds=20, memory_mb=512)


def prepare_repository(folder: Path) -> None:
    """Create the repository that the checks expect, with a single commit, in a new or empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _FILES.items():
        (folder / name).write_bytes(data)
    (folder / ".gitattributes").write_text("crlf.txt text eol=crlf\n")
    identity = ("-c", "user.name=base", "-c", "user.email=base@localhost")
    for words in (("init", "-q"), ("add", "-A", "-f"), (*identity, "commit", "-q", "-m", "base")):
        subprocess.run(["git", "-c", "core.autocrlf=false", *words], cwd=folder, check=True)


def python(
    sandbox: Sandbox, environment: Environment, text: str, patch: str | None = None, limits: Limits = BRIEF
) -> Execution:
    return sandbox.run(environment, Script(text), patch, limits)


def exited(done: Execution, code: int = 0) -> str:
    assert done.reason is Reason.EXITED and done.exit_code == code, done
    return done.output


def processes_with(mark: str, where: str = "cmdline") -> set[str]:
    """Ids of this machine's processes, including sandboxed ones, whose arguments (or `environ`) contain a text."""
    found = set()
    for about in Path("/proc").glob(f"[0-9]*/{where}"):
        with contextlib.suppress(OSError):
            if mark.encode() in about.read_bytes():
                found.add(about.parent.name)
    return found
