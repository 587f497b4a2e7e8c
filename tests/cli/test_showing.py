"""`show` of parts of a task: conversations as they were sent, the patches of all candidates, the pager."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from codemonkeys import open_run
from codemonkeys.cli.app import app
from codemonkeys.demo.example import store_example
from codemonkeys.errors import BadInput
from codemonkeys.journal import run_files
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer
from codemonkeys.report.task_view import verdict_heading
from tests.report.finished_run import finish_run
from tests.repositories import make_repository

HOSTILE = "\x1b[31m[bold]\u202e<script>alert(1)</script>{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    store_example(folder, "example")
    return folder


def shown(capsys: pytest.CaptureFixture[str], runs: Path, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        app(["show", "example", *arguments, "--runs", str(runs)])
    out, err = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), out, err


def test_a_conversation_is_shown_as_it_was_sent(capsys: pytest.CaptureFixture[str], runs: Path) -> None:
    code, out, _ = shown(capsys, runs, "example__pocket-1", "--messages", "edit/1")
    assert code == 0 and out.index("edit/1 turn 1") < out.index("system:") < out.index("assistant:")
    assert "edit/2" not in out and "test/1" not in out and "format_amount(-50)" in out
    code, out, _ = shown(capsys, runs, "example__pocket-1", "--messages", "edit", "--json")
    turns = json.loads(out)
    assert {turn["sample"] for turn in turns} == {1, 2, 3, 4} and {turn["stage"] for turn in turns} == {"edit"}
    first, later = turns[0], next(turn for turn in turns if turn["turn"] == 2)
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert [message["role"] for message in later["messages"]] == ["user"], "what was sent before is not told again"
    code, out, _ = shown(capsys, runs, "example__pocket-1", "--messages", "judge@judge/2")
    assert code == 0 and out.count("the same messages as before") == 4
    code, out, _ = shown(capsys, runs, "example__pocket-1", "--messages", "all", "--json")
    stages = list(dict.fromkeys(turn["stage"] for turn in json.loads(out)))
    assert stages == ["relevance", "test", "edit", "select", "judge@judge"]


def test_the_patches_of_all_candidates_are_shown(capsys: pytest.CaptureFixture[str], runs: Path) -> None:
    code, out, _ = shown(capsys, runs, "example__pocket-1", "--diff")
    assert code == 0 and "Candidate 1, sample 1" in out and ", chosen" in out
    assert out.count("diff --git a/pocket/money.py") == 3 and "equivalent to candidate 1" in out


def test_each_of_several_verdicts_says_which_candidates_it_is_about(
    capsys: pytest.CaptureFixture[str], runs: Path
) -> None:
    _, out, _ = shown(capsys, runs, "example__pocket-1")
    headings = [line for line in out.splitlines() if line.startswith("Verdict")]
    assert headings == [
        "Verdict on candidate 3",
        "Verdict on candidates 1 (chosen), 4",
        "Verdict on candidate 2",
        "Verdict on another patch",
    ]


def test_a_verdict_on_what_was_not_chosen_says_so_even_if_it_is_the_only_one() -> None:
    """Such as that on what a named choice took: the task would look resolved by the run's own choice."""
    of = {"chosen": {"patch_hash": "a"}, "other": {"patch_hash": "b"}}
    story = {"candidate": 1, "candidates": [{"number": 1, **of["chosen"]}, {"number": 2, **of["other"]}]}
    assert verdict_heading({**story, "verdicts": [of["chosen"]]}, of["chosen"]) == "Verdict"
    assert verdict_heading({**story, "verdicts": [of["other"]]}, of["other"]) == "Verdict on candidate 2"


def test_scripts_that_nothing_could_be_tried_with_were_written(capsys: pytest.CaptureFixture[str], runs: Path) -> None:
    code, out, _ = shown(capsys, runs, "example__pocket-7")
    assert code == 0 and "3 test scripts were written; there is no candidate to run them on." in out
    assert "No test script" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("example__pocket-1", "--messages", "edt"), "has the stages relevance, test, edit, select, judge@judge"),
        (("example__pocket-1", "--messages", "edit/9"), "--messages edit/9: example__pocket-1 has no such"),
        (("--diff",), "--diff: name the task too, as in codemonkeys show example TASK --runs "),
        (("example__pocket-1", "--diff", "--messages", "all"), "--messages all and --diff: only one"),
    ],
)
def test_what_is_not_there_is_refused(
    capsys: pytest.CaptureFixture[str], runs: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = shown(capsys, runs, *arguments)
    assert code == 2 and out == "" and said in err


def test_hostile_text_is_shown_as_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def hostile(request: Request) -> str:
        return f"{HOSTILE}\n{answer(request)}"

    finish_run(tmp_path, make_repository(tmp_path / "r", {"a.py": b"x = 1\n"}), answered=hostile)
    with pytest.raises(SystemExit):
        app(["show", "run", "owner__name-0", "--messages", "all", "--runs", str(tmp_path)])
    out, _ = capsys.readouterr()
    assert "[bold]<script>alert(1)</script>{{ 7 * 7 }}" in out
    assert "\x1b" not in out and "\u202e" not in out


def test_a_task_of_a_run_that_ended_by_an_error_was_interrupted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def breaking(request: Request) -> str:
        if request.key.stage == "edit":
            raise BadInput("the endpoint refuses our key")
        return answer(request)

    def states(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            app(["show", "run", *arguments, "--runs", str(tmp_path)])
        return capsys.readouterr().out

    with pytest.raises(BadInput):
        finish_run(tmp_path, make_repository(tmp_path / "r", {"a.py": b"x = 1\n"}), answered=breaking)
    task = "owner__name-0"
    assert [one.state for one in open_run(tmp_path / "run").tasks()] == ["running"], (
        "the journal keeps what resuming goes by"
    )
    assert "interrupted" in states() and states(task).split()[:2] == [task, "interrupted"]
    assert json.loads(states("--json"))["tasks"][0]["state"] == json.loads(states(task, "--json"))["state"]
    lock = run_files.RunLock(tmp_path / "run")
    assert "interrupted" not in states() and states(task).split()[:2] == [task, "running"]
    lock.release()


def test_on_a_terminal_long_output_goes_through_the_pager(runs: Path, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/paged\n")
    pager.chmod(0o755)
    command = [sys.executable, "-m", "codemonkeys", "show", "example", "--runs", str(runs)]
    for arguments, lines, paged in ((["example__pocket-1"], "24", True), ([], "200", False)):
        ours, theirs = pty.openpty()
        environment = {**os.environ, "PAGER": str(pager), "TERM": "xterm", "LINES": lines, "COLUMNS": "100"}
        environment.pop("NO_COLOR", None)
        process = subprocess.Popen([*command, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        printed = b""
        try:
            while chunk := os.read(ours, 65_536):
                printed += chunk
        except OSError:  # The terminal has no other end any more.
            pass
        assert process.wait() == 0, printed
        os.close(ours)
        assert (tmp_path / "paged").exists() is paged
        if paged:
            text = (tmp_path / "paged").read_text()
            assert "Candidates" in text and "\x1b[" in text, "with colours"
            (tmp_path / "paged").unlink()
        else:
            assert b"example__pocket-1" in printed
