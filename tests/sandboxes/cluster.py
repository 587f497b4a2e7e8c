"""A Ray cluster of this machine, whose nodes can be added, stopped and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sandboxes.cluster.connection import Connection
from sandboxes.cluster.driver import RaySandbox
from sandboxes.cluster.starting import variables
from sandboxes.nodes import Node

# What `ray start --address=... --block` does, which refuses to with addresses of the loopback.
JOIN = """\
import sys, time
from ray._private.node import Node
from ray._private.parameter import RayParams
node = Node(
    RayParams(
        gcs_address=sys.argv[1], node_ip_address="127.0.0.1", num_cpus=int(sys.argv[2]), num_gpus=0,
        object_store_memory=100_000_000, node_manager_port=0, include_log_monitor=False,
    ),
    head=False, shutdown_at_exit=True, spawn_reaper=True,
)
while not node.dead_processes():
    time.sleep(0.5)
"""
UNSHARE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount"]
"""Has a program see files as another machine would: those of the driver are not known to be the same."""
EVERY, PATIENCE = 0.5, 5.0
"""Of the heartbeats in tests: seconds between two, and without an answer until a node is given up."""


class TwoNodes:
    """A head, to which this process is connected and which takes work, and a node that joins it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[TwoNodes]:
        """A cluster of one node without an engine, as the sandbox starts it; it ends with the block."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            connection = Connection("local", 2)
        assert connection.own is not None
        try:
            yield cls(connection.own.folder, connection.address)
        finally:
            connection.close()

    def variables(self) -> dict[str, str]:
        """What other processes of this machine need to connect to it."""
        return {name: value for name, value in variables(self.folder).items() if name.startswith("RAY_")}

    def open(self, share: bool = True, patience: float = PATIENCE) -> RaySandbox:
        """A sandbox on its nodes."""
        return RaySandbox("tests", "local", share=share, every=EVERY, patience=patience)

    @contextmanager
    def joined(self, home: Path, cores: int = 1, apart: bool = False) -> Iterator[JoinedNode]:
        """Another node, which leaves with the block. `apart`: files are sent to it, as to another machine."""
        node = JoinedNode(self.folder, self.address, home, cores, UNSHARE if apart else [])
        try:
            yield node
        finally:
            node.signal(signal.SIGCONT)
            node.signal(signal.SIGKILL)
            node.process.kill()  # as it could not be told by its variables while it began
            node.process.wait()


class JoinedNode:
    """A node of its own, on this machine."""

    def __init__(self, folder: Path, address: str, home: Path, cores: int, before: list[str]) -> None:
        self.home = home
        home.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*before, sys.executable, "-I", "-c", JOIN, address, str(cores)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**variables(folder), "CODEMONKEYS_HOME": str(home)},
            cwd="/",
            start_new_session=True,
        )

    def pids(self, word: str = "") -> list[int]:
        """Its processes, and only those of Ray, whose command line has a word."""
        mark, found = f"CODEMONKEYS_HOME={self.home}\0".encode(), []
        for about in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (about / "environ").read_bytes() and word.encode() in (about / "cmdline").read_bytes():
                    found.append(int(about.name))
        return found

    def tree(self, word: str) -> list[int]:
        """Its processes whose command line has a word, and all that they have started, such as scripts."""
        children = defaultdict[int, list[int]](list)
        for about in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                children[int(about.read_text().rpartition(")")[2].split()[1])].append(int(about.parent.name))
        found = self.pids(word)
        for pid in found:
            found += (child for child in children[pid] if child not in found)
        return found

    def signal(self, number: int, word: str = "") -> None:
        """Send a signal to its processes."""
        for pid in self.pids(word):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def wait_for(true: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until something is true; fails if that takes too long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.1)


def up(sandbox: RaySandbox) -> list[Node]:
    """The nodes that are up."""
    return [node for node in sandbox.cluster().nodes if node.state == "up"]
