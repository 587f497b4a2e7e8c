"""A sandbox in a container that is there already: its working tree is put back after each execution (keeper.py).

What that cannot isolate is listed in `LOST`. One execution runs at a time in a tree.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import threading
from collections.abc import Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Protocol

from sandboxes import inside, keeper
from sandboxes.base import Environment, Execution, Limits, SandboxError, Script
from sandboxes.layers import EMPTY, MOST_BYTES, MOST_ENTRIES, Entry, Layer
from sandboxes.sessions import Session, Step, step_of
from sandboxes.syscalls import SYS_KEYCTL

LOST = MappingProxyType(
    {
        "the network": ("there_is_no_network",),
        "files outside of the working tree, which scripts may read and change for good": (
            "nothing_survives",
            "the_host_is_hidden",
            "no_key_is_found",
            "the_script_is_out_of_reach",
            "runs_do_not_see_each_other",
            "no_lock_is_shared",
            "what_holds_of_a_run_holds_of_a_command",
            "files_persist_and_processes_do_not",
            "a_snapshot_restores_and_forks",
            "nothing_changed_is_an_equal_layer",
            "a_repository_that_was_removed_comes_back",
        ),
        "the history of the repository, with later commits if it has them": ("git_knows_the_base_only",),
        "the disk, of which only the size of single files is limited": (
            "the_disk_is_limited",
            "the_disk_is_limited_in_total",
            "limits_hold_for_each_command",
        ),
        "processes that multiply faster than they are counted, twenty times a second": ("a_fork_bomb_goes_off_alone",),
        "memory that belongs to no process": (
            "memory_of_files_without_a_name_is_limited",
            "memory_of_sockets_is_limited",
        ),
    }
)
"""What is not isolated, and the checks of the conformance suite that it does not pass therefore."""

START_SECONDS = 600.0
"""Limit on copying the working tree."""
_AFTER = 600.0
"""Seconds beyond the time limit in which the tree is put back."""
_AGAIN = 0.2
"""Seconds between two interrupts of what runs: the first may come before there is a command to interrupt."""


class Container(Protocol):
    """A running container. Calls may come from any thread, one at a time."""

    library: str
    """Folder inside that `sandboxes.keeper` is imported from."""
    python: str
    """Command of a Python 3.9 or later inside."""
    scratch: str
    """Folder inside for what belongs to executions."""
    owned: bool
    """Whether the standard input of a command closes when this process dies."""
    owner: str
    """Names the process that uses it."""

    def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a command; its exit code and its output, both streams together. Raises SandboxError."""
        ...

    def interrupt(self) -> None:
        """Have the command that runs now end soon, if that can be had."""
        ...

    def is_abandoned(self, folder: str) -> bool:
        """Whether the process that wrote its name to the file `owner` of a folder has died."""
        ...

    def put(self, path: str, content: bytes) -> None:
        """Write a file. Raises SandboxError."""
        ...

    def get(self, path: str) -> bytes:
        """Read a file. Raises SandboxError."""
        ...


class KeptSandbox:
    """Runs scripts in a container's own working tree, one after another."""

    def __init__(self, container: Container, name: str = "kept") -> None:
        self.name = name
        self._container = container
        self._lock = threading.Lock()
        self._closed = False
        self._trees: dict[str, _Tree] = {}

    def ensure(self, environment: Environment) -> None:
        """Check that the working tree can be kept, by keeping it. Raises SandboxError."""
        with self._lock:
            self._tree(environment)

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script in the working tree with a patch, and put the tree back; see `Sandbox.run`."""
        return self._execute(environment, script, patch, limits or Limits(), None)[0]

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        """Run a script in the working tree with a layer over it; see `SessionSandbox.step`."""
        result, after = self._execute(environment, script, None, limits or Limits(), layer)
        return step_of(environment, layer, result, after)

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Session:
        """Open a session; see `SessionSandbox.open`."""
        return Session(self, environment, limits or Limits(), layer)

    def close(self) -> None:
        """End the execution that is running, and remove the copies of the trees."""
        self._closed = True
        self._container.interrupt()
        while not self._lock.acquire(timeout=_AGAIN):
            self._container.interrupt()
        try:
            for tree in self._trees.values():
                with contextlib.suppress(SandboxError):
                    tree.end()
            self._trees.clear()
        finally:
            self._lock.release()

    def _execute(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None
    ) -> tuple[Execution, Layer | str]:
        if refusal := inside.refusal(environment, script, limits):
            return inside.failed(refusal), ""
        try:
            with self._lock:
                if self._closed:
                    return inside.failed("the sandbox was closed"), ""
                return self._tree(environment).run(environment, script, patch, limits, layer)
        except Exception as error:  # also of texts and environments that cannot be passed on
            return inside.unforeseen(error), ""

    def _tree(self, environment: Environment) -> _Tree:
        repository = environment.repository
        if repository not in self._trees:
            self._trees[repository] = _Tree(self._container, repository)
        return self._trees[repository]


class _Tree:
    """A working tree that is kept."""

    def __init__(self, container: Container, repository: str) -> None:
        """Copy the tree. Raises SandboxError."""
        self._container, self._repository = container, repository
        digest = hashlib.sha256(repository.encode(errors="surrogateescape")).hexdigest()[:16]
        self.folder = str(PurePosixPath(container.scratch, f"codemonkeys-kept-{digest}"))
        self._make_folder()
        try:
            begun = self._call("begin", {"tree": repository}, START_SECONDS)
        except SandboxError:
            with contextlib.suppress(SandboxError):
                container.exec(["rm", "-rf", "--", self.folder], 600)
            raise
        self._nodes: bytes = begun["nodes"]
        self._drop: Sequence[str] = begun["drop"]

    def _make_folder(self) -> None:
        """Make the folder, in place of one whose owner has died after all was put back. Raises SandboxError."""
        container, folder = self._container, self.folder
        code, said = container.exec(["mkdir", "-m", "700", "--", folder], 60)
        if code and container.is_abandoned(folder):
            if container.exec(["test", "-e", f"{folder}/running"], 60)[0] == 0:
                raise SandboxError(keeper.middle(self._repository, folder))
            container.exec(["rm", "-rf", "--", folder], 600)
            code, said = container.exec(["mkdir", "-m", "700", "--", folder], 60)
        if code:
            raise SandboxError(
                f"another run works in {self._repository} ({said.strip()[-300:]}): wait for its end, or copy the "
                "repository to another folder"
            )
        container.put(f"{folder}/owner", container.owner.encode())

    def run(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None
    ) -> tuple[Execution, Layer | str]:
        folder = f"{self.folder}/script"
        reply = self._call(
            "run",
            {
                "tree": self._repository,
                "nodes": self._nodes,
                "command": inside.command(environment, script, patch, limits, self._drop, folder=folder),
                "files": inside.files(script, patch),
                "variables": dict(environment.variables),
                "layer": None if layer is None else [tuple(entry) for entry in layer.entries],
                "most": (MOST_BYTES, MOST_ENTRIES),
                "seconds": limits.seconds,
                "memory_kb": limits.memory_mb << 10,
                "processes": limits.processes,
                "output_bytes": limits.output_bytes,
                "file_bytes": limits.disk_mb << 20,
                "keyctl": SYS_KEYCTL,
                "owned": self._container.owned,
            },
            limits.seconds + _AFTER,
        )
        self._nodes = reply["nodes"]
        result = inside.execution(reply["output"], reply["report"])
        found = reply["layer"]
        if layer is None or isinstance(found, str):
            return result, found or ""
        try:
            return result, Layer.of(Entry(*entry) for entry in found)
        except ValueError as error:
            return result, f"what the command left cannot be kept ({error})"

    def end(self) -> None:
        """Forget the copy. Raises SandboxError if the tree was not put back."""
        self._call("end", {"tree": self._repository}, 600)

    def _call(self, action: str, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        container = self._container
        container.put(f"{self.folder}/request", marshal.dumps(request, 4))
        program = f"import sys; sys.path.insert(0, {container.library!r}); from sandboxes import keeper; "
        program += f"keeper.main({action!r}, {self.folder!r})"
        code, said = container.exec([container.python, "-c", program], seconds)
        if code:
            raise SandboxError(f"the working tree {self._repository} cannot be kept: {said.strip()[-500:] or code}")
        if action == "end":
            return {}
        reply: dict[str, Any] = marshal.loads(container.get(f"{self.folder}/reply"))
        if "failed" in reply:
            raise SandboxError(str(reply["failed"]))
        return reply
