"""Agents that are killed at any moment: no answer is paid twice, no command runs twice, and all ends the same."""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

import pytest

from tests.models.endpoint import Reply, Seen, answer, serve
from tests.recorded import said_before
from tests.runs.test_faults import Batch

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("batch")]

KILLS = 10
AGENTS = ["generation.kinds=[agent]", "agent.context=none", "generation.repository_tests=false", "context.tests=true"]


def agent(seen: Seen) -> Reply:
    """Look, change files by commands that each need those before, then test and submit."""
    marker = re.findall(r"^<<<<<<< DONE (\S+)$", seen.text, re.M)[-1]
    end = f">>>>>>> END {marker}\n"
    steps = [
        f"<<<<<<< BASH {marker}\nmkdir kept; echo 1 > kept/count; echo made > made.txt\n{end}",
        f"<<<<<<< BASH {marker}\necho 2 >> kept/count; rm README.md; git status --short\n{end}"
        f"<<<<<<< BASH {marker}\nsed -i 's/Hello {{/Hello, {{/' greeting.py; cat kept/count\n{end}",
        f"<<<<<<< TEST {marker}\nimport sys\nfrom greeting import greet\nsys.exit(2 - 2 * (',' in greet('')))\n{end}",
        f"<<<<<<< BASH {marker}\ncat kept/count >lines; git checkout -q README.md; wc -l <lines >>greeting.py\n{end}",
        f"<<<<<<< DONE {marker}\n",
    ]
    return answer(steps[len(said_before(seen))])


def test_killed_agents_go_on_as_if_they_had_not_been(tmp_path: Path, shared_home: Path) -> None:
    batch = Batch(tmp_path, shared_home)
    more = [word for setting in AGENTS for word in ("-c", setting)] + ["--limit", "4"]
    rng = random.Random(15)
    steps = "SELECT (SELECT count(*) FROM call_steps WHERE state = 'done') + (SELECT count(*) FROM execution_steps)"
    with serve(agent) as endpoint:
        done = batch(*batch.solve(endpoint.url, "plain", *more))
    assert done.code == 0, done.err
    plain = batch.predictions("plain")
    assert len(plain) == 4 and all("+2\n" in patch and "Hello, {name}" in patch for patch in plain.values()), plain
    ((total,),) = batch.query("plain", steps)
    codes: list[int] = []
    with serve(agent) as endpoint:
        command = batch.solve(endpoint.url, "killed", *more)
        for number in range(KILLS):
            process = batch.start(*command)
            enough, end = int(total * (number + rng.random()) / (KILLS + 1)), time.monotonic() + 120
            while (batch.query("killed", steps) or [(0,)])[0][0] < enough and time.monotonic() < end:
                time.sleep(0.03)
            time.sleep(rng.random() * 0.05)
            process.kill()
            process.communicate()
            codes.append(process.wait())
        resumed = batch("resume", "killed")
        assert resumed.code == 0, resumed.err
        answered = len(endpoint.requests)
    assert codes.count(-signal.SIGKILL) >= KILLS - 2, codes
    assert batch.predictions("killed") == plain
    states = dict(batch.query("killed", "SELECT state, count(*) FROM call_steps GROUP BY state"))
    assert [(states["done"],)] == batch.query("plain", "SELECT count(*) FROM call_steps")
    assert states["done"] <= answered <= states["done"] + states.get("lost", 0)
    twice = (
        "SELECT request_hash FROM execution_steps WHERE reused = 0 AND state = 'done' GROUP BY 1 HAVING count(*) > 1"
    )
    assert batch.query("killed", twice) == []
    # A replay needs no model.
    recorded = batch("export", "killed", "-o", "answers.jsonl", "--format", "recording")
    assert recorded.code == 0, recorded.err
    replayed = batch(
        "solve", "tasks", "-m", "replay:answers.jsonl", "--run", "replayed", *more, "-c", "generation.samples=2"
    )
    assert replayed.code == 0 and batch.predictions("replayed") == plain, replayed.err
    shown = batch("show", "killed", batch.ids[0])
    assert "Agents" in shown.out and "git checkout" in shown.out, shown.out
    assert batch("export", "killed", "-o", "atif", "--format", "atif").code == 0
    (first, *_) = sorted((tmp_path / "atif").rglob("*.json"))
    assert '"function_name": "bash"' in first.read_text()
