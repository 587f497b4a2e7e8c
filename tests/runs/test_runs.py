"""Whole runs as real processes over real HTTP: faults, interrupts, kills, budgets and keys."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.models.tokens import count_tokens
from codemonkeys.tasks import images, recipes
from codemonkeys.tasks.sources import load_tasks
from tests.cli.command import Command, Done, codemonkeys
from tests.models.endpoint import Endpoint, Reply, Responder, Seen, answer, serve, status, with_faults
from tests.models.load_endpoint import load_endpoint
from tests.recorded import dry_run
from tests.tiny_task import GOLD, ID, add_tasks, make_task_repository

MODEL = "openai/test-model"
PRICES = {
    MODEL: {"input_cost_per_token": 1e-5, "output_cost_per_token": 2e-5, "litellm_provider": "openai", "mode": "chat"}
}


pytestmark = [pytest.mark.long, pytest.mark.slow]


class Bench:
    """A folder with the tiny task, and commands called in it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.source = make_task_repository(folder / "tasks")
        (folder / "prices.json").write_text(json.dumps(PRICES))

    def arguments(self, endpoint: Endpoint, *more: str, name: str = "run", samples: int = 2) -> list[str]:
        model = ["-m", MODEL, "--api-base", endpoint.url, "-c", "operation.prices=prices.json"]
        return ["solve", self.source, *model, "--run", name, "-c", f"generation.samples={samples}", *more]

    def __call__(self, *arguments: str, **variables: str) -> Done:
        return codemonkeys(*arguments, home=self.home, cwd=self.folder, **variables)

    def start(self, *arguments: str) -> Command:
        return Command(*arguments, home=self.home, cwd=self.folder)

    def query(self, query: str, name: str = "run") -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.folder}/runs/{name}/run.db?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def patch(self, name: str = "run") -> str:
        ((patch,),) = self.query("SELECT model_patch FROM predictions", name)
        return str(patch)


@pytest.fixture
def bench(tmp_path: Path, shared_home: Path) -> Bench:
    return Bench(tmp_path, shared_home)


def slowly(seconds: float) -> Responder:
    return lambda seen: replace(dry_run(seen), seconds=seconds)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds; a minute is far more than it takes."""
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to hold")


def test_faults_change_nothing_but_the_number_of_requests(bench: Bench) -> None:
    with serve(dry_run) as endpoint:
        assert bench(*bench.arguments(endpoint, name="plain")).code == 0
        plain = len(endpoint.requests)
    rates = {"fail_429": 0.2, "fail_500": 0.1, "cut": 0.1}
    with serve(with_faults(dry_run, rates, seed=3)) as endpoint:
        done = bench(*bench.arguments(endpoint, name="faulty"))
        assert done.code == 0, done.err
        assert len(endpoint.requests) > plain
    assert bench.patch("faulty") == bench.patch("plain") != ""
    answered = "SELECT count(*) FROM calls WHERE state = 'done'"
    assert bench.query(answered, "faulty") == bench.query(answered, "plain") == [(plain,)]
    # What had to be asked again is told at the end, and stays in the journal.
    again = dict(bench.query("SELECT status, sum(times) FROM retries GROUP BY status", "faulty"))
    assert sum(again.values()) == len(endpoint.requests) - plain and "429" in again
    assert f"{again['429']} times after 429" in done.out


def test_a_run_of_a_small_window_is_killed_and_resumed_with_the_same_requests(bench: Bench) -> None:
    window = {"max_input_tokens": 16_384, "max_output_tokens": 2_000}
    (bench.folder / "prices.json").write_text(json.dumps({MODEL: PRICES[MODEL] | window}))
    with serve(dry_run) as endpoint:
        done = bench(*bench.arguments(endpoint, name="whole"))
        assert done.code == 0 and "context.tokens=128,000 is more than openai/test-model holds" in done.err, done.err
        whole = {json.dumps(seen.body, sort_keys=True) for seen in endpoint.requests}
        for seen in endpoint.requests:
            assert 1.25 * count_tokens(seen.text) + seen.body["max_tokens"] <= 16_384
            assert seen.body["max_tokens"] <= 2_000
    with serve(slowly(0.5)) as endpoint:
        process = bench.start(*bench.arguments(endpoint))
        wait_for(lambda: len(endpoint.requests) >= 4)
        process.kill()
        process.communicate()
        # A newer list changes nothing in a run that has begun.
        (bench.folder / "prices.json").write_text(json.dumps(PRICES))
        assert bench("resume", "run").code == 0
        assert {json.dumps(seen.body, sort_keys=True) for seen in endpoint.requests} == whole
    assert bench.patch() == bench.patch("whole") != ""


def test_predictions_are_there_while_the_run_goes_on(bench: Bench) -> None:
    """The first task has a prediction in a whole file while the second is in work, also for one who kills the run."""
    first, second = add_tasks(Path(bench.source), 2)

    def held(seen: Seen) -> Reply:
        return Reply(hang=True) if f"issue {second}." in seen.text else dry_run(seen)

    file = bench.folder / "runs" / "run" / "preds.json"
    with serve(held) as endpoint:
        process = bench.start(*bench.arguments(endpoint, "-c", "operation.tasks=1", samples=1))
        try:
            wait_for(lambda: file.exists() and first in json.loads(file.read_text()))
            assert process.poll() is None
            status_of = bench("status", "run", "--json")
            standing = json.loads(status_of.out)
            assert standing["owner"] == process.pid and standing["tasks"]["predicted"] == 1
            assert f"active in process {process.pid}" in bench("status", "run").out
            assert str(process.pid) in bench("status").out
        finally:
            process.kill()
            process.communicate()
    assert list(json.loads(file.read_text())) == [first]
    with serve(dry_run) as endpoint:
        assert bench("resume", "run", "--api-base", endpoint.url).code == 0
    predictions = json.loads(file.read_text())
    assert list(predictions) == [first, second]
    assert {id: row["model_patch"] for id, row in predictions.items()} == dict(
        bench.query("SELECT instance_id, model_patch FROM predictions")
    )
    assert "not active" in bench("status", "run").out


def test_a_copy_that_cannot_be_written_stops_nothing(bench: Bench) -> None:
    (bench.folder / "runs" / "run" / "preds.json" / "in the way").mkdir(parents=True)
    with serve(dry_run) as endpoint:
        done = bench(*bench.arguments(endpoint))
    assert done.code == 0 and "preds.json: cannot be written" in done.err and bench.patch()


def test_wrong_key_stops_at_once_and_costs_nothing(bench: Bench) -> None:
    with serve(lambda seen: status(401)) as endpoint:
        done = bench(*bench.arguments(endpoint), OPENAI_API_KEY="sk-wrong-0123456789abcdef")
        assert done.code == 2 and "key" in done.err and "Traceback" not in done.err, done.err
        assert len(endpoint.requests) <= 4
    assert bench.query("SELECT coalesce(sum(cost_usd), 0) FROM calls") == [(0,)]


def test_rubbish_is_bounded_and_reported(bench: Bench) -> None:
    with serve(lambda seen: answer("I cannot help with that.")) as endpoint:
        done = bench(*bench.arguments(endpoint))
        assert done.code == 4, done.err
        # Relevance asks twice, rankings are not needed for one file; each sample has 4 + 4 turns.
        assert len(endpoint.requests) == 2 + 2 * 8
    assert bench.query("SELECT state FROM tasks") == [("no candidate",)]


def test_interrupt_lets_calls_in_flight_end_and_resume_goes_on(bench: Bench) -> None:
    with serve(slowly(1.0)) as endpoint:
        process = bench.start(*bench.arguments(endpoint, samples=3))
        wait_for(lambda: endpoint.requests != [])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "codemonkeys resume run" in out and "Traceback" not in err
        sent = len(endpoint.requests)
        states = dict(bench.query("SELECT state, count(*) FROM calls GROUP BY state"))
        assert states == {"done": sent}
    with serve(dry_run) as endpoint:
        done = bench("resume", "run", "--api-base", endpoint.url)
        assert done.code == 0, done.err
        total = bench.query("SELECT count(*) FROM calls WHERE state = 'done'")[0][0]
        assert len(endpoint.requests) == total - sent


def test_second_interrupt_stops_at_once_and_keeps_the_bill(bench: Bench) -> None:
    with serve(lambda seen: Reply(hang=True)) as endpoint:
        process = bench.start(*bench.arguments(endpoint))
        wait_for(lambda: endpoint.requests != [])
        process.send_signal(signal.SIGINT)
        wait_for(lambda: process.poll() is None)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "Traceback" not in err, err
    assert bench.query("SELECT coalesce(sum(cost_usd), 0) > 0 FROM calls") == [(1,)]
    with serve(dry_run) as endpoint:
        assert bench("resume", "run", "--api-base", endpoint.url).code == 0
    lost = bench.query("SELECT count(*), min(cost_usd) > 0 FROM calls WHERE state = 'lost'")
    assert lost[0][0] > 0 and lost[0][1] == 1


@pytest.mark.parametrize(
    ("option", "told"),
    [("--budget", "0.1900 of the budget of 0.19 USD are left"), ("--task-budget", "0.1900 USD of its own are left")],
)
def test_task_that_could_not_be_paid_for_is_not_begun(bench: Bench, option: str, told: str) -> None:
    with serve(dry_run) as endpoint:
        done = bench(*bench.arguments(endpoint, option, "0.19"))
        assert done.code == 5, done.err + done.out
        assert "tiny__greeting-1 is not begun" in done.out and told in done.out, done.out
        assert "resume run" in done.out
        assert endpoint.requests == []
        assert bench("resume", "run", option, "100").code == 0
    assert bench.patch()


def test_budget_holds_and_a_task_that_is_begun_ends_with_a_prediction(bench: Bench) -> None:
    with serve(slowly(0.05)) as endpoint:
        done = bench(*bench.arguments(endpoint, "--budget", "0.9", samples=8))
        assert done.code == 0, done.err + done.out
    ((spent,),) = bench.query("SELECT sum(cost_usd) FROM calls")
    assert 0 < spent <= 0.9
    assert bench.query("SELECT count(*) > 0 FROM notes WHERE body LIKE '%BudgetReached%'") == [(1,)]
    assert bench.patch()


KEYS = (
    *("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY"),
    *("HF_TOKEN", "GITHUB_TOKEN", "SWEBENCH_API_KEY", "AWS_SECRET_ACCESS_KEY", "CODEMONKEYS_TEST_TOKEN"),
)


# What builds the tiny task's image and what must not find one cannot go at one time.
TINY_IMAGE = (pytest.mark.docker, pytest.mark.xdist_group("tiny-image"))


@pytest.fixture(params=["local", pytest.param("docker", marks=TINY_IMAGE)])
def kind(request: pytest.FixtureRequest, bench: Bench) -> Iterator[str]:
    """Each sandbox; for docker the tiny task gets an image, built from a Dockerfile beside it."""
    if request.param == "local":
        yield "local"
        return
    (task,) = load_tasks(bench.source)
    with images.engine() as client:
        recipes.build(client, task, recipes.Recipe(base="codemonkeys/python:3.11"))
        yield "docker"
        for ours in images.images_of_ours(client, {task.id}):
            client.images.remove(ours.id, force=True)


class Watch:
    """Looks at every container and every process again and again, as anybody on the machine could."""

    def __init__(self, canary: str, engine: Any) -> None:
        self.found: set[str] = set()
        self.looks = {"containers": 0, "processes": 0, "helpers": 0}
        self._canary, self._engine = canary, engine
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        from docker.errors import DockerException

        while not self._end.wait(0.05):
            for about in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.looks["processes"] += 1
                    command = about.read_bytes()
                    if self._canary.encode() in command:
                        self.found.add(str(about))
                    # What runs code of others, or the harness, is not given it either.
                    if any(word in command for word in (b"namespace", b"grading.harness", b"\0pip\0", b"inside.pl")):
                        self.looks["helpers"] += 1
                        if self._canary.encode() in about.with_name("environ").read_bytes():
                            self.found.add(f"environment of {command!r}")
            for container in self._engine.api.containers(all=True) if self._engine else ():
                with contextlib.suppress(DockerException):
                    self.looks["containers"] += 1
                    if self._canary in json.dumps(self._engine.api.inspect_container(container["Id"])):
                        self.found.add(container["Id"])


def test_no_key_is_left_anywhere(bench: Bench, kind: str) -> None:
    bench.home = bench.folder / "home"  # Nothing is built there: what builds an environment is watched too.
    canary = f"sk-canary-{uuid.uuid4().hex}"
    keys = dict.fromkeys(KEYS, canary)

    def echo(seen: Seen) -> Reply:
        """Fails every other time, with the authorization header in the error and the key in an answer."""
        if seen.number % 2 == 0:
            return status(500, message=f"bad {seen.headers.get('authorization')}")
        reply = dry_run(seen)
        return replace(reply, body=reply.body.replace("Dry run.", f"Dry run {canary}."))

    with contextlib.ExitStack() as stack, serve(echo) as endpoint:
        engine = stack.enter_context(images.engine()) if kind == "docker" else None
        with Watch(canary, engine) as watch:
            done = bench(*bench.arguments(endpoint, "--sandbox", kind), **keys)
            assert done.code == 0, done.err
            assert all(seen.headers["authorization"] == f"Bearer {canary}" for seen in endpoint.requests)
            graded = bench("evaluate", "run", "--sandbox", kind, "--json", **keys)
    assert graded.code == 4 and json.loads(graded.out)[0]["outcome"] == "not resolved", graded
    exported = [
        bench("export", "run", "-o", name, "--format", format, **keys)
        for name, format in (("recording.jsonl", "recording"), ("preds.jsonl", "preds"))
    ]
    shown = [bench(*words, **keys) for words in (("show", "run", ID, "--json"), ("doctor", "--json"))]
    said = "".join(each.out + each.err for each in (done, graded, *exported, *shown))
    assert canary not in said and all(each.code == 0 for each in exported)
    assert watch.found == set() and watch.looks["helpers"] > 0 and (kind == "local" or watch.looks["containers"] > 0)
    for path in (*bench.folder.rglob("*"), *(bench.home / "checks").rglob("*")):
        assert not path.is_file() or canary.encode() not in path.read_bytes(), path


@pytest.mark.data
def test_the_load_endpoint_of_the_test_data(bench: Bench, data_dir: Path) -> None:
    """Another implementation of the protocol, with faults of its own: the prediction is that of the fake model."""
    assert bench("solve", bench.source, "-m", "fake", "--run", "fake", "-c", "generation.samples=1").code == 0
    answers = "SELECT answer FROM calls WHERE stage = '{}' AND turn = {}"
    ((test,),), ((edit,),) = (bench.query(answers.format(stage, 0), "fake") for stage in ("test", "edit"))
    ((done,),) = bench.query(answers.format("edit", 1), "fake")
    rules = [
        ["deciding which of its files matter", json.dumps([{"file": 1, "relevant": True, "summary": "It greets."}])],
        ["You write a test script.*Your script was run", done],
        ["You write a test script", test],
        ["You resolve an issue.*Your edit, as a diff", done],
        ["You resolve an issue", edit],
    ]
    (bench.folder / "rules.json").write_text(json.dumps(rules))
    program = data_dir.parent / "tools" / "mock_llm.py"
    faults = ["--fail-429", "0.2", "--fail-500", "0.1", "--cut", "0.1", "--seed", "5"]
    with load_endpoint(program, bench.folder / "rules.json", *faults) as url:
        arguments = ["-m", MODEL, "--api-base", f"{url}/v1", "-c", "generation.samples=6"]
        ended = bench("solve", bench.source, *arguments, "--run", "load")
        assert ended.code == 0, ended.err
        with urllib.request.urlopen(f"{url}/stats") as response:
            stats = json.load(response)
    assert stats["fail_429"] + stats["fail_500"] + stats["cut"] > 0
    assert bench.query("SELECT count(*) FROM calls WHERE state = 'done'", "load") == [(stats["answered"],)]
    assert bench.patch("load") == bench.patch("fake")


@pytest.mark.docker
@pytest.mark.xdist_group("tiny-image")
def test_a_missing_image_is_no_fault_of_a_patch(bench: Bench) -> None:
    """Solving names it as what it is, and asks no model; so does grading."""
    done = bench("solve", bench.source, "-m", "fake", "--run", "run", "--sandbox", "docker")
    assert done.code == 4, done.err
    ((state, reason),) = bench.query("SELECT state, reason FROM tasks")
    assert state == "environment failed" and "codemonkeys/tiny:none" in reason and "images build" in reason
    assert bench.query("SELECT count(*) FROM call_steps") == [(0,)]
    (bench.folder / "preds.jsonl").write_text(
        json.dumps({"instance_id": ID, "model_name_or_path": "m", "model_patch": GOLD}) + "\n"
    )
    for more in ([], ["--isolated"]):
        done = bench("evaluate", "preds.jsonl", bench.source, "--sandbox", "docker", "--json", *more)
        (verdict,) = json.loads(done.out)
        assert done.code == 3 and verdict["outcome"] == "infrastructure failure", done.err
        assert "codemonkeys/tiny:none" in verdict["detail"]
