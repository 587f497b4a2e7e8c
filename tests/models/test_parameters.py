"""Parameters of a call: part of what is asked, and of nothing where none is given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.steps import Steps
from codemonkeys.errors import BadInput, BadSettings
from codemonkeys.journal.run_files import reading
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.parameters import Parameters
from codemonkeys.runs.models import open_models
from codemonkeys.settings import Settings, load_settings
from codemonkeys.stages import ASKING, ROLES
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringSandbox
from tests.models.endpoint import answer, in_turn, serve
from tests.models.test_hosted import claude
from tests.models.test_retries import QUICK

KEY = StepKey("task", "edit", 0, 0)
MESSAGES = (Message("user", "Hello"),)
NOTHING = Execution(Reason.EXITED, 0)


def test_a_request_without_parameters_has_the_hash_that_older_runs_stored() -> None:
    stored = "62fe150747c0f3d1b31c5140434eec7240aca637743bd09ec2fb359fd95dad9e"
    assert Request(KEY, MESSAGES).hash("openai/test") == stored


def test_each_parameter_changes_the_hash() -> None:
    asked = [
        Parameters(),
        Parameters(effort="high"),
        Parameters(effort="low"),
        Parameters(thinking_tokens=1024),
        Parameters(temperature=0.0),
        Parameters(top_p=0.9),
        Parameters(max_tokens=100),
        Parameters(service_tier="flex"),
        Parameters(api="responses"),
        Parameters(extra_body={"seed": 1}),
        Parameters(extra_headers={"x-title": "t"}),
    ]
    hashes = {Request(KEY, MESSAGES, parameters=each).hash("openai/test") for each in asked}
    assert len(hashes) == len(asked)


def test_the_order_of_further_fields_does_not_matter() -> None:
    first, second = Parameters(extra_body={"a": 1, "b": 2}), Parameters(extra_body={"b": 2, "a": 1})
    assert Request(KEY, MESSAGES, parameters=first).hash("m") == Request(KEY, MESSAGES, parameters=second).hash("m")


GIVEN: dict[str, Any] = {
    "effort": "high",
    "temperature": 0.3,
    "top_p": 0.9,
    "max_tokens": 321,
    "service_tier": "flex",
    "extra_body": {"seed": 7, "top_k": {"of": 2}},
    "extra_headers": {"x-title": "ours"},
}
EXPECTED = {
    **{name: GIVEN[name] for name in ("temperature", "top_p", "max_tokens", "service_tier")},
    "reasoning_effort": "high",
    "seed": 7,
    "top_k": {"of": 2},
    "x-title": "ours",
}
"""What an endpoint sees of them, in the body or in the headers."""


async def ask_all(settings: Settings, folder: Path) -> Steps:
    """One request of each stage, as the engine sends it."""
    models = open_models(settings)
    journal = Journal(folder, "run", "source", {})
    journal.add_tasks([TASK])
    steps = Steps(journal, models, AnsweringSandbox(lambda script, patch: NOTHING), settings.operation)
    try:
        for stage in ASKING:
            await steps.calls.call(Request(StepKey(TASK.id, stage.name), MESSAGES, 0.5, 100))
    finally:
        await models.close()
        steps.close()
        journal.close()
    return steps


def seen_by_stage(settings: dict[str, Any], folder: Path) -> dict[str, tuple[dict[str, Any], Mapping[str, str]]]:
    """Body and headers of one request of each stage."""
    with serve(in_turn(answer("Hello."))) as endpoint:
        given = {"model": "openai/main", **settings}
        asyncio.run(ask_all(load_settings(**{**given, "operation": {"api_base": endpoint.url}}), folder))
    bodies = [(seen.body, seen.headers) for seen in endpoint.requests]
    return dict(zip([stage.name for stage in ASKING], bodies, strict=True))


@pytest.mark.parametrize("role", ROLES)
def test_each_parameter_reaches_every_call_of_its_role_and_no_other(role: str, tmp_path: Path) -> None:
    seen = seen_by_stage({"models": {role: GIVEN}}, tmp_path)
    for stage in ASKING:
        body, headers = seen[stage.name]
        found = {name: body.get(name, headers.get(name)) for name in EXPECTED}
        own = dict.fromkeys(EXPECTED) | {"temperature": 0.5, "max_tokens": 100}
        assert found == (EXPECTED if stage.role == role else own), stage


def test_a_role_wins_over_a_name_and_a_name_over_what_the_stage_asks_for(tmp_path: Path) -> None:
    models = {
        "openai/main": {"temperature": 0.1, "top_p": 0.2, "extra_body": {"a": 1, "b": 1}},
        "openai/one": {"max_tokens": 11},
        "judge": {"temperature": 0.9, "extra_body": {"b": 2}},
    }
    settings = {"scan_model": "openai/small", "generation": {"models": ["openai/one"]}, "models": models}
    seen = {stage: body for stage, (body, _) in seen_by_stage(settings, tmp_path).items()}
    assert (seen["relevance"]["model"], seen["relevance"]["temperature"], seen["relevance"]["max_tokens"]) == (
        *("small", 0.5),
        100,
    )
    assert (seen["rank"]["temperature"], seen["rank"]["top_p"], seen["rank"]["a"], seen["rank"]["b"]) == (
        0.1,
        0.2,
        1,
        1,
    )
    assert (seen["edit"]["model"], seen["edit"]["max_tokens"], seen["edit"]["temperature"]) == ("one", 11, 0.5)
    for stage in ("judge", "ballot", "tournament", "select"):
        assert (seen[stage]["temperature"], seen[stage]["top_p"]) == (0.9, 0.2)
        assert (seen[stage]["a"], seen[stage]["b"]) == (1, 2)


def test_the_judge_may_be_a_model_of_its_own(tmp_path: Path) -> None:
    seen = seen_by_stage({"selection": {"model": "openai/wise"}}, tmp_path)
    assert [stage for stage, (body, _) in seen.items() if body["model"] == "wise"] == [
        *("prune", "compare", "critique", "rerank", "judge", "ballot"),
        *("tournament", "select"),
    ]


def test_what_is_asked_is_stored_with_the_step(tmp_path: Path) -> None:
    seen_by_stage({"models": {"judge": {"effort": "high", "max_tokens": 77, "temperature": 0.2}}}, tmp_path)
    with reading(tmp_path / "run" / "run.db") as connection:
        rows = connection.execute("SELECT stage, request FROM call_steps").fetchall()
    stored = {row["stage"]: json.loads(row["request"]) for row in rows}
    assert stored["ballot"]["parameters"] == {"effort": "high", "max_tokens": 77, "temperature": 0.2}
    assert (stored["ballot"]["max_tokens"], stored["ballot"]["temperature"]) == (77, 0.2)
    assert "parameters" not in stored["rank"]


def test_roles_of_one_model_may_have_endpoints_and_keys_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "canary-of-the-judge")
    judges = sum(stage.role == "judge" for stage in ASKING)
    with serve(in_turn(answer("Yes."))) as other:
        with serve(in_turn(answer("Yes."))) as endpoint:
            models = {"judge": {"api_base": other.url, "key_variable": "JUDGE_KEY"}}
            settings = load_settings(model="openai/main", models=models, operation={"api_base": endpoint.url})
            asyncio.run(ask_all(settings, tmp_path))
    assert [seen.headers["authorization"] for seen in other.requests] == ["Bearer canary-of-the-judge"] * judges
    assert len(endpoint.requests) == len(ASKING) - judges


CLAUDE = "anthropic/claude-sonnet-4-5"


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        (Parameters(thinking_tokens=2000), {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (Parameters(effort="low"), {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (Parameters(effort="none"), {"temperature": 0.5}),
        (Parameters(temperature=1.0, effort="low"), {"temperature": 1.0}),
        (Parameters(extra_body={"top_k": 3}), {"top_k": 3, "temperature": 0.5}),
    ],
)
def test_claude_thinks_by_its_own_protocol_and_then_takes_no_temperature(
    parameters: Parameters, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "canary-0123456789")

    async def once(url: str) -> None:
        model = HostedModel(CLAUDE, url, 20, QUICK, key_variable="MY_KEY")
        model.check_parameters(parameters, 8192)
        await model.complete(Request(KEY, MESSAGES, 0.5, 8192, parameters=parameters))
        await model.close()

    with serve(in_turn(claude({"input_tokens": 1, "output_tokens": 1}))) as endpoint:
        asyncio.run(once(endpoint.url))
    (seen,) = endpoint.requests
    assert seen.headers["x-api-key"] == "canary-0123456789"
    asked = {"temperature": None, **body}
    assert {name: seen.body.get(name) for name in asked} == asked


@pytest.mark.parametrize(
    ("name", "models", "message"),
    [
        ("openai/gpt-4o", {"writer": {"effort": "high"}}, "openai/gpt-4o takes no such effort, as far as litellm"),
        ("openai/gpt-5", {"judge": {"top_p": 0.5}}, "openai/gpt-5 takes no such top_p"),
        ("openai/gpt-5", {"judge": {"temperature": 0.3}}, "openai/gpt-5 takes no such temperature"),
        ("openai/test", {"scan": {"thinking_tokens": 9}}, "openai/test takes no such thinking_tokens"),
        (
            CLAUDE,
            {"primary": {"effort": "high"}},
            "thinks with up to 4096 tokens.*at most 4096.*raise max_tokens, such as to 8192.*models.primary",
        ),
        (CLAUDE, {"primary": {"effort": "enormous"}}, "enormous"),
        (CLAUDE, {"writer": {"thinking_tokens": 9, "effort": "low"}}, "give effort or thinking_tokens, not both"),
        (CLAUDE, {"writer": {"thinking_tokens": 99, "max_tokens": 99}}, "thinking_tokens=99 leave no answer"),
        (CLAUDE, {"writer": {"extra_body": {"num_retries": 9}}}, "extra_body cannot hold num_retries"),
        ("openai/test", {"openai/other": {"top_p": 1}}, r"no such model; name a role \(scan, .*\(openai/test\)"),
        ("openai/test", {"writers": {"top_p": 1}}, "models.writers: this run uses no such model"),
        ("openai/gpt-5-pro", {}, "by the Responses API only: set api to responses"),
        ("groq/x", {"judge": {"api": "responses"}}, "knows no Responses API of groq"),
        ("openai/test", {"judge": {"key_variable": "UNSET_KEY"}}, "needs UNSET_KEY in the environment"),
    ],
)
def test_what_a_model_does_not_take_is_refused_before_anything_is_spent(
    name: str, models: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for provider in ("OPENAI", "ANTHROPIC", "GROQ"):
        monkeypatch.setenv(f"{provider}_API_KEY", "canary-0123456789")
    with pytest.raises(BadInput, match=message):
        open_models(load_settings(model=name, models=models))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"extra_body": {"n": 4}}, "n cannot be set here; set generation.samples instead"),
        ({"extra_body": {"max_tokens": 4}}, "max_tokens cannot be set here; set max_tokens instead"),
        ({"extra_body": {"at": float("nan")}}, "not JSON"),
        ({"extra_headers": {"Authorization": "Bearer x"}}, "Authorization would be stored with the run"),
        ({"extra_headers": {"a": "b\r\nc: d"}}, "must be printable"),
        ({"key_variable": "MINE"}, "choose a name that ends in _KEY or _TOKEN"),
        ({"effort": "HIGH!"}, "effort"),
        ({"efort": "high"}, "efort"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        load_settings(model="fake", models={"writer": given})


def test_further_fields_are_what_json_makes_of_them_however_they_are_sent() -> None:
    """YAML has keys that are no strings; a run stores JSON, and goes on with what it has stored."""
    settings = load_settings(model="fake", models={"writer": {"extra_body": {"bias": {None: 1, 50256: -100}}}})
    assert settings.models["writer"].extra_body == {"bias": {"null": 1, "50256": -100}}
