"""Agents whose commands are native tool calls: the same as in text, whatever a model makes of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.agent.commands import Add, Bash, Command, Edits, Submit, Unreadable, WriteTest
from codemonkeys.agent.tools import TOOLS, command_of, commands_of
from codemonkeys.generation.answers import Create, Delete, MalformedAnswer, Rename, Replace
from codemonkeys.generation.look_ups import Find, RunTests, Show
from codemonkeys.models.base import Message
from codemonkeys.models.fake import Called
from codemonkeys.models.replay import ReplayModel, write_recording
from codemonkeys.models.tool_calls import ToolCall
from codemonkeys.report.atif import trajectory
from codemonkeys.report.messages_view import messages_of
from codemonkeys.stages import AGENT
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.local import LocalSandbox
from tests.agent.test_trajectory import DONE, EDIT, FIX, bash, desk, run
from tests.agent.test_trajectory import sandbox as sandbox

WITH_TOOLS: dict[str, Any] = {"calls": "tools"}
TEST = "import sys\nfrom a import a\nprint('a is', a())\nsys.exit(0 if a() == 2 else 2)\n"


def call(name: str, /, **arguments: object) -> ToolCall:
    return ToolCall("c", name, json.dumps(arguments))


def calls(*made: ToolCall, text: str = "", finish: str = "stop") -> Called:
    """An answer with calls that have ids of their own."""
    numbered = (ToolCall(f"c{n}", each.name, each.arguments) for n, each in enumerate(made))
    return Called(tuple(numbered), text, finish)


EDITED = call("edit_file", path="a.py", old_lines="    return 1", new_lines="    return 2")
TESTED = call("write_test", script=TEST)
SUBMITTED = call("submit")


@pytest.mark.parametrize(
    ("made", "command"),
    [
        (call("bash", command="ls"), Bash("ls\n")),
        (call("view_file", path="a.py"), Show("a.py", 1, None)),
        (call("view_file", path="a.py", first_line=3, last_line=9), Show("a.py", 3, 9)),
        (call("find", words="One two"), Find(("one", "two"))),
        (call("run_test", path="t.py", test="test_b"), RunTests("t.py", "test_b")),
        (EDITED, Edits((Replace("a.py", "    return 1\n", "    return 2\n"),))),
        (call("edit_file", path="a.py", old_lines="x\n", new_lines=""), Edits((Replace("a.py", "x\n", ""),))),
        (call("create_file", path="b.py", content="x"), Edits((Create("b.py", "x\n"),))),
        (call("delete_file", path="a.py"), Edits((Delete("a.py"),))),
        (call("rename_file", path="a.py", new_path="b.py"), Edits((Rename("a.py", "b.py"),))),
        (call("add_to_patch", path="b.py"), Add("b.py")),
        (TESTED, WriteTest(TEST)),
        (ToolCall("c", "submit", ""), Submit()),
    ],
)
def test_calls_are_commands(made: ToolCall, command: Command) -> None:
    assert command_of(made) == command


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (call("browse", url="x"), "no tool 'browse'"),
        (ToolCall("c", "bash", '{"command": "ls'), "cannot be used"),
        (ToolCall("c", "bash", '["ls"]'), "not a JSON object"),
        (ToolCall("c", "bash", "[" * 100_000), "cannot be used"),
        (call("bash"), "command is missing"),
        (call("bash", command=["ls"]), "command must be a text"),
        (call("bash", command="  "), "command is empty"),
        (call("view_file", path="a.py", first_line="3"), "first_line must be a whole number"),
        (call("view_file", path="a.py", first_line=True), "first_line must be a whole number"),
        (call("view_file", path="a.py", first_line=9, last_line=3), "lines count from 1"),
        (call("find", words=" ".join("abcdefghi")), "one to 8 words"),
    ],
)
def test_calls_that_are_no_commands_say_why(made: ToolCall, word: str) -> None:
    command = command_of(made)
    assert isinstance(command, Unreadable) and word in command.problem


@given(
    st.sampled_from([tool.name for tool in TOOLS]) | st.text(max_size=5),
    st.text(max_size=40)
    | st.from_regex(
        r'\{("(path|command|words|old_lines|content|last_line)": ("\w?"|-?\d{1,3}|null|\[\]),? ?){0,3}\}',
        fullmatch=True,
    ),
)
def test_any_call_is_a_command_and_goes_back_as_an_object(name: str, arguments: str) -> None:
    made = ToolCall("c", name, arguments)
    assert command_of(made)
    assert isinstance(json.loads(made.sent_arguments()), dict)


def test_what_cannot_go_together() -> None:
    for several in ([], [SUBMITTED, EDITED], [SUBMITTED, SUBMITTED], [EDITED] * 7):
        with pytest.raises(MalformedAnswer):
            commands_of(several)


def assert_all_answered(sent: Sequence[Message]) -> None:
    """Each call of each answer has one result, in order, before anything else is said."""
    for at, message in enumerate(sent):
        results = sent[at + 1 : at + 1 + len(message.calls)]
        assert [result.call_id for result in results] == [made.id for made in message.calls]
        assert (message.role == "tool") == bool(message.call_id)


def test_an_agent_works_by_tools_and_is_shown_recorded_and_replayed(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    answers = [
        calls(call("bash", command="cat a.py; echo note > notes.log"), call("find", words="return"), text="I look."),
        calls(TESTED),
        calls(EDITED, call("bash", command="python -c 'import a; print(a.a())'"), SUBMITTED),
    ]
    with desk(tmp_path, make_snapshot, answers, sandbox, agent=WITH_TOOLS) as work:
        candidate = run(work)
        assert candidate is not None and candidate.approved and candidate.patch.endswith(FIX)
        model = work.models.primary
        requests = model.requests  # type: ignore[attr-defined]
        assert all(request.tools == TOOLS for request in requests)
        system = requests[0].messages[0].content
        assert "Call submit last" in system and "<<<<<<<" not in system
        looked, found = requests[1].messages[-2:]
        assert_all_answered(requests[-1].messages)
        assert "return 1" in looked.content and "steps" not in looked.content and "exit code 0." in looked.content
        assert "a.py" in found.content and "(call add_to_patch for those that belong to it)" in found.content
        assert "exit code 2: issue present" in requests[2].messages[-1].content
        connection = sqlite3.connect(tmp_path / "run" / "run.db")
        connection.row_factory = sqlite3.Row
        told = trajectory(connection, work.task.id)
        (conversation,) = told["subagent_trajectories"]
        acting = [step for step in conversation["steps"] if step["source"] == "agent"]
        assert [[made["function_name"] for made in step["tool_calls"]] for step in acting] == [
            ["bash", "find"], ["write_test"], ["edit_file", "bash", "submit"]
        ]  # fmt: skip
        for step in acting:
            ids = [made["tool_call_id"] for made in step["tool_calls"]]
            assert [result["source_call_id"] for result in step["observation"]["results"]] == ids
        assert "\n2\n" in acting[2]["observation"]["results"][1]["content"]
        assert sum(step["source"] == "user" for step in conversation["steps"]) == 1
        turns = messages_of(connection, work.task.id, "agent")
        assert turns[1]["messages"][-1]["role"] == "tool" and turns[2]["tool_calls"][0]["name"] == "edit_file"
        connection.close()
        said = work.journal.transcript(work.task.id, AGENT.name, 0)
        assert said[2].text.startswith("I look.\n\nbash\ncommand: cat a.py") or said[1].text.startswith("I look.")
        stored = [work.journal.calls.stored(work.key(stage, 0, turn)) for stage in [AGENT] for turn in range(3)]
        recorded = {work.key(AGENT, 0, n): work.journal.calls.answer(s) for n, s in enumerate(stored) if s}
    write_recording(tmp_path / "answers.jsonl", recorded.items())
    assert '"codemonkeys-recording-3"' in (tmp_path / "answers.jsonl").read_text()
    replay = ReplayModel.open(tmp_path / "answers.jsonl")
    for request in requests:
        assert replay.has_calls(request.key)
        assert asyncio.run(replay.complete(request)).calls == recorded[request.key].calls


@pytest.mark.parametrize(
    ("answers", "approved", "told"),
    [
        ([calls(call("browse", url="x"), EDITED)], False, "no tool 'browse'"),
        ([calls(ToolCall("", "edit_file", '{"path": "a.py"'), EDITED)], False, "cannot be used"),
        ([calls(call("bash", command=5), EDITED)], False, "must be a text"),
        ([calls(EDITED, TESTED, call("nope"), SUBMITTED), calls(SUBMITTED)], True, "a call beside it"),
        ([calls(SUBMITTED, EDITED), calls(EDITED)], False, "submit must be the last"),
        ([calls(EDITED, call("bash", command="true"), text="Both.")], False, "exit code 0"),
        ([calls(EDITED, finish="length"), calls(EDITED)], False, "cut"),
        ([calls(ToolCall("", "bash", '{"comma'), finish="length"), calls(EDITED)], False, "cut"),
        (["", calls(EDITED)], False, "holds no command"),
        (["I have no idea.", calls(EDITED)], False, "holds no command"),
        ([EDIT, bash("true")], False, "exit code 0"),
        ([calls(SUBMITTED)] * 4, None, "there is no patch"),
        ([calls(call("bash", command="ls"))] * 4, None, "a.py"),
        ([calls(EDITED), calls(TESTED), DONE], True, "issue fixed"),
        ([calls(EDITED, call("write_test", script="raise SystemExit(0)"), SUBMITTED), calls(SUBMITTED)], True, "alone"),
    ],
    ids="""unknown malformed types unreadable-beside-submit submit-first text-beside cut cut-in-arguments empty
    no-calls blocks-in-text empty-patches repeats by-both edits-its-test""".split(),
)
def test_a_model_that_goes_astray_with_tools(
    answers: list[str | Called],
    approved: bool | None,
    told: str,
    tmp_path: Path,
    make_snapshot: Callable[..., Snapshot],
    sandbox: LocalSandbox,
) -> None:
    answers = [*answers, *["I think."] * (4 - len(answers))]
    with desk(tmp_path, make_snapshot, answers, sandbox, agent={**WITH_TOOLS, "steps": 4}) as work:
        candidate = run(work)
        assert (candidate.approved if candidate else None) is approved
        requests = work.models.primary.requests  # type: ignore[attr-defined]
        assert any(told in message.content for request in requests for message in request.messages[2:])
        assert len(requests) <= 4
        for request in requests:
            assert_all_answered(request.messages)


def test_auto_gives_tools_to_models_that_had_them_when_the_run_began(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], sandbox: LocalSandbox
) -> None:
    with desk(tmp_path, make_snapshot, [DONE], sandbox, agent={"steps": 1}) as work:
        run(work)
        assert not work.models.primary.requests[0].tools  # type: ignore[attr-defined]
        work.journal.tool_models.add("answering")
        run(work, sample=1)
        assert work.models.primary.requests[1].tools == TOOLS  # type: ignore[attr-defined]
