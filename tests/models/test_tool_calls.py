"""Native tool calls on their way to a provider and back: by plain HTTP, through litellm, and by the Responses API."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from codemonkeys.errors import BadSettings, NoAnswer
from codemonkeys.models.answers import read_answer
from codemonkeys.models.base import Completion, Message, Request
from codemonkeys.models.hosted import HostedModel, Transport
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.tool_calls import Tool, ToolCall, dump_calls, load_calls, read_calls
from tests.models.endpoint import Endpoint, Reply, Responder, in_turn, serve
from tests.models.test_parameters import KEY
from tests.models.test_responses_api import responded
from tests.models.test_retries import QUICK

TOOLS = (Tool("bash", "Run commands.", {"type": "object", "properties": {"command": {"type": "string"}}}),)
BROKEN = '{"command": "l'
CALLS = (ToolCall("c1", "bash", '{"command": "ls"}'), ToolCall("c2", "bash", BROKEN))
SIGNED = json.dumps([{"type": "thinking", "thinking": "Look.", "signature": "sig"}])
MESSAGES = (
    Message("system", "Be careful."),
    Message("user", "Go."),
    Message("assistant", "", SIGNED, CALLS),
    Message("tool", "a.py", call_id="c1"),
    Message("tool", "unusable", call_id="c2"),
    Message("assistant", "Again.", "", (ToolCall("c3", "bash", "{}"),)),
    Message("tool", "nothing", call_id="c3"),
)


def said(*calls: tuple[str | None, str, Any], text: str | None = None, finish: str = "tool_calls") -> dict[str, Any]:
    """A chat completion with tool calls."""
    made = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id, name, arguments in calls
    ]
    message = {"role": "assistant", "content": text, "tool_calls": made}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def ask(
    responder: Responder, name: str, transport: Transport = "auto", parameters: Parameters | None = None
) -> tuple[Completion, Endpoint]:
    async def once(url: str) -> Completion:
        model = HostedModel(name, url, 20, QUICK, transport=transport)
        given = parameters or Parameters()
        try:
            return await model.complete(Request(KEY, MESSAGES, 0.5, 3000, cache=True, parameters=given, tools=TOOLS))
        finally:
            await model.close()

    with serve(responder) as endpoint:
        base = endpoint.url.removesuffix("/v1") if name.startswith("anthropic") else endpoint.url
        return asyncio.run(once(base)), endpoint


@pytest.mark.parametrize("transport", ["auto", "litellm"])
def test_chat_completions(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    reply = Reply(body=json.dumps(said(("a", "bash", '{"command": "ls"}'), ("b", "nope", BROKEN), text="Both.")))
    got, endpoint = ask(in_turn(reply), "openai/own", transport)
    (seen,) = endpoint.requests
    assert seen.body["tools"] == [TOOLS[0].chat()]
    sent = seen.body["messages"]
    assert [message["role"] for message in sent] == "system user assistant tool tool assistant tool".split()
    assert [message["tool_call_id"] for message in sent if message["role"] == "tool"] == ["c1", "c2", "c3"]
    arguments = [json.loads(call["function"]["arguments"]) for call in sent[2]["tool_calls"]]
    assert arguments == [{"command": "ls"}, {"unreadable_arguments": BROKEN}]
    assert not sent[2].get("content") and "thinking_blocks" not in sent[2]
    assert (got.text, got.finish_reason) == ("Both.", "stop")
    assert got.calls == (ToolCall("a", "bash", '{"command": "ls"}'), ToolCall("b", "nope", BROKEN))


def test_claude_gets_its_thinking_and_marks_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    content = [
        {"type": "thinking", "thinking": "Look.", "signature": "new"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}},
    ]
    body: dict[str, Any] = {"id": "1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use"}
    body |= {"content": content, "usage": {"input_tokens": 9, "output_tokens": 9}}
    thinking = Parameters(thinking_tokens=1024)
    got, endpoint = ask(in_turn(Reply(body=json.dumps(body))), "anthropic/claude-sonnet-4-5", parameters=thinking)
    (seen,) = endpoint.requests
    assert seen.body["tools"][0]["name"] == "bash" and seen.body["tools"][0]["input_schema"]["properties"]
    begun, first, results, second, last = seen.body["messages"]
    assert [block["type"] for block in first["content"]] == ["thinking", "tool_use", "tool_use"]
    assert first["content"][0]["signature"] == "sig"
    assert [block["tool_use_id"] for block in results["content"]] == ["c1", "c2"]
    assert [block["type"] for block in second["content"]] == ["text", "tool_use"]
    marked = [json.dumps(message).count("cache_control") for message in (begun, first, results, second, last)]
    assert marked == [0, 0, 1, 0, 1] and json.dumps(seen.body["system"]).count("cache_control") == 1
    assert "cache_control" in json.dumps(results["content"][1])
    assert (got.text, got.finish_reason, got.calls) == (
        "I look.", "stop", (ToolCall("t1", "bash", '{"command": "ls"}'),)
    )  # fmt: skip
    assert json.loads(got.thinking)[0]["signature"] == "new"


def test_the_responses_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    thought: dict[str, Any] = {
        "type": "reasoning",
        "id": "rs",
        "summary": [],
        "encrypted_content": "sealed",
        "status": None,
    }
    made = {
        "type": "function_call",
        "id": "fc",
        "call_id": "c9",
        "name": "bash",
        "arguments": "{}",
        "status": "completed",
    }
    parameters = Parameters("high", api="responses")
    got, endpoint = ask(in_turn(responded(output=[thought, made])), "openai/gpt-5", parameters=parameters)
    (seen,) = endpoint.requests
    assert seen.body["include"] == ["reasoning.encrypted_content"] and seen.body["store"] is False
    (tool,) = seen.body["tools"]
    assert (tool["type"], tool["name"]) == ("function", "bash")
    items = [(item.get("type", "message"), item.get("call_id")) for item in seen.body["input"]]
    assert items == [
        ("message", None), ("message", None), ("thinking", None), ("function_call", "c1"), ("function_call", "c2"),
        ("function_call_output", "c1"), ("function_call_output", "c2"), ("message", None), ("function_call", "c3"),
        ("function_call_output", "c3"),
    ]  # fmt: skip
    assert got.calls == (ToolCall("c9", "bash", "{}"),) and got.finish_reason == "stop"
    (kept,) = json.loads(got.thinking)
    assert kept["encrypted_content"] == "sealed" and "status" not in kept


def test_calls_that_servers_write_in_other_ways() -> None:
    def read(*calls: Any) -> tuple[ToolCall, ...]:
        return read_calls({"tool_calls": list(calls)})

    function = {"name": "functions.bash", "arguments": {"command": "ls"}}
    signed = {"function": function, "provider_specific_fields": {"thought_signature": "s"}}
    first, second, third = read(signed, {"id": "x", "function": function}, {"id": "x", "function": {}})
    assert first.name == "functions_bash" and json.loads(first.arguments) == {"command": "ls"}
    assert len({first.id, second.id, third.id}) == 3 and second.id == "x" and third.name == "unnamed"
    assert first.chat()["provider_specific_fields"] == {"thought_signature": "s"}
    assert read("x", {}, {"function": "ls"}) == () and read_calls({"tool_calls": "x"}) == ()
    assert load_calls(dump_calls((first, third))) == (first, third)


def test_endings() -> None:
    def read(record: dict[str, Any], tools: bool = True) -> Completion:
        return read_answer(record, "call", "m", 0.0, tools=tools)

    one = ("a", "bash", "{}")
    for finish, ending in [("stop", "stop"), ("length", "length"), ("eos", "stop"), ("error", "broken")]:
        assert read(said(one, finish=finish)).finish_reason == ending
    assert read(said(text="Nothing to call.")).calls == ()
    with pytest.raises(NoAnswer):
        read(said())
    with pytest.raises(NoAnswer):  # Nobody gave it tools.
        read(said(one), tools=False)


def test_secrets_in_arguments_are_cleaned_and_what_is_signed_is_dropped() -> None:
    made = ToolCall("c", "bash", json.dumps({"command": 'echo "pass\nword"'}), {"thought_signature": "pass\nword"})

    def clean(text: str) -> str:
        return text.replace("pass\nword", "***")

    cleaned = made.cleaned(clean)
    assert cleaned.read_arguments() == {"command": 'echo "***"'} and cleaned.extra == {}
    assert made.cleaned(str) == made
    assert ToolCall("c", "bash", "{pass\nword").cleaned(clean).arguments == "{***"


def test_tools_are_part_of_the_request() -> None:
    bare = Request(KEY, MESSAGES[:2])
    offered = Request(KEY, MESSAGES[:2], tools=TOOLS)
    answered = Request(KEY, MESSAGES, tools=TOOLS)
    assert len({bare.hash("m"), offered.hash("m"), answered.hash("m")}) == 3
    assert "Run commands." in offered.prompt[0].content and bare.prompt == bare.messages


def test_a_model_that_litellm_sends_no_tools_is_refused_before_anything_is_spent() -> None:
    with pytest.raises(BadSettings, match="takes no tools"):
        HostedModel("perplexity/sonar", "http://127.0.0.1:9").check_tools()
