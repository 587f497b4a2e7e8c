"""A run over a cluster whose nodes and driver are killed: it comes to what a run on one machine comes to."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.models.endpoint import serve
from tests.recorded import dry_run
from tests.runs.test_faults import Batch
from tests.sandboxes.cluster import TwoNodes, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("ray")]

TASKS = 6


class SmallBatch(Batch):
    """Fewer tasks."""

    def __init__(self, folder: Path, home: Path) -> None:
        super().__init__(folder, home)
        for task in sorted((self.source / "tasks").iterdir())[TASKS:]:
            task.rename(folder / task.name)


DONE = "SELECT count(*) FROM execution_steps WHERE state = 'done' AND NOT reused"
CALLS = "SELECT count(*) FROM call_steps WHERE state = 'done'"
TWICE = f"SELECT request_hash {DONE.removeprefix('SELECT count(*)')} GROUP BY request_hash HAVING count(*) > 1"


def test_nodes_and_drivers_are_killed(
    ray_cluster: TwoNodes, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node is killed with its agent, then the driver; it is resumed on the cluster, and again on one of its own."""
    batch = SmallBatch(tmp_path, shared_home)
    for name, value in ray_cluster.variables().items():
        monkeypatch.setenv(name, value)

    def executions() -> int:
        return int((batch.query("cluster", DONE) or [(0,)])[0][0])

    with serve(dry_run) as endpoint:
        assert batch(*batch.solve(endpoint.url, "plain", "--sandbox", "local")).code == 0
        total = batch.query("plain", DONE)[0][0]
        with ray_cluster.joined(tmp_path / "second") as second:
            command = batch.solve(endpoint.url, "cluster", "--sandbox", "ray", "--ray-address", ray_cluster.address)
            driver = batch.start(*command)
            wait_for(lambda: executions() > 0)
            wait_for(second.pids)
            second.signal(signal.SIGKILL)
            killed_at = executions()
            wait_for(lambda: executions() > killed_at or driver.poll() is not None)
            driver.kill()
            driver.communicate()
            assert driver.wait() == -signal.SIGKILL
        assert 0 < executions() < total
        with ray_cluster.joined(tmp_path / "third"):
            driver = batch.start("resume", "cluster")
            before = executions()
            wait_for(lambda: executions() > before)
            driver.kill()
            driver.communicate()
            driver.wait()
        done = batch("resume", "cluster", "--ray-address", "local")
        assert done.code == 0, done.err
        answered = len(endpoint.requests)
    assert batch.predictions("cluster") == batch.predictions("plain")
    assert batch.query("cluster", DONE) == batch.query("plain", DONE)
    assert batch.query("cluster", CALLS) == batch.query("plain", CALLS)
    assert batch.query("cluster", TWICE) == []
    lost = batch.query("cluster", "SELECT count(*) FROM call_steps WHERE state = 'lost'")[0][0]
    calls = batch.query("cluster", CALLS)[0][0]
    assert 2 * calls <= answered <= 2 * calls + lost
    assert len(batch.query("cluster", "SELECT DISTINCT node FROM execution_steps WHERE node <> ''")) >= 2
