"""Sessions: commands of which each sees what those before it left in the files, and nothing of their processes.

What a command needs to know of those before it is a value, the `Layer`: a session is the environment and a layer, and
a step is a function of the two and of its script. So a session can be stored, gone back to and forked at no cost.
"""

from __future__ import annotations

import base64
import io
import marshal
import shlex
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, SandboxError, Script
from sandboxes.layers import EMPTY, Entry, Layer, parents

_GIT = """\
set -e
export GIT_INDEX_FILE=.git/codemonkeys-index
git() { command git -c core.fsmonitor=false -c core.excludesFile= -c safe.directory='*' "$@"; }
"""
_BASE = f"""{_GIT}
mkdir -p .git/info
echo '* !diff !text !eol !crlf !filter !ident !working-tree-encoding' > .git/info/attributes
git read-tree HEAD
git add --all
git write-tree > .git/codemonkeys-base
"""
"""Makes a tree of the files as they are before any command, byte for byte, whatever attributes say."""
_DIFF = f"""{_GIT}
git add --all
git diff --cached --binary --full-index --no-renames --no-color --no-ext-diff --no-textconv $(cat .git/codemonkeys-base)
"""


class Step(NamedTuple):
    """What one command of a session did."""

    execution: Execution
    layer: Layer
    """What has changed since the session began, this command included."""
    dropped: str = ""
    """Why the files are as they were before this command, where they are: it left more than a layer may hold, or no
    repository."""


@runtime_checkable
class SessionSandbox(Sandbox, Protocol):
    """A sandbox that also has sessions."""

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        """Run a script on the environment with a layer over it; all that holds of `run` holds of it.

        The layer of the result is the one given if the script changed nothing, or if the sandbox failed.
        """
        ...

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Session:
        """Open a session, with what another has changed if that is given: that is a fork, which copies nothing."""
        ...


@runtime_checkable
class BeginningSandbox(SessionSandbox, Protocol):
    """A sandbox elsewhere: no thread of this process need wait for what it carries out."""

    def begin(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None
    ) -> Future[Step]:
        """Begin what `run` does, or `step` if a layer is given, without waiting for anything.

        The future gets the result in any thread, never an error, and cannot be cancelled.
        """
        ...


class Session:
    """A session in a sandbox, for one thread at a time."""

    def __init__(self, sandbox: SessionSandbox, environment: Environment, limits: Limits, layer: Layer = EMPTY) -> None:
        """`limits`: of each command."""
        self._sandbox, self._environment, self._limits = sandbox, environment, limits
        self._layer, self._open = layer, True

    def run(self, script: Script | str, limits: Limits | None = None) -> Execution:
        """Run a command; a text is one of Bash. Its processes end with it, its files stay."""
        if not self._open:
            raise SandboxError("the session is closed")
        step = self._sandbox.step(self._environment, shell(script), self._layer, limits or self._limits)
        self._layer = step.layer
        if not step.dropped:
            return step.execution
        note = f"\n[{step.dropped}: the files are as they were before this command]\n"
        return replace(step.execution, output=step.execution.output + note)

    def read(self, path: str) -> bytes:
        """The content of a file, by its absolute path. Raises SandboxError if there is none, or it cannot be read."""
        entry = self._layer.get(path)
        if entry is not None and entry.kind == "file":
            return entry.content
        done = self._aside(f"base64 -- {shlex.quote(path)}", self._layer).execution
        if done.reason is not Reason.EXITED or done.exit_code:
            raise SandboxError(f"{path} cannot be read: {done.detail or done.output.strip()[-500:] or done.reason}")
        return base64.b64decode(done.output)

    def write(self, path: str, content: bytes, mode: int = 0o644, changed_ns: int = 0) -> None:
        """Write a file, by its absolute path, and the folders it needs; nothing of the sandbox runs."""
        try:
            self._layer = self._layer.with_entries([Entry(path, "file", mode, content, changed_ns)])
        except ValueError as error:
            raise SandboxError(str(error)) from None

    def diff(self) -> str:
        """What has changed in the repository as git tells it, whatever was done to its own data; surrogate escapes
        stand for bytes that are not UTF-8."""
        repository = self._environment.repository
        base = self._aside(_BASE, EMPTY).layer
        changed = self._layer.below(repository).without(f"{repository}/.git")
        done = self._aside(f"set -o pipefail\n{{ {_DIFF}}} | base64", base.with_entries(changed.entries)).execution
        if done.reason is not Reason.EXITED or done.exit_code:
            raise SandboxError(
                f"the changes cannot be told: {done.detail or done.output.strip()[-500:] or done.reason}"
            )
        return base64.b64decode(done.output).decode("utf-8", "surrogateescape")

    def snapshot(self) -> Layer:
        """What has changed since the session was opened without a layer."""
        return self._layer

    def restore(self, layer: Layer) -> None:
        """Go back, or over, to what a snapshot holds."""
        self._layer = layer

    def fork(self) -> Session:
        """Another session that begins with the files of this one."""
        return self._sandbox.open(self._environment, self._limits, self._layer)

    def close(self) -> None:
        """End the session; nothing of it is left."""
        self._open = False
        self._layer = EMPTY

    def _aside(self, text: str, layer: Layer) -> Step:
        """Run a command that is none of the session's."""
        limits = replace(self._limits, output_bytes=1 << 28)
        return self._sandbox.step(replace(self._environment, activate=""), shell(text), layer, limits)


def shell(script: Script | str) -> Script:
    """A script; a text as one of Bash."""
    return script if isinstance(script, Script) else Script(script, "command.sh", ("bash",))


def step_of(environment: Environment, before: Layer, result: Execution, after: Layer | str) -> Step:
    """The step of a command. `after`: what it left, or why that is not known."""
    if result.reason is Reason.SANDBOX_FAILED:
        return Step(result, before)
    dropped = after if isinstance(after, str) else lost_repository(environment, after)
    if isinstance(after, str) or dropped:
        return Step(result, before, dropped)
    return Step(result, before if after.id == before.id else after)


def read_layer(gathered: bytes) -> Layer | str:
    """The layer that `upper.gather` wrote, or why there is none."""
    entries: list[Entry] = []
    file = io.BytesIO(gathered)
    try:
        while (entry := marshal.load(file)) is not None:
            if isinstance(entry, str):
                return f"the command left {entry}"
            entries.append(Entry(*entry))
        return Layer.of(entries)
    except (EOFError, ValueError, TypeError) as error:
        return f"what the command left cannot be kept ({error})"


def lost_repository(environment: Environment, layer: Layer) -> str:
    """Whether a layer leaves no repository to go on in; empty if there is one."""
    for path in (*parents(environment.repository), environment.repository):
        entry = layer.get(path)
        if entry is not None and (entry.kind in ("file", "link", "gone") or entry.mode & 0o700 != 0o700):
            return "the command removed or closed the folder of the repository"
    return ""
