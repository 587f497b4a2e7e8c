"""What a model thought: read, kept apart from its answer, redacted, and sent back only where it is signed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.steps import Steps
from codemonkeys.journal.run_files import reading
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.reasoning import reasoning_of, signed_thinking
from codemonkeys.models.roles import ModelSet
from codemonkeys.settings import OperationSettings
from codemonkeys.stages import EDIT
from codemonkeys.tasks.snapshot import Snapshot
from tests.fakes import TASK, AnsweringSandbox
from tests.models.endpoint import Reply, answer, in_turn, serve
from tests.models.test_hosted import claude
from tests.models.test_parameters import CLAUDE, NOTHING
from tests.models.test_retries import QUICK
from tests.rooms import room

BLOCKS = [{"type": "thinking", "thinking": "A comma?", "signature": "c2lnbmVk"}]
SIGNED = json.dumps(BLOCKS)
HIDDEN = [{"type": "redacted_thinking", "data": "x"}]


@pytest.mark.parametrize(
    ("message", "text", "signed"),
    [
        ({"reasoning_content": "So."}, "So.", ""),
        ({"reasoning": "So."}, "So.", ""),
        ({"reasoning_content": "", "reasoning": "So."}, "So.", ""),
        ({"thinking_blocks": BLOCKS}, "A comma?", SIGNED),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "Unsigned."}]}, "Unsigned.", ""),
        ({"thinking_blocks": HIDDEN}, "", json.dumps(HIDDEN)),
        ({"reasoning_details": [{"text": "a"}, {"summary": "b"}, {"data": 5}, 7]}, "a\n\nb", ""),
        ({"reasoning": {"text": 5}, "reasoning_content": 7, "thinking_blocks": "x"}, "", ""),
        ({"content": "Only this."}, "", ""),
    ],
)  # fmt: skip
def test_reasoning_is_read_from_the_fields_that_providers_have(message: dict[str, Any], text: str, signed: str) -> None:
    assert (reasoning_of(message), signed_thinking(message)) == (text, signed)


def with_field(name: str, said: str) -> Reply:
    body = json.loads(answer("Hello.").body)
    body["choices"][0]["message"][name] = said
    return Reply(body=json.dumps(body))


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_of_an_endpoint_is_no_part_of_the_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def once(url: str) -> Completion:
        model = HostedModel("openai/test", url, 20, QUICK)
        try:
            return await model.complete(Request(StepKey("t", "edit"), (Message("user", "Hello?"),)))
        finally:
            await model.close()

    with serve(in_turn(with_field(name, "<<<<<<< not an edit"))) as endpoint:
        got = asyncio.run(once(endpoint.url))
    assert (got.text, got.reasoning, got.thinking) == ("Hello.", "<<<<<<< not an edit", "")


def thinking(text: str, thought: str = "A comma?") -> Reply:
    """An answer of Claude's that thought before it spoke."""
    block = {"type": "thinking", "thinking": thought, "signature": "c2lnbmVk"}
    return claude({"input_tokens": 1, "output_tokens": 1}, [block, {"type": "text", "text": text}])


async def converse(folder: Path, url: str, parameters: Parameters) -> list[Completion]:
    """A conversation of two turns, as the engine has it, whose second sends the first answer back."""
    model = HostedModel(CLAUDE, url, 20, QUICK)
    journal = Journal(folder, "run", "source", {})
    journal.add_tasks([TASK])
    models = ModelSet(model, model, parameters={("writer", CLAUDE): parameters})
    steps = Steps(journal, models, AnsweringSandbox(lambda script, patch: NOTHING), OperationSettings())
    try:
        first = await steps.calls.call(Request(StepKey(TASK.id, "edit"), (Message("user", "One?"),)))
        said = (Message("user", "One?"), Message("assistant", first.text, first.thinking), Message("user", "Two?"))
        return [first, await steps.calls.call(Request(StepKey(TASK.id, "edit", 0, 1), said))]
    finally:
        await model.close()
        steps.close()
        journal.close()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-0123456789")


def test_signed_blocks_go_back_unchanged_also_from_the_journal(tmp_path: Path) -> None:
    parameters = Parameters(thinking_tokens=2000)
    with serve(in_turn(thinking("1"), Reply(500, "no"))) as endpoint, pytest.raises(Exception, match="attempts failed"):
        asyncio.run(converse(tmp_path, endpoint.url, parameters))
    with serve(in_turn(thinking("2"))) as endpoint:
        first, second = asyncio.run(converse(tmp_path, endpoint.url, parameters))
    (seen,) = endpoint.requests
    assert seen.body["messages"][1]["content"] == [*BLOCKS, {"type": "text", "text": "1"}]
    assert (first.reasoning, json.loads(first.thinking), second.text) == ("A comma?", BLOCKS, "2")
    with reading(tmp_path / "run" / "run.db") as connection:
        query = "SELECT request FROM call_steps WHERE turn = 1 AND state = 'done'"
        assert json.loads(connection.execute(query).fetchone()[0])["thinking"] == [1]


def test_a_conversation_sends_an_answer_back_with_its_thinking(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    async def complete(request: Request) -> Completion:
        asked.append(request)
        return Completion("1", "stop", None, "m", reasoning="A comma?", thinking=SIGNED)

    with room(tmp_path, make_snapshot({"a.py": "x = 1\n"}), lambda request: "") as work:
        monkeypatch.setattr(work.models.primary, "complete", complete)
        talk = Conversation(work, EDIT, 0, "System.", 2, 0.0, 100)

        async def twice() -> None:
            assert await talk.ask("One?", str) == await talk.ask("Two?", str) == "1"

        asyncio.run(twice())
    assert [message.thinking for message in asked[1].messages] == ["", "", SIGNED, ""]
    assert asked[1].messages[2].content == "1"


def test_a_secret_in_the_reasoning_is_redacted_and_its_block_not_sent_back(tmp_path: Path) -> None:
    replies = (thinking("1", "The key is canary-0123456789."), thinking("2"))
    with serve(in_turn(*replies)) as endpoint:
        first, _ = asyncio.run(converse(tmp_path, endpoint.url, Parameters(thinking_tokens=2000)))
    assert first.thinking == "" and "canary" not in first.reasoning and "[redacted" in first.reasoning
    assert "canary" not in str(endpoint.requests[1].body)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "run").iterdir())
    assert b"canary-0123456789" not in stored


def test_only_thinking_makes_a_message_another_one() -> None:
    def hash_of(message: Message) -> str:
        return Request(StepKey("t", "edit"), (message,)).hash("m")

    assert hash_of(Message("assistant", "1")) != hash_of(Message("assistant", "1", SIGNED))
