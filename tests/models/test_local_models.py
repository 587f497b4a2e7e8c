"""Models without a provider: replay and fake; and opening any model by its name."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.errors import BadRecord, MissingRecording, NoAnswer
from codemonkeys.keys import StepKey
from codemonkeys.models import open_model
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.models.fake import FakeModel, scripted
from codemonkeys.models.replay import ReplayModel, read_recording, write_recording
from codemonkeys.settings import OperationSettings

KEY = StepKey("task-1", "edit", 2, 3)
REQUEST = Request(KEY, (Message("system", "Be brief."), Message("user", "Hello?")))
ANSWER = Completion("Hello.\n<<<<<<< \u2028 é", "length", Usage(10, 5, 3, 2), "provider/model")
HEADER = '{"format": "codemonkeys-recording-1"}\n'
LINE = {
    "task": "t",
    "stage": "edit",
    "sample": 0,
    "turn": 0,
    "text": "x",
    "finish_reason": "stop",
    "model": "m",
    "usage": None,
}


def test_replay_answers_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    unbilled = Completion("", "empty", None, "m")
    write_recording(path, [(KEY, ANSWER), (KEY._replace(turn=4), unbilled)])
    model = open_model(f"replay:{path}", OperationSettings())
    assert asyncio.run(model.complete(REQUEST)) == ANSWER
    assert read_recording(path)[KEY._replace(turn=4)] == unbilled
    assert ANSWER.usage is not None and model.price is not None and model.price.cost(ANSWER.usage) == 0
    other = Request(KEY._replace(sample=9), REQUEST.messages)
    with pytest.raises(MissingRecording, match=r"recording\.jsonl holds no answer for task-1 edit sample 10 turn 4"):
        asyncio.run(model.complete(other))


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4, unique_by=lambda call: call[0]))
def test_recordings_hold_any_text(calls: list[tuple[str, str]]) -> None:
    wanted = {StepKey(task, "edit"): Completion(text, "stop", None, "m") for task, text in calls}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recording.jsonl")
        write_recording(path, wanted.items())
        assert read_recording(path) == wanted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ":1: not JSON"),
        ("[]\n", ":1: not a recording"),
        ('{"format": "other"}\n', ":1: not a recording"),
        (HEADER + "{\n", ":2: not JSON"),
        (HEADER + "\n[]\n", ":3: the line"),
        (HEADER + json.dumps({**LINE, "turn": -1}), ":2: turn"),
        (HEADER + json.dumps({**LINE, "text": None}), ":2: text"),
        (HEADER + json.dumps({**LINE, "usage": {"tokens": 1}}), ":2: usage.tokens"),
        (HEADER + json.dumps({**LINE, "extra": 1}), ":2: extra"),
        (HEADER + json.dumps(LINE) + "\n" + json.dumps(LINE), ":3: t edit sample 1 turn 1 is recorded twice"),
    ],
)
def test_malformed_recordings(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_text(content)
    with pytest.raises(BadRecord) as caught:
        ReplayModel.open(path)
    assert f"{path}{message}" in str(caught.value)


def test_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="cannot be read"):
        ReplayModel.open(tmp_path / "none.jsonl")


def test_fake_model() -> None:
    model = FakeModel(scripted([("no match", "a"), ("brief.*Hello", "b"), ("", "c")]), Price(prompt=1.0))
    got = asyncio.run(model.complete(REQUEST))
    assert (got.text, got.finish_reason, got.model) == ("b", "stop", "fake")
    assert got.usage is not None and got.usage.prompt_tokens > 0 and got.usage.completion_tokens == 1
    with pytest.raises(NoAnswer, match="task-1 edit"):
        asyncio.run(FakeModel(scripted([])).complete(REQUEST))
    assert open_model("fake", OperationSettings()).price == Price()
