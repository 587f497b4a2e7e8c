"""The machines of a cluster in the journal and in `status`: what ran where, what failed, and what went elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from codemonkeys.cli.exits import Exit
from codemonkeys.cli.studying import GradingPlace, study_command
from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.journal.nodes import stored_cluster
from codemonkeys.journal.run_files import reading
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.report.cluster_view import cluster_lines
from codemonkeys.report.run_status import RunStatus, StatusReader
from codemonkeys.report.status_view import fitted_view, status_line, status_view
from codemonkeys.runs import nodes as keeping
from codemonkeys.runs.nodes import keeping_nodes
from codemonkeys.tasks.backends import BACKENDS
from sandboxes.base import Capacity, Environment, Execution, Limits, Reason, Script
from sandboxes.nodes import Cluster, Node
from tests.fakes import PLACE, TASK, AnsweringModel, AnsweringSandbox, open_steps
from tests.journal.test_old_runs import restore
from tests.report.finished_run import finish_run

ONE = Node("1" * 56, "10.0.0.1", "docker", "up", 8, 32_000, 2, 3, 50 * 1024)
TWO = replace(ONE, id="2" * 56, address="10.0.0.2", running=0)
CLUSTER = Cluster("10.0.0.1:6379", "http://10.0.0.1:8265", (ONE, TWO))
HOSTILE = "[red]bold[/red] \x1b[31mescape\x1b]0;title\x07 \u202e[link=http://x]here[/link]"


@dataclass
class TwoMachines(AnsweringSandbox):
    """A sandbox of two machines, the first of which fails what it is given."""

    now: Cluster = CLUSTER

    def cluster(self) -> Cluster:
        return self.now

    def capacity(self) -> Capacity:
        return Capacity(16, 64_000, 8)

    def call(self, environment: Environment, limits: Limits, function: Callable[..., Any], *arguments: object) -> Any:
        raise AssertionError("nothing is called here")

    def call_all(self, function: Callable[..., Any], *arguments: object) -> Any:
        raise AssertionError("nothing is called here")


def failing_first(script: str, patch: str | None) -> Execution:
    if script in FAILED:
        return Execution(Reason.EXITED, 0, node=TWO.id)
    FAILED.add(script)
    return Execution(Reason.SANDBOX_FAILED, detail="node 10.0.0.1 was lost", node=ONE.id)


FAILED: set[str] = set()


def rendered(status: RunStatus, width: int = 120, height: int = 40) -> str:
    console = Console(width=width, height=height, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(fitted_view(status, console))
    return console.export_text()


def test_what_fails_on_a_machine_is_counted_there_and_told_as_retried_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process sees it while the run goes on."""
    FAILED.clear()
    monkeypatch.setattr(keeping, "PAUSE", 0.01)
    sandbox = TwoMachines(failing_first)
    steps = open_steps(tmp_path, AnsweringModel(lambda _: ""), sandbox)
    told = ""

    async def run() -> None:
        nonlocal told
        async with keeping_nodes(steps.journal, sandbox):
            for number in range(3):
                request = ExecutionRequest(PLACE, Script(str(number)), None, Limits())
                result = await steps.executions.run(StepKey(TASK.id, "test", number, 0, "original"), request)
                assert result.reason is Reason.EXITED
            # Equal to an execution that has ended: it runs nowhere.
            await steps.executions.run(StepKey(TASK.id, "test", 9, 0, "original"), request)
            sandbox.now = replace(CLUSTER, nodes=(replace(ONE, state="gone", failure="it left"), TWO))
            await asyncio.sleep(0.1)
            command = [sys.executable, "-m", "codemonkeys", "status", "run", "--runs", str(tmp_path), "--json"]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    asyncio.run(run())
    steps.close()
    steps.journal.close()
    seen = json.loads(told)
    assert seen["owner"] == os.getpid() and seen["cluster"]["dashboard"] == CLUSTER.dashboard
    one, two = sorted(seen["cluster"]["nodes"], key=lambda node: str(node["node"]))
    assert (one["state"], one["executions"], one["failures"], one["elsewhere"]) == ("gone", 0, 3, 3)
    assert one["last_failure"] == "it left" and two["last_failure"] == ""
    assert (two["state"], two["executions"], two["failures"], two["elsewhere"]) == ("up", 3, 0, 0)
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as connection:
        counted = connection.execute("SELECT node, state, count(*) FROM executions WHERE NOT reused GROUP BY 1, 2")
        assert sorted(counted) == [(ONE.id, "failed", 3), (TWO.id, "done", 3)]

    after = StatusReader(tmp_path / "run").read()
    assert after.owner is None and after.cluster is not None
    assert [node["running"] for node in after.cluster["nodes"]] == [0, 0]
    text = rendered(after)
    assert "2 nodes so far" in text and "3 executions failed on a node; 3 retried on another since" in text
    assert "dashboard" not in text
    assert [(failure.where, failure.text) for failure in after.troubles] == [("10.0.0.1 gone", "it left")]


def test_machines_of_an_earlier_session_are_gone(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.nodes.put(CLUSTER, None)
        journal.add_tasks([TASK])
        journal.executions.put(
            *(StepKey(TASK.id, "test", 0, 0, "original"), "0" * 64, PLACE, Script("x"), None),
            *(Execution(Reason.EXITED, 0, node=ONE.id), False, 1),
        )
    three = Cluster("10.0.0.3:6379", "", (replace(TWO, id="3" * 56, address="10.0.0.3"),))
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.nodes.put(three, None)
        grown = replace(three, nodes=(*three.nodes, TWO))
        journal.nodes.put(grown, three)
        status = StatusReader(tmp_path / "run").read()
        assert status.cluster is not None and status.cluster["address"] == "10.0.0.3:6379"
        states = {node["address"]: node["state"] for node in status.cluster["nodes"]}
        assert states == {"10.0.0.1": "gone", "10.0.0.2": "up", "10.0.0.3": "up"}
        assert {node["address"]: node["executions"] for node in status.cluster["nodes"]}["10.0.0.1"] == 1
        assert "10.0.0.3:6379, 3 nodes: 2 up, 1 gone" in status_line(status)
        assert "10.0.0.3:6379, 1 node up" in cluster_lines(
            {**status.cluster, "nodes": status.cluster["nodes"][:1]}, True
        )
        journal.nodes.put(three, grown)
        with reading(tmp_path / "run" / "run.db") as connection:
            found = stored_cluster(connection)
        assert found is not None and [node["state"] for node in found["nodes"]] == ["up", "gone", "gone"]


@pytest.mark.parametrize(("width", "height"), [(120, 40), (90, 24), (50, 24)])
def test_many_machines_fit_the_terminal_and_trouble_stays_in_sight(tmp_path: Path, width: int, height: int) -> None:
    nodes = [replace(ONE, id=f"{n:056x}", address=f"10.0.1.{n}", running=n) for n in range(64)]
    nodes[5] = replace(nodes[5], state="suspect", failure="it has not answered for 35 s")
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.nodes.put(replace(CLUSTER, nodes=tuple(nodes)), None)
        status = StatusReader(tmp_path / "run").read()
        text = rendered(status, width, height)
    lines = text.splitlines()
    assert len(lines) <= height and max(map(len, lines)) <= width, text
    assert "64 nodes: 63 up, 1 suspect" in " ".join(text.split()) and CLUSTER.dashboard in text
    assert "10.0.1.5 " in text and "10.0.1.63" in text and "more (" in text, text


def test_what_machines_say_is_shown_literally_and_secrets_are_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_API_KEY", "canary-value-of-a-key")
    node = replace(ONE, address=HOSTILE, sandbox=HOSTILE, failure=f"{HOSTILE} canary-value-of-a-key")
    sandbox = TwoMachines(failing_first, now=Cluster(HOSTILE, HOSTILE, (node,)))
    steps = open_steps(tmp_path, AnsweringModel(lambda _: ""), sandbox)

    async def run() -> RunStatus:
        async with keeping_nodes(steps.journal, sandbox):
            return StatusReader(tmp_path / "run").read()

    status = asyncio.run(run())
    steps.close()
    steps.journal.close()
    assert "canary-value" not in json.dumps(status.cluster)
    console = Console(width=160, force_terminal=True, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(status_view(status))
    text = console.export_text()
    assert "[red]bold[/red]" in text and "[link=http://x]" in text
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text


def test_runs_of_older_versions_have_no_machines(tmp_path: Path) -> None:
    """They are read as they are, and opened with their executions kept."""
    database = restore("conversation", tmp_path)
    before = StatusReader(database.parent).read()
    assert before.cluster is None and "cluster" not in rendered(before)
    with closing(sqlite3.connect(database)) as connection:
        (executions,) = connection.execute("SELECT count(*) FROM execution_steps").fetchone()
        source, settings = connection.execute("SELECT source, settings FROM run").fetchone()
    with closing(Journal(tmp_path, "conversation", source, json.loads(settings))):
        pass
    with closing(sqlite3.connect(database)) as connection:
        kept = connection.execute("SELECT count(*) FROM execution_steps WHERE node = ''").fetchone()
        assert kept == (executions,) and executions
    assert StatusReader(database.parent).read().cluster is None


def test_a_study_of_a_run_on_a_cluster_needs_no_cluster(
    tmp_path: Path,
    make_repository: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish_run(tmp_path, make_repository({"module.py": "def function():\n    return 1\n"}), sandbox={"kind": "ray"})
    monkeypatch.setattr(BACKENDS, "get", lambda name: pytest.fail(f"{name} was opened"))
    assert study_command(tmp_path, "run", (), None, None, GradingPlace(), as_json=True) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["rules"]
