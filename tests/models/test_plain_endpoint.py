"""Calls to an OpenAI-compatible endpoint without litellm."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import sys
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from codemonkeys.errors import ModelError, PromptTooLong, RejectedRequest, RetriesExhausted
from codemonkeys.models import endpoint as plain
from codemonkeys.models import open_model
from codemonkeys.models.base import Completion
from codemonkeys.models.endpoint import KEYS, certificates, is_plain, proxy_of
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.retry import Patience
from codemonkeys.settings import OperationSettings
from tests.models.endpoint import Reply, Seen, answer, in_turn, serve, status
from tests.models.test_retries import QUICK, REQUEST, ask

KEY = "canary-0123456789"
LOCAL = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in set(KEYS.values()):
        monkeypatch.setenv(variable, f"{KEY}-{variable}")
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("provider", KEYS)
def test_both_routes_send_the_same(provider: str, request: pytest.FixtureRequest) -> None:
    sent: list[tuple[str, Any, str | None]] = []
    asked = replace(REQUEST, temperature=0.5, max_tokens=99)
    for fixture in (None, "through_litellm"):
        if fixture:
            request.getfixturevalue(fixture)
        got, endpoint = ask(in_turn(answer("Hello.")), f"{provider}/some/name", asked)
        assert isinstance(got, Completion), got
        (seen,) = endpoint.requests
        sent.append((seen.path, seen.body, seen.headers.get("authorization")))
    assert sent[0] == sent[1]
    assert sent[0][2] == f"Bearer {KEY}-{KEYS[provider]}"


def test_which_names_go_without_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openai/test", "openai/gpt-oss-120b", "hosted_vllm/Qwen/Qwen3", "lm_studio/x"):
        assert is_plain(name, LOCAL), name
        assert not is_plain(name, None), name
    for name in ("openai/gpt-4o", "openai/gpt-5-mine", "openai/responses/x", "anthropic/claude-sonnet-4-5", "gpt-4o"):
        assert not is_plain(name, LOCAL), name
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    assert not is_plain("openai/test", "http://example.invalid/v1")


@pytest.mark.slow
def test_litellm_is_neither_imported_nor_needed_unless_wished() -> None:
    program = (
        "import asyncio, sys\nfrom codemonkeys.models import open_model\n"
        "from codemonkeys.settings import OperationSettings\n"
        "from tests.models.test_retries import REQUEST\n"
        "model = open_model('openai/test', OperationSettings(api_base=sys.argv[1]))\n"
        "async def main():\n print((await model.complete(REQUEST)).text)\n await model.close()\n"
        "asyncio.run(main())\n"
        "print('litellm' in sys.modules)"
    )
    with serve(in_turn(answer("Hello."))) as endpoint:
        done = subprocess.run([sys.executable, "-c", program, endpoint.url], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["Hello.", "False"], "")
    operation = OperationSettings(api_base=LOCAL, transport="litellm")
    model = open_model("openai/test", operation)
    assert isinstance(model, HostedModel) and model._endpoint is None and model._provider == "openai"


def test_parameters_are_in_the_body_and_the_headers() -> None:
    parameters = Parameters(
        effort="high",
        temperature=0.7,
        top_p=0.9,
        service_tier="flex",
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
        extra_headers={"X-Title": "mine"},
    )
    _, endpoint = ask(in_turn(answer("Hello.")), request=replace(REQUEST, max_tokens=7, parameters=parameters))
    (seen,) = endpoint.requests
    del seen.body["messages"]
    assert seen.body == {
        "model": "test",
        "temperature": 0.7,
        "max_tokens": 7,
        "top_p": 0.9,
        "reasoning_effort": "high",
        "service_tier": "flex",
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert seen.headers["x-title"] == "mine"


@pytest.mark.parametrize("text", ["Grüße, 日本 \U0001f600", "half a pair: \ud83d"])
def test_any_text_goes_both_ways(text: str) -> None:
    given = Parameters(extra_body={"user": text})
    got, endpoint = ask(in_turn(answer(text)), request=replace(REQUEST, parameters=given))
    assert isinstance(got, Completion), got
    assert (got.text, endpoint.requests[0].body["user"]) == (text, text)


def test_no_key_is_sent_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    _, endpoint = ask(in_turn(answer("Hello.")))
    assert "authorization" not in endpoint.requests[0].headers


def test_a_login_in_the_address_takes_the_place_of_the_key() -> None:
    async def once(url: str) -> None:
        model = HostedModel("openai/test", url.replace("://", "://me:secret@"), 20, QUICK)
        await model.complete(REQUEST)
        await model.close()

    with serve(in_turn(answer("Hello."))) as endpoint:
        asyncio.run(once(endpoint.url))
    assert endpoint.requests[0].headers["authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_told_and_not_followed(code: int) -> None:
    with serve(in_turn(answer("Hello."))) as other:
        got, endpoint = ask(in_turn(status(code, {"Location": f"{other.url}/chat/completions"})))
    assert isinstance(got, RejectedRequest)
    assert f"it redirects to {other.url}/chat/completions, which is not followed" in str(got)
    assert (len(endpoint.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[]", RetriesExhausted),
        ('"text"', RetriesExhausted),
        ("\xff\ufffd", RetriesExhausted),
        ("", RetriesExhausted),
        ("{}", RetriesExhausted),
    ],
)
def test_what_is_no_answer(body: str, expected: type[ModelError]) -> None:
    got, _ = ask(in_turn(Reply(body=body)))
    assert type(got) is expected, got


def test_an_answer_of_any_size_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "LARGEST_ANSWER", 2**20)
    for headers in ({}, {"Content-Encoding": "identity"}):
        got, endpoint = ask(in_turn(Reply(body=" " * (2**20 + 1), headers=headers)))
        assert isinstance(got, RejectedRequest) and "more than 1 MiB" in str(got)
        assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 2048 tokens. However, you requested 3000 tokens.",
        "The input (3000 tokens) is longer than the model's context length (2048 tokens).",
        "the request exceeds the available context size, try increasing it",
    ],
)
@pytest.mark.usefixtures("both_routes")
def test_how_local_servers_refuse_a_prompt_that_is_too_long(words: str) -> None:
    got, _ = ask(in_turn(status(400, message=words)))
    assert isinstance(got, PromptTooLong), got


def test_errors_in_the_words_of_several_servers() -> None:
    for body in (
        '{"detail": "no such thing"}',
        '{"message": "no such thing"}',
        '{"error": "no such thing"}',
        "no such thing",
    ):
        got, _ = ask(in_turn(Reply(400, body)))
        assert "HTTP 400: no such thing" in str(got)


def test_a_proxy_is_asked_as_the_environment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(in_turn(answer("Hello."))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "direct.invalid")
        assert proxy_of("http://direct.invalid/v1") is None and proxy_of("https://other.invalid/v1") is None

        async def once() -> str:
            model = HostedModel("openai/test", "http://example.invalid/v1", 20, QUICK)
            try:
                return (await model.complete(REQUEST)).text
            finally:
                await model.close()

        assert asyncio.run(once()) == "Hello."
    assert proxy.requests[0].headers["host"] == "example.invalid"


def test_certificates_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint whose certificate nobody but SSL_CERT_FILE vouches for."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        + ["-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )

    async def once() -> Completion:
        async def respond(request: web.Request) -> web.Response:
            return web.Response(text=answer("Hello.").body, content_type="application/json")

        app = web.Application()
        app.router.add_post("/{path:.*}", respond)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        model = HostedModel("openai/test", f"https://127.0.0.1:{runner.addresses[0][1]}/v1", 20, Patience(attempts=1))
        try:
            return await model.complete(REQUEST)
        finally:
            await model.close()
            await runner.cleanup()

    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RetriesExhausted, match="certificate verify failed"):
        asyncio.run(once())
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    assert asyncio.run(once()).text == "Hello."
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_VERIFY", "False")
    assert certificates("https://127.0.0.1") is False


def test_connections_of_an_ended_loop_are_let_go(caplog: pytest.LogCaptureFixture) -> None:
    async def once(model: HostedModel) -> None:
        await model.complete(REQUEST)

    async def to_the_end(model: HostedModel) -> None:
        await model.complete(REQUEST)
        await model.close()

    with serve(in_turn(answer("Hello."))) as endpoint, warnings.catch_warnings():
        model = HostedModel("openai/test", endpoint.url, 20, QUICK)
        asyncio.run(once(model))
        asyncio.run(to_the_end(model))
        # The socket of a loop that is gone can only be closed as garbage.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert len(endpoint.requests) == 2
    assert caplog.records == []


def test_a_request_is_sent_once_on_a_connection_that_the_server_had_closed() -> None:
    """aiohttp may send a request again on a new connection; not one that is no GET."""

    def respond(seen: Seen) -> Reply:
        return Reply(reset=True) if seen.number == 1 else answer("Hello.")

    async def twice(url: str) -> list[object]:
        model = HostedModel("openai/test", url, 20, Patience(attempts=1))
        found: list[object] = []
        for _ in range(2):
            try:
                found.append((await model.complete(REQUEST)).text)
            except ModelError as error:
                found.append(type(error))
        await model.close()
        return found

    with serve(respond) as endpoint:
        assert asyncio.run(twice(endpoint.url)) == ["Hello.", RetriesExhausted]
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("reply", [status(500), Reply(body="no JSON"), Reply(reset=True)])
def test_a_call_that_failed_holds_no_request(reply: Reply) -> None:
    """Python looks for garbage so rarely that thousands of prompts would wait while an endpoint is overloaded."""

    async def is_held(url: str) -> bool:
        model, request = HostedModel("openai/test", url, 20, QUICK), replace(REQUEST)
        held = weakref.ref(request)
        with pytest.raises(RetriesExhausted):
            await model.complete(request)
        del request
        await model.close()
        return held() is not None

    with serve(lambda _: reply) as endpoint:
        gc.disable()
        try:
            assert not asyncio.run(is_held(endpoint.url))
        finally:
            gc.enable()
