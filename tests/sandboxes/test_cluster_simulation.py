"""Many executions on simulated nodes: through the engine, the journal and the driver of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cluster_run import OF_A_TASK, simulate


@pytest.mark.slow
def test_every_execution_ends_once_and_no_node_has_more_than_its_cores(tmp_path: Path) -> None:
    pytest.importorskip("ray")  # Here, and not above: each worker collects this module.
    found = simulate(tasks=2, nodes=2, faster=400, runs=tmp_path / "runs")
    assert found.executions == 2 * OF_A_TASK
    assert 0 <= found.copies <= 2
