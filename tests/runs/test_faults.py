"""Batches among faults, with real processes: every task ends, nothing paid is lost or paid twice, all ends the same."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.generation.answers import marker_for
from codemonkeys.models.fake_answers import answer
from tests.cli.command import Command, Done, codemonkeys
from tests.models.endpoint import Reply, Seen, serve
from tests.models.load_endpoint import load_endpoint
from tests.recorded import dry_run
from tests.runs.test_runs import wait_for
from tests.tiny_task import FILES, add_tasks, make_task_repository

TASKS = 20
SAMPLES = 2
MODEL = "openai/test-model"
PRICES = {"input_cost_per_token": 1e-5, "output_cost_per_token": 2e-5, "litellm_provider": "openai", "mode": "chat"}


class Batch:
    """A batch of tiny tasks in a folder."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.source = Path(make_task_repository(folder / "tasks"))
        self.ids = add_tasks(self.source, TASKS)
        (folder / "prices.json").write_text(json.dumps({MODEL: PRICES}))

    def solve(self, url: str, run: str, *more: str, samples: int = SAMPLES) -> list[str]:
        """The words of a command that solves the batch."""
        model = ["-m", MODEL, "--api-base", url, "-c", "operation.prices=prices.json"]
        return ["solve", "tasks", *model, "--run", run, "-c", f"generation.samples={samples}", "--budget", "500", *more]

    def __call__(self, *arguments: str) -> Done:
        return codemonkeys(*arguments, home=self.home, cwd=self.folder)

    def start(self, *arguments: str) -> Command:
        return Command(*arguments, home=self.home, cwd=self.folder)

    def query(self, run: str, query: str, runs: str = "runs") -> list[tuple[Any, ...]]:
        """What a run's journal answers; nothing before there is one."""
        try:
            connection = sqlite3.connect(f"file:{self.folder / runs}/{run}/run.db?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return []
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def predictions(self, run: str, runs: str = "runs") -> dict[str, str]:
        """The patches that a run submits."""
        return dict(self.query(run, "SELECT instance_id, model_patch FROM predictions WHERE state = 'predicted'", runs))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Batch:
    return Batch(tmp_path_factory.mktemp("batch"), shared_home)


@pytest.fixture(scope="module")
def plain(batch: Batch) -> dict[str, str]:
    """The predictions of a run without faults."""
    with serve(dry_run) as endpoint:
        done = batch(*batch.solve(endpoint.url, "plain"))
    assert done.code == 0, done.err
    predictions = batch.predictions("plain")
    assert sorted(predictions) == sorted(batch.ids) and all(predictions.values())
    return predictions


pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("batch")]


def rules(batch: Batch) -> list[tuple[str, str]]:
    """What the fake model would say to each task, as [regular expression over all text, answer]."""
    found = [["deciding which of its files matter", json.dumps([{"file": 1, "relevant": True, "summary": "Greets."}])]]
    for id in batch.ids:
        issue = (batch.source / "tasks" / id / "problem_statement.md").read_text()
        marker = re.escape(marker_for(id, (issue, *FILES.values())))
        test, edit, done = (said_by_the_fake_model(stage, turn, marker) for stage, turn in STEPS)
        found += [
            [f"You write a test script.*{marker}.*Your script was run", done],
            [f"You write a test script.*{marker}", test],
            [f"You resolve an issue.*{marker}.*Your edit, as a diff", done],
            [f"You resolve an issue.*{marker}", edit],
        ]
    return [(pattern, text) for pattern, text in found]


STEPS = (("test", 0), ("edit", 0), ("test", 1))


def said_by_the_fake_model(stage: str, turn: int, marker: str) -> str:
    """An answer of the fake model in a task with a marker."""
    from codemonkeys.keys import StepKey
    from codemonkeys.models.base import Message, Request

    return answer(Request(StepKey("any", stage, 0, turn), (Message("system", f"<<<<<<< DONE {marker}"),)))


@pytest.mark.data
def test_among_faults_every_task_ends_with_the_same_prediction(
    batch: Batch, plain: dict[str, str], data_dir: Path
) -> None:
    """429 with Retry-After, 500, connections cut in the middle of an answer, and requests that are never answered."""
    (batch.folder / "rules.json").write_text(json.dumps(rules(batch)))
    rates = ("--fail-429", "0.05", "--fail-500", "0.02", "--cut", "0.01", "--hang", "0.002", "--seed", "18")
    program = data_dir.parent / "tools" / "mock_llm.py"
    with load_endpoint(program, batch.folder / "rules.json", *rates) as url:
        # A call that is never answered is given up after some seconds: on a busy machine others are slow too.
        wanted = batch.solve(f"{url}/v1", "faulty", "-c", "operation.call_seconds=15", samples=6)
        done = batch(*wanted)
        with urllib.request.urlopen(f"{url}/stats") as response:
            stats = json.load(response)
    assert done.code == 0, done.err
    assert batch.predictions("faulty") == plain
    faults = {name: stats[name] for name in ("fail_429", "fail_500", "cut", "hang")}
    assert all(faults.values()), faults
    ((calls, prompt, completion),) = batch.query(
        "faulty", "SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM calls WHERE state = 'done'"
    )
    # All but the refusals by 429 may have been charged: each is on the bill, beside the answer that a retry got.
    charged = sum(faults.values()) - faults["fail_429"]
    states = "SELECT state, count(*), min(cost_usd) > 0 FROM calls GROUP BY state"
    assert sorted(batch.query("faulty", states)) == [("done", calls, 1), ("failed", charged, 1)]
    assert (calls, prompt, completion) == (stats["answered"], stats["prompt_tokens"], stats["completion_tokens"])
    assert batch.query("faulty", "SELECT sum(times) FROM retries") == [(sum(faults.values()),)]


KILLS = 50


def test_killed_fifty_times_nothing_paid_is_lost_or_paid_twice(batch: Batch, plain: dict[str, str]) -> None:
    """SIGKILL at random moments, spread over the run; what the endpoint has answered is compared with the journal."""
    rng = random.Random(50)
    counts = "SELECT (SELECT count(*) FROM call_steps WHERE state = 'done') + (SELECT count(*) FROM execution_steps)"
    total = batch.query("plain", counts)[0][0]
    codes: list[int] = []
    with serve(dry_run) as endpoint:
        limits = ("-c", "operation.calls=4", "-c", "operation.tasks=5")
        command = batch.solve(endpoint.url, "killed", *limits)
        for number in range(KILLS):
            process = batch.start(*command)
            enough = int(total * (number + rng.random()) / (KILLS + 1))
            end = time.monotonic() + 120
            while (batch.query("killed", counts) or [(0,)])[0][0] < enough and time.monotonic() < end:
                time.sleep(0.03)
            time.sleep(rng.random() * 0.05)
            process.kill()
            process.communicate()
            codes.append(process.wait())
        assert batch("resume", "killed").code == 0
        answered = len(endpoint.requests)
    assert codes.count(-signal.SIGKILL) >= KILLS - 2, codes
    assert batch.predictions("killed") == plain
    states = dict(batch.query("killed", "SELECT state, count(*) FROM call_steps GROUP BY state"))
    assert states["done"] == batch.query("plain", "SELECT count(*) FROM call_steps")[0][0]
    assert set(states) <= {"done", "lost"} and states["lost"] <= KILLS * 4
    # Each request is either an answer that the journal holds, or one that was in flight when its process died.
    assert states["done"] <= answered <= states["done"] + states["lost"]
    asked_after_answered = (
        "SELECT a.id FROM call_steps a JOIN call_steps b ON b.id > a.id AND "
        "(a.task, a.stage, a.sample, a.turn) = (b.task, b.stage, b.sample, b.turn) WHERE a.state = 'done'"
    )
    assert batch.query("killed", asked_after_answered) == []
    run_after_stored = (
        "SELECT request_hash FROM execution_steps WHERE reused = 0 AND state = 'done' "
        "GROUP BY request_hash HAVING count(*) > 1"
    )
    assert batch.query("killed", run_after_stored) == []
    # What was in flight stays on the bill at its upper bound.
    assert batch.query("killed", "SELECT count(*) FROM calls WHERE state = 'lost' AND cost_usd > 0") == [
        (states["lost"],)
    ]


def test_a_second_process_is_refused_and_told_the_first(batch: Batch) -> None:
    with serve(lambda seen: Reply(hang=True)) as endpoint:
        first = batch.start(*batch.solve(endpoint.url, "shared"))
        try:
            wait_for(lambda: endpoint.requests != [] or first.poll() is not None)
            assert first.poll() is None
            sent = len(endpoint.requests)
            for words in (batch.solve(endpoint.url, "shared"), ["resume", "shared"]):
                second = batch(*words)
                assert second.code == 2 and f"process {first.pid} is working on the run" in second.err, second.err
            assert len(endpoint.requests) >= sent and first.poll() is None
        finally:
            first.kill()
            first.communicate()
    assert batch.query("shared", "SELECT count(*) FROM calls WHERE state != 'started'") == [(0,)]


@pytest.fixture
def small_disk(batch: Batch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A small disk for runs."""
    folder = batch.folder / f"disk-{request.node.name}"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk of its own can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_the_run_and_loses_nothing(batch: Batch, plain: dict[str, str], small_disk: Path) -> None:
    """It fills up in the middle of the run; when there is room again, the run goes on where it was."""
    ballast, runs = small_disk / "ballast", ["--runs", str(small_disk)]

    def fill(seen: Seen) -> Reply:
        if seen.number == 40:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass  # It ends when the disk is full.
        return dry_run(seen)

    with serve(fill) as endpoint:
        done = batch(*batch.solve(endpoint.url, "full", *runs))
        assert done.code == 1 and "Traceback" not in done.err, done.err
        assert "cannot write the journal" in done.err and "codemonkeys resume full" in done.err
        sent = len(endpoint.requests)
        ballast.unlink()
        held = batch.query("full", "SELECT count(*) FROM calls WHERE state = 'done'", small_disk.name)[0][0]
        assert 0 < held <= sent
        done = batch("resume", "full", *runs)
        assert done.code == 0, done.err
        total = batch.query("full", "SELECT count(*) FROM calls WHERE state = 'done'", small_disk.name)[0][0]
        # What the journal held was not asked for again.
        assert len(endpoint.requests) - sent == total - held
    assert batch.predictions("full", small_disk.name) == plain


def test_a_folder_that_cannot_be_written_costs_nothing(batch: Batch, small_disk: Path) -> None:
    runs = ["--runs", str(small_disk)]
    with serve(dry_run) as endpoint:
        assert batch(*batch.solve(endpoint.url, "first", "-i", batch.ids[0], *runs)).code == 0
        sent = len(endpoint.requests)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        for words in (["resume", "first"], batch.solve(endpoint.url, "other")):
            done = batch(*words, *runs)
            assert done.code == 1 and "Traceback" not in done.err, done.err
            assert str(small_disk) in done.err and "ead-only" in done.err
        # It can still be looked at.
        assert batch("status", "first", *runs).code == 0 and batch("show", "first", *runs).code == 0
        assert len(endpoint.requests) == sent
