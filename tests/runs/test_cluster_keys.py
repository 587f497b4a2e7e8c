"""A run on nodes of somebody else's, whose driver has keys: no node ever sees one of them."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.cli import doctor
from sandboxes.cluster.connection import living
from sandboxes.conformance.isolation import KEYS
from tests.models.endpoint import Reply, Seen, serve
from tests.runs.test_cluster import SmallBatch
from tests.runs.test_cluster import respond as answer
from tests.sandboxes.cluster import JoinedNode, TwoNodes, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("ray runs")]

CANARY = "canary-of-a-provider-7a1f"
OWN = "KEY_OF_MY_ENDPOINT_API_KEY"
"""A variable that the settings name."""
VARIABLES = (*KEYS, *doctor.KEYS, OWN, "VERTEXAI_CREDENTIALS", "WATSONX_APIKEY", "DOCKER_AUTH_CONFIG", "HTTPX_AUTH")
FIRST, ANSWERS = 6, 30
"""Answers that the model gives before both nodes are up, and at least until they are searched."""
SAYS = "print(sorted(__import__('os').environ.items())); "


def test_no_node_sees_a_key(ray_cluster: TwoNodes, shared_home: Path, tmp_path: Path) -> None:
    """Not in variables, arguments or memory of processes there, the table of jobs, logs, or files that were sent."""
    batch, released = SmallBatch(tmp_path, shared_home, ray_cluster.variables()), threading.Event()
    batch.variables |= {name: f"{CANARY}-{name}" for name in VARIABLES}
    (tmp_path / "home.yaml").write_text(json.dumps({"operation": {"key_variable": OWN}}))
    searched = threading.Event()

    def respond(seen: Seen) -> Reply:
        assert seen.headers["authorization"].startswith("Basic ")  # the one in the address
        if seen.number == FIRST:
            wait_for(lambda: batch.query("cluster", "SELECT count(*) FROM nodes WHERE state = 'up'")[0][0] == 2)
        if seen.number >= ANSWERS and len(nodes_of(batch)) == 2:
            searched.set()
            released.wait(500)
        reply = answer(seen)
        return Reply(reply.status, reply.body.replace("__import__('time')", SAYS + "__import__('time')"), reply.headers)

    with serve(respond) as endpoint, ray_cluster.joined(tmp_path / "second", 4, apart=True) as second:
        wait_for(lambda: len(living()) == 2)
        url = endpoint.url.replace("://", f"://user:{CANARY}@")
        more = ("--sandbox", "ray", "--ray-address", ray_cluster.address, "--config", "home.yaml")
        driver = batch.start(*batch.solve(url, "cluster", *more))
        try:
            end = time.monotonic() + 300
            while not searched.wait(0.05) and driver.poll() is None:
                assert time.monotonic() < end, "the run does not go on"
                assert list(with_canary(driver.pid)) == []
            agents = [pid for pid in node_processes(ray_cluster) if b"NodeAgent" in about(pid, "cmdline")]
            assert len(agents) >= 2 and driver.poll() is None
            assert [pid for pid in node_processes(ray_cluster) if remembers(pid)] == []
            assert remembers(driver.pid)
            assert CANARY not in str(jobs()) and len(jobs()) >= 2
        finally:
            released.set()
            _, said = driver.communicate(400)
        assert driver.wait() == 0, said
        sent = files(second)
        assert any("sent" in path.parts and path.name == "greeting.py" for path in sent)
        logs = [path for path in ray_cluster.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert len(logs) > 10
        assert [path for path in (*sent, *logs) if CANARY.encode() in path.read_bytes()] == []
    outputs = [str(row) for row in batch.query("cluster", "SELECT output FROM executions WHERE node <> ''")]
    assert sum("PATH" in output for output in outputs) > 10
    assert not [output for output in outputs if CANARY in output or re.search(r"_API_KEY|redacted", output)]


def nodes_of(batch: SmallBatch) -> list[tuple[Any, ...]]:
    return batch.query("cluster", "SELECT DISTINCT node FROM execution_steps WHERE state = 'done' AND node <> ''")


def with_canary(driver: int) -> Iterator[str]:
    """Processes that are neither this one nor the driver's, with a key in their variables or arguments."""
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        arguments = about(pid, "cmdline")
        if CANARY.encode() in about(pid, "environ") + arguments and driver not in ancestors(pid):
            yield arguments.decode()


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        pid = int((about(pid, "stat").rpartition(b")")[2].split() or [b"0", b"0"])[1])


def node_processes(cluster: TwoNodes) -> list[int]:
    mark = f"RAY_TMPDIR={cluster.folder}/".encode()
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if mark in about(pid, "environ") and pid != os.getpid()]


def about(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def remembers(pid: int) -> bool:
    """Whether a key is in what a process may write of its memory."""
    parts = [line.split()[:2] for line in about(pid, "maps").decode().splitlines()]
    with suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for span, _ in (part for part in parts if part[1].startswith("rw")):
            start, end = (int(number, 16) for number in span.split("-"))
            with suppress(OSError, OverflowError):
                memory.seek(start)
                while start < end and (piece := memory.read(min(end - start, 1 << 24))):
                    if CANARY.encode() in piece:
                        return True
                    start += len(piece)
    return False


def jobs() -> list[dict[str, Any]]:
    from ray._private import state

    found: list[dict[str, Any]] = state.jobs()  # type: ignore[no-untyped-call]
    return found


def files(node: JoinedNode) -> list[Path]:
    return [path for path in node.home.rglob("*") if path.is_file() and not path.is_symlink()]
