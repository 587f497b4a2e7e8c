"""The Python API in the places where programs call it: event loops, threads, notebooks, several runs at a time."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

import codemonkeys
from codemonkeys.errors import (
    BadInput,
    BadSettings,
    MissingRecording,
    RunBusy,
    RunExists,
    RunInterrupted,
    UnknownDataset,
)
from codemonkeys.pipeline import find_context, run_trajectory, select
from codemonkeys.runs.solve import run_name
from tests.tiny_task import GOLD, ID, WRONG, make_task_repository


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_home: Path) -> Iterator[str]:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    yield make_task_repository(tmp_path / "tasks")


def fake(*configs: str) -> codemonkeys.Settings:
    return codemonkeys.load_settings(["generation.samples=1", "sandbox.kind=local", *configs], model="fake")


async def test_solve(source: str, runs: Path, name: str) -> codemonkeys.Summary:
    return await codemonkeys.solve(source, fake(), runs=runs, name=name)


test_solve.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.slow
def test_it_works_in_a_running_event_loop_awaited_or_not(source: str, tmp_path: Path) -> None:
    """As in a notebook or a web server; the loop's own executor, signal handlers and other tasks stay as they are."""
    handled = signal.getsignal(signal.SIGINT)

    async def main() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.ensure_future(tick())
        executor = asyncio.get_running_loop()._default_executor  # type: ignore[attr-defined]
        summary = await test_solve(source, tmp_path / "runs", "awaited")
        assert (summary.predicted, ticks > 10) == (1, True)
        assert executor is None or asyncio.get_running_loop()._default_executor is executor  # type: ignore[attr-defined]
        blocking = codemonkeys.run_solve(source, fake(), runs=tmp_path / "runs", name="blocking")
        assert blocking.predicted == 1
        ticking.cancel()

    asyncio.run(main())
    assert signal.getsignal(signal.SIGINT) is handled


def test_runs_without_a_name_that_begin_together_do_not_meet() -> None:
    names = [run_name(None) for _ in range(100)]
    assert len(set(names)) == 100 and names == sorted(names), "one second has many"


@pytest.mark.slow
def test_events_are_told_in_the_event_loop_alone(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sandbox does not isolate was once told from the thread that had chosen it."""
    code = "from dataclasses import replace\nfrom codemonkeys.tasks.backends import BACKENDS\n"
    code += "OPEN = replace(BACKENDS.get('local'), lost='nothing to speak of')\n"
    (tmp_path / "open_sandbox_of_mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    told: list[tuple[int, str]] = []

    def notify(event: codemonkeys.Event) -> None:
        told.append((threading.get_ident(), event.text))

    async def main() -> int:
        settings = fake("sandbox.kind=open_sandbox_of_mine:OPEN")
        await codemonkeys.solve(source, settings, runs=tmp_path / "runs", name="told", notify=notify)
        return threading.get_ident()

    thread = asyncio.run(main())
    assert any("nothing to speak of" in text for _, text in told)
    assert {number for number, _ in told} == {thread}


@pytest.mark.slow
def test_several_runs_at_once_in_one_process_and_in_threads(source: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"

    async def together() -> list[codemonkeys.Summary]:
        return await asyncio.gather(*(test_solve(source, runs, f"together-{n}") for n in range(3)))

    found = asyncio.run(together())
    threads = [
        threading.Thread(
            target=lambda n=n: found.append(codemonkeys.run_solve(source, fake(), runs=runs, name=f"thread-{n}"))
        )
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [summary.predicted for summary in found] == [1] * 5
    patches = {task.patch for path in runs.glob("*/run.db") for task in codemonkeys.open_run(path).tasks()}
    assert len(patches) == 1


@pytest.mark.slow
def test_a_second_session_of_a_run_in_one_process_is_not_told_to_stop_it(source: str, tmp_path: Path) -> None:
    async def main() -> list[codemonkeys.Summary | BaseException]:
        both = (test_solve(source, tmp_path / "runs", "same") for _ in range(2))
        return await asyncio.gather(*both, return_exceptions=True)

    (refused,) = [found for found in asyncio.run(main()) if not isinstance(found, codemonkeys.Summary)]
    assert isinstance(refused, RunBusy) and "this process is working on the run in" in str(refused)


@pytest.mark.slow
def test_tasks_made_in_python_are_kept_with_the_run_and_resumed(source: str, tmp_path: Path) -> None:
    runs, (task,) = tmp_path / "runs", codemonkeys.load_tasks(source)
    stop = codemonkeys.Stop()
    stop.drain()
    begun = codemonkeys.run_solve([task], fake(), runs=runs, name="kept", stop=stop)
    assert (begun.predicted, begun.waiting) == (0, 1)
    summary = codemonkeys.run_resume("kept", runs=runs)
    assert (summary.predicted, summary.waiting) == (1, 0)
    with pytest.raises(RunExists, match="other tasks"):
        other = codemonkeys.Task("tiny__other-1", task.repo, task.base_commit, "Something else.", folder=task.folder)
        codemonkeys.run_solve([other], fake(), runs=runs, name="kept")
    assert codemonkeys.open_run(runs / "kept").tasks()[0].issue == task.issue


GIVEN = codemonkeys.Task("tiny__given-1", "tiny/given", "0123abcd", "Something is wrong.")


@pytest.mark.parametrize(
    ("refused", "error", "said"),
    [
        (dict(tasks="missing.jsonl"), UnknownDataset, "no such file"),
        (dict(tasks=[]), BadInput, "at least one Task"),
        (dict(tasks=GIVEN), BadInput, r"tiny__given-1 is one Task, .*: give \[task\]"),
        (dict(tasks=[GIVEN], ids=["tiny__given-1", "other"]), BadInput, "ids: none of the given tasks is 'other'"),
        (dict(settings=dict(model=None)), BadInput, "give one with model, such as"),
        (dict(settings=dict(model="fake", selection={"rule": "nobody's"})), BadSettings, "no such rule"),
        (dict(settings=dict(model="fake", sandbox={"kind": "nowhere"})), BadSettings, "nowhere"),
        (dict(settings=dict(model="fake", prompts="none")), BadSettings, "prompts=none: no such folder"),
        (dict(name="a/b"), BadInput, "run name"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_is_refused_leaves_nothing_behind_and_speaks_of_parameters(
    refused: dict[str, object], error: type[Exception], said: str, source: str, tmp_path: Path
) -> None:
    given = refused.get("settings", {"model": "fake"})
    assert isinstance(given, dict)
    runs = tmp_path / "runs"

    async def main() -> None:
        settings = codemonkeys.load_settings(**given)
        tasks, name = refused.get("tasks", source), refused.get("name", "run")
        await codemonkeys.solve(tasks, settings, ids=refused.get("ids", ()), runs=runs, name=name)  # type: ignore[arg-type]

    with pytest.raises(error, match=said) as raised:
        asyncio.run(main())
    assert " -m" not in str(raised.value) and "--" not in str(raised.value)
    assert not runs.exists()


def test_an_ensemble_says_which_input_is_missing_or_no_source(source: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no submission to choose from"):
        codemonkeys.run_ensemble([], source, runs=tmp_path / "runs")
    with pytest.raises(BadInput, match="name the source of the tasks, .*: list is neither"):
        codemonkeys.run_ensemble([], codemonkeys.load_tasks(source), runs=tmp_path / "runs")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="name the source of the tasks, .*: list is neither"):
        codemonkeys.run_evaluate({}, [GIVEN], runs=tmp_path / "runs")  # type: ignore[arg-type]
    with pytest.raises(BadSettings, match=r"dict given; make them with load_settings"):
        codemonkeys.run_solve(source, {"model": "fake"}, runs=tmp_path / "runs")  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_a_run_is_named_or_its_folder_is_given_as_each_function_takes_it(tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "run.db").touch()
    with pytest.raises(BadInput, match=rf"mine is a run's folder: name it as mine, with runs={tmp_path}/runs"):
        codemonkeys.run_resume(str(tmp_path / "runs" / "mine"))
    with pytest.raises(BadInput, match="no run 'other' in .*; runs there: mine. open_run takes the path of a run's"):
        codemonkeys.open_run(tmp_path / "runs" / "other")


def test_single_stages_are_not_paid_for_where_their_end_is_refused(source: str, tmp_path: Path) -> None:
    """A rule that there is not was once found by `select`, when all trajectories had been paid for."""
    (task,) = codemonkeys.load_tasks(source)

    async def main(*configs: str) -> None:
        async with codemonkeys.open_task(task, fake(*configs), runs=tmp_path / "runs", name="refused"):
            raise AssertionError("the task is in work")

    for wrong, said in (("selection.rule=nobodys", "no such rule"), ("compute.policy=nobodys", "nobodys")):
        with pytest.raises(BadSettings, match=said):
            asyncio.run(main(wrong))
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_stop_drains_and_aborts_from_another_thread(source: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"

    def stopping(how: Callable[[codemonkeys.Stop], None], name: str) -> codemonkeys.Summary:
        stop = codemonkeys.Stop()

        def notify(event: codemonkeys.Event) -> None:
            if event.kind == "call":
                thread = threading.Thread(target=how, args=(stop,))
                thread.start()
                thread.join()

        return codemonkeys.run_solve(source, fake(), runs=runs, name=name, notify=notify, stop=stop)

    drained = stopping(codemonkeys.Stop.drain, "drained")
    assert (drained.predicted, drained.waiting) == (0, 1)
    with pytest.raises(RunInterrupted, match="resume the run 'aborted'"):
        stopping(codemonkeys.Stop.abort, "aborted")
    for name in ("drained", "aborted"):
        assert codemonkeys.run_resume(name, runs=runs).predicted == 1
        calls = codemonkeys.open_run(runs / name).calls()
        assert {call.state for call in calls if call.cost_usd or call.prompt_tokens} <= {"done", "lost"}


@pytest.mark.slow
def test_cancelling_is_an_abort_and_the_run_can_be_resumed(source: str, tmp_path: Path) -> None:
    async def main() -> None:
        begun = asyncio.Event()
        session = asyncio.ensure_future(
            codemonkeys.solve(
                source,
                fake(),
                runs=tmp_path,
                name="run",
                notify=lambda event: begun.set() if event.kind == "call" else None,
            )
        )
        await asyncio.wait_for(begun.wait(), 120)
        session.cancel()
        await asyncio.wait([session], timeout=120)
        assert session.cancelled()
        assert (await codemonkeys.resume("run", runs=tmp_path)).predicted == 1

    asyncio.run(main())


@pytest.mark.slow
def test_each_stage_can_be_called_alone(source: str, tmp_path: Path) -> None:
    async def main() -> str:
        (task,) = codemonkeys.load_tasks(source)
        async with codemonkeys.open_task(task, fake(), runs=tmp_path, name="stages") as work:
            files = await find_context(work)
            assert [file.path for file in files] == ["greeting.py"]
            candidate = await run_trajectory(work, 0, files)
            assert candidate is not None
            return (await select(work, [candidate])).patch

    patch = asyncio.run(main())
    run = codemonkeys.open_run(tmp_path / "stages")
    assert patch and [candidate.patch for candidate in run.candidates()] == [patch]


@pytest.mark.slow
def test_a_run_is_read_as_objects_and_by_sql(source: str, tmp_path: Path) -> None:
    codemonkeys.run_solve(source, fake("generation.samples=2"), runs=tmp_path, name="run")
    run = codemonkeys.open_run(tmp_path / "run")
    assert (run.name, run.source, run.settings["generation"]["samples"]) == ("run", str(Path(source).resolve()), 2)
    (task,) = run.tasks()
    assert (task.id, task.state) == (ID, "predicted")
    candidates = {candidate.number: candidate for candidate in run.candidates(ID)}
    assert candidates[task.candidate or 0].patch == task.patch
    assert {(vote.candidate, vote.valid, vote.vote) for vote in run.votes(ID)} >= {(1, True, True)}
    assert {call.stage for call in run.calls(ID)} >= {"relevance", "test", "edit"}
    assert sum(cost.calls for cost in run.costs()) == len(run.calls())
    assert run.sql("SELECT count(*) AS n FROM call_steps WHERE task = ?", ID) == [{"n": len(run.calls())}]
    (first, *_) = run.sql("SELECT role, content FROM messages WHERE stage = ? AND position = 1 ORDER BY call", "edit")
    assert first["role"] == "system" and "greeting.py" in first["content"], "texts can be read, compressed ones too"
    for refused in ("SELECT nothing", "DELETE FROM tasks", "ATTACH 'other.db' AS o", "SELECT ?"):
        with pytest.raises(BadInput, match="the query cannot be answered") as error:
            run.sql(refused)
        assert not isinstance(error.value, codemonkeys.errors.CorruptJournal), "the file is as it should be"
    assert run.verdicts() == [] and run.candidates("another") == []
    with pytest.raises(BadInput, match="no run 'none'"):
        codemonkeys.open_run(tmp_path / "none")


def test_submissions_are_chosen_from_and_graded(source: str, tmp_path: Path) -> None:
    files = []
    for number, patch in enumerate([GOLD, GOLD, WRONG]):
        row = {"instance_id": ID, "model_name_or_path": f"system-{number}", "model_patch": patch}
        files.append(tmp_path / f"system-{number}.jsonl")
        files[-1].write_text(json.dumps(row) + "\n")

    async def main() -> tuple[codemonkeys.Summary, list[codemonkeys.Verdict], list[codemonkeys.Verdict]]:
        summary = await codemonkeys.ensemble(files, source, runs=tmp_path, name="chosen")
        none = await codemonkeys.ensemble(files, source, abstain=1, runs=tmp_path, name="none")
        assert [result.state for result in none.ended] == ["abstained"]
        of_run = await codemonkeys.evaluate("chosen", runs=tmp_path, sandbox="local")
        of_file = await codemonkeys.evaluate(files[2], source, sandbox="local", folder=tmp_path / "logs")
        return summary, of_run, of_file

    summary, of_run, of_file = asyncio.run(main())
    assert (summary.predicted, of_run[0].resolved, of_file[0].resolved) == (1, True, False)
    (verdict,) = codemonkeys.open_run(tmp_path / "chosen").verdicts()
    assert verdict.outcome == "resolved"
    with pytest.raises(BadInput, match="abstain=20: it is a share of the tasks, from 0 to 1"):
        codemonkeys.run_ensemble(files, source, abstain=20, runs=tmp_path)
    with pytest.raises(BadInput, match="evaluate\\(predictions, tasks\\)"):
        codemonkeys.run_evaluate({})


def test_rules_do_not_compute_in_the_event_loop(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server answers others while a rule ranks the patches of hundreds of tasks."""
    code = "import threading\nfrom codemonkeys.selection.rules_base import Rule, by_score\nTHREADS = []\n"
    code += "def first(evidence):\n    THREADS.append(threading.get_ident())\n"
    code += "    return by_score(evidence, [0.0] * len(evidence.patches), 0.0, 'as they came')\n"
    code += "RULE = Rule('of my own', first)\n"
    (tmp_path / "rule_of_mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    rows = [{"instance_id": ID, "model_name_or_path": "m", "model_patch": patch} for patch in (GOLD, WRONG)]
    for number, row in enumerate(rows):
        (tmp_path / f"system-{number}.jsonl").write_text(json.dumps(row) + "\n")
    members, runs = [tmp_path / f"system-{number}.jsonl" for number in range(2)], tmp_path / "runs"

    async def main() -> int:
        settings = codemonkeys.load_settings(["selection.rule=rule_of_mine:RULE"])
        chosen = await codemonkeys.ensemble(members, source, settings, runs=runs, name="chosen")
        again = await codemonkeys.select("chosen", "rule_of_mine:RULE", name="again", runs=runs)
        assert (chosen.predicted, again.predicted, again.folder) == (1, 1, runs / "chosen")
        return threading.get_ident()

    loop = asyncio.run(main())
    threads = import_module("rule_of_mine").THREADS
    assert len(threads) >= 2 and loop not in threads


def test_an_ensemble_takes_all_settings_of_a_session(source: str, tmp_path: Path) -> None:
    """It once stored `generation.models` and `sandbox.reuse` and ignored both."""
    files = []
    for number, patch in enumerate([GOLD, WRONG]):
        row = {"instance_id": ID, "model_name_or_path": f"system-{number}", "model_patch": patch}
        files.append(tmp_path / f"system-{number}.json")
        files[-1].write_text(json.dumps([row]))
    recording = tmp_path / "recording.jsonl"
    recording.write_text('{"format": "codemonkeys-recording-1"}\n')
    settings = fake("selection.rule=votes", "generation.samples=2", f"generation.models=[fake, 'replay:{recording}']")
    # The second writer has no recording of a test script: that it was asked shows that it is used.
    with pytest.raises(MissingRecording, match="test sample 2"):
        codemonkeys.run_ensemble(files, source, settings, runs=tmp_path, name="run")


def test_public_names_are_listed() -> None:
    assert set(dir(codemonkeys)) == set(codemonkeys.__all__)
    for name in codemonkeys.__all__:
        assert getattr(codemonkeys, name) is not None
