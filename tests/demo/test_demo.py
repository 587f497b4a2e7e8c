"""The demo as a user runs it: resolved, the same each time, on both sandboxes, and after any number of kills."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, codemonkeys

KILLS = 20


def query(runs: Path, name: str, query: str) -> list[tuple[Any, ...]]:
    """What a run's journal answers; nothing if it is not there yet."""
    try:
        connection = sqlite3.connect(f"file:{runs}/{name}/run.db?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return []
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


def prediction(runs: Path, name: str) -> str:
    """The patch that a run submits."""
    ((patch,),) = query(runs, name, "SELECT model_patch FROM predictions")
    return str(patch)


pytestmark = [pytest.mark.long, pytest.mark.xdist_group("demo")]


def test_it_shows_what_makes_it_telling(demo_run: Path) -> None:
    """Five trajectories, one malformed first answer, wrong edits that pass their own tests and lose the vote."""
    runs = demo_run / "runs"
    votes = dict(query(runs, "demo", "SELECT candidate, sum(vote) FROM votes GROUP BY candidate"))
    own = dict(
        query(
            runs,
            "demo",
            "SELECT c.number, v.vote FROM candidates c JOIN votes v "
            "ON v.task = c.task AND v.candidate = c.number AND v.script_hash = c.test_hash",
        )
    )
    assert len(votes) == 5 and all(own.values())
    wrong = {number for number, count in votes.items() if count < 5}
    assert len(wrong) == 2
    ((chosen,),) = query(runs, "demo", "SELECT candidate FROM tasks")
    assert chosen not in wrong
    turns = query(runs, "demo", "SELECT max(turn) FROM calls WHERE stage = 'edit' GROUP BY sample")
    assert sorted(turn for (turn,) in turns) == [1, 1, 1, 2, 2]


@pytest.mark.slow
def test_called_again_it_tells_of_the_run_that_is_there(demo_run: Path, shared_home: Path) -> None:
    """That another run is the same byte for byte is seen where the wheel makes one: `tests/test_package.py`."""
    done = codemonkeys("demo", "--json", home=shared_home, cwd=demo_run)
    assert done.code == 0, done.err
    assert json.loads(done.out)["resolved"] is True


@pytest.mark.docker
def test_in_docker_it_is_the_same(demo_run: Path, shared_home: Path) -> None:
    done = codemonkeys("demo", "--run", "docker", "--sandbox", "docker", home=shared_home, cwd=demo_run)
    assert done.code == 0, done.err
    assert prediction(demo_run / "runs", "docker") == prediction(demo_run / "runs", "demo")


def steps(runs: Path, name: str) -> int:
    """Steps that the journal holds."""
    counts = "SELECT (SELECT count(*) FROM call_steps) + (SELECT count(*) FROM execution_steps)"
    rows = query(runs, name, counts)
    return int(rows[0][0]) if rows else 0


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_the_same(demo_run: Path, shared_home: Path) -> None:
    """Every session but the last is killed with SIGKILL, some steps after it began; a step held is never done again."""
    runs, name = demo_run / "runs", "killed"
    rng = random.Random(20)
    total = steps(runs, "demo")
    for number in range(KILLS):
        command = ["demo", "--run", name] if number == 0 else ["resume", name]
        process = Command(*command, home=shared_home, cwd=demo_run)
        # Spread over the whole run, so that each stage is hit.
        enough = int(total * (number + rng.random()) / (KILLS + 1))
        end = time.monotonic() + 200
        while process.poll() is None and steps(runs, name) < enough:
            time.sleep(0.01)
            if time.monotonic() > end:
                process.communicate(1)  # which tells where it waits
        time.sleep(rng.random() * 0.1)
        process.kill()
        process.communicate()
    done = codemonkeys("resume", name, home=shared_home, cwd=demo_run)
    assert done.code == 0, done.err
    assert prediction(runs, name) == prediction(runs, "demo")
    assert query(runs, name, "SELECT count(*) FROM call_steps WHERE state = 'superseded'") == [(0,)]
    again = (
        "SELECT a.task, a.stage, a.sample, a.turn FROM call_steps a JOIN call_steps b ON b.id > a.id AND "
        "(a.task, a.stage, a.sample, a.turn) = (b.task, b.stage, b.sample, b.turn) WHERE a.state = 'done'"
    )
    assert query(runs, name, again) == []
    twice = (
        "SELECT request_hash FROM execution_steps WHERE reused = 0 AND state = 'done' "
        "GROUP BY request_hash HAVING count(*) > 1"
    )
    assert query(runs, name, twice) == []
    done_steps = "SELECT count(*) FROM {} WHERE state = 'done'"
    for table in ("call_steps", "execution_steps"):
        assert query(runs, name, done_steps.format(table)) == query(runs, "demo", done_steps.format(table))
