"""A whole run with `--batch`, killed while its batches are pending, against an endpoint that keeps its own bill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models.batch_endpoint import BatchEndpoint
from tests.models.endpoint import serve_endpoint
from tests.recorded import dry_run
from tests.runs.test_runs import MODEL, PRICES, Bench, wait_for

pytestmark = [pytest.mark.long, pytest.mark.slow]

QUICK = ("-c", "operation.batch.linger_seconds=0.2", "-c", "operation.batch.poll_seconds=0.1")


def test_killed_while_a_batch_is_pending(tmp_path: Path, shared_home: Path) -> None:
    """SIGKILL with the relevance batch at the provider: one submission of it, and a bill that agrees to the token."""
    bench, endpoint = Bench(tmp_path, shared_home), BatchEndpoint(dry_run)
    endpoint.released.clear()
    with serve_endpoint(endpoint):
        process = bench.start(*bench.arguments(endpoint, "--batch", "--budget", "5", *QUICK, samples=1))
        try:
            wait_for(lambda: endpoint.polls > 1)
            status = json.loads(bench("status", "run", "--json").out)
            assert [(batch["state"], batch["model"]) for batch in status["batches"]] == [("pending", MODEL)]
            assert "batch_1" in bench("status", "run").out
        finally:
            process.kill()
            process.communicate()
        ((waiting,),) = bench.query("SELECT count(*) FROM calls WHERE state = 'started' AND batch = 1")
        assert waiting
        endpoint.released.set()
        done = bench("resume", "run")
        assert done.code == 0, done.err
    assert bench.patch()
    stages = bench.query("SELECT stage, batch IS NOT NULL, count(*) FROM calls WHERE state = 'done' GROUP BY 1, 2")
    batched = sum(count for stage, in_batch, count in stages if in_batch)
    assert batched == sum(len(batch.calls) for batch in endpoint.batches.values())
    assert {stage for stage, in_batch, _ in stages if in_batch} <= {"relevance", "rank"}
    assert ("relevance", 1, waiting) in stages
    # What was in flight alone when it was killed was answered for nobody, and is booked at its bound.
    ((lost,),) = bench.query("SELECT count(*) FROM calls WHERE state = 'lost'")
    ((cost,),) = bench.query("SELECT sum(cost_usd) FROM calls WHERE state = 'done'")
    if not lost:
        assert cost == pytest.approx(endpoint.bill(PRICES[MODEL]), rel=1e-12)  # type: ignore[arg-type]
    query = "SELECT sum(prompt_tokens), sum(completion_tokens), sum(cost_usd) FROM calls WHERE batch > 0"
    ((prompt, completion, cost),) = bench.query(query)
    assert (prompt, completion) == (endpoint.charged["prompt in batches"], endpoint.charged["completion in batches"])
    assert cost == pytest.approx((prompt * 1e-5 + completion * 2e-5) / 2, rel=1e-12)
