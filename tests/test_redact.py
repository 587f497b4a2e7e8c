"""Secrets leave no text, ordinary text stays, and terminals get no control codes."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.redact import SECRET_NAME, Redactor, redact, redact_values, safe_terminal

SECRET = "canary/0123456789+abc="


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "DB_PASSWORD"]
    + ["github_token", "PASSWORD_OF_DB", "CLIENT_SECRET", "AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_AUTH_TOKEN"],
)
def test_values_of_the_environment(name: str) -> None:
    redactor = Redactor({name: SECRET, "HOME": "/home/someone"})
    for form in (SECRET, json.dumps({"key": SECRET}), "https://host/?k=canary%2F0123456789%2Babc%3D"):
        assert f"[redacted {name}]" in redactor(form)
        assert "0123456789" not in redactor(form)
    assert redactor("in /home/someone") == "in /home/someone"


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_PROFILE", "KEYBOARD", "TOKENIZERS_PARALLELISM", "GIT_AUTHOR_NAME"])
def test_variables_that_are_no_secrets(name: str) -> None:
    assert Redactor({name: "us-east-1"})("in us-east-1") == "in us-east-1"


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("postgres://me:pass-0123%2Bword@db.example/x", "pass-0123+word"),
        ("redis://:pass-0123word@cache:6379", "pass-0123word"),
        ("https://token-0123456@host.example/simple", "token-0123456"),
        ("http://me:pass-0123word@proxy:3128", "pass-0123word"),
    ],
)
def test_passwords_inside_urls(value: str, secret: str) -> None:
    redactor = Redactor({"SOME_URL": value})
    assert redactor.values(f"it is {secret}, they say") == "it is [redacted SOME_URL], they say"
    assert secret not in redactor(f"cannot reach {value}")
    assert redactor("me and example") == "me and example"


READS = re.compile(
    r"""(?:get_secret(?:_str)?|getenv|environ(?:\.get)?)\s*[(\[]\s*(?:secret_name\s*=\s*)?["']([A-Z][A-Z0-9_]+)["']"""
)
LIKE_A_SECRET = re.compile("KEY|TOKEN|SECRET|PASS|CREDENTIAL|JWT|AUTH|PEM|LICENSE|HEADER|WEBHOOK|LOGIN|CERT")
PLAIN = {
    *(
        "AZURE_AUTHORITY_HOST",
        "CHATGPT_AUTH_FILE",
        "GIGACHAT_AUTH_URL",
        "GITHUB_COPILOT_API_KEY_FILE",
        "GITHUB_COPILOT_API_KEY_URL",
    ),
    *("DATAFORSEO_LOGIN", "SSL_CERTIFICATE", "SSL_CERT_FILE", "XAI_OAUTH_API_BASE", "XAI_OAUTH_AUTH_FILE"),
}
"""Variables of providers that are named like a secret and hold a path, an address or a user's name."""


def test_every_variable_that_providers_of_litellm_read_is_known() -> None:
    found = importlib.util.find_spec("litellm")  # imports nothing
    assert found and found.origin
    library = Path(found.origin).parent
    texts = [path.read_text("utf-8") for path in (library / "llms").rglob("*.py")]
    texts += [(library / name).read_text("utf-8") for name in ("main.py", "utils.py")]
    names = {name for text in texts for name in READS.findall(text)}
    listed = json.loads((library / "llms" / "openai_like" / "providers.json").read_text("utf-8"))
    names |= {provider["api_key_env"] for provider in listed.values()}
    assert len(names) > 100 and PLAIN <= names
    assert {name for name in names if LIKE_A_SECRET.search(name) and not SECRET_NAME.search(name)} == PLAIN


def test_short_values_stay() -> None:
    assert Redactor({"SOME_KEY": "enabled"})("it is enabled") == "it is enabled"


def test_a_secret_that_begins_with_another_goes_as_a_whole() -> None:
    redactor = Redactor({"A_KEY": "abcdefgh", "B_KEY": "abcdefgh12345"})
    assert redactor("abcdefgh12345 abcdefgh") == "[redacted B_KEY] [redacted A_KEY]"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("bad key sk-ant-REDACTED!", "sk-ant-REDACTED"),
        ("Authorization: Bearer abc.def-0123456", "abc.def-0123456"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
        ("GET /v1?api_key=0123456789&x=1", "0123456789"),
        ("clone https://user:hunter22@host/x.git", "user:hunter22"),
        ("token ghp_0123456789abcdefghijABCDEFGHIJ0123", "ghp_0123456789abcdefghijABCDEFGHIJ0123"),
        ("AKIAABCDEFGHIJKLMNOP is the id", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
def test_well_known_shapes(text: str, secret: str) -> None:
    assert secret not in Redactor({})(text)
    assert Redactor({})(text).count("[redacted ") == 1
    assert Redactor({}).values(text) == text


@pytest.mark.parametrize(
    "text",
    ["def task-force(): risk-assessment", "http://localhost:8000/a@b", "the bearer of news", "x = api_key", "sk-1"],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor({})(text) == text


def test_the_environment_is_read_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert redact(f"key {SECRET}") == f"key {SECRET}"
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    assert redact(f"key {SECRET}") == redact_values(f"key {SECRET}") == "key [redacted SOME_API_KEY]"


@given(st.text(), st.text(min_size=8).filter(lambda value: len(value.strip()) >= 8), st.text())
def test_no_secret_survives(before: str, secret: str, after: str) -> None:
    shown = Redactor({"X_KEY": secret}).values(before + secret + after)
    assert "[redacted X_KEY]" in shown
    assert len(shown) <= len(before + secret + after) * len("[redacted X_KEY]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext é 漢 🙂", "plain\n\ttext é 漢 🙂"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://bad\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Btext\x1bc", "text"),
        ("a\rb\r\nc\bd\x00e\x7f", "ab\ncde"),
        ("\x9b31mred\x85", "31mred"),
        ("safe\u202etxt.exe\u2066\u200f", "safetxt.exe"),
        ("\x1b]0;a title without an end", ""),
    ],
)
def test_terminal(text: str, shown: str) -> None:
    assert safe_terminal(text) == shown


@given(st.text())
def test_no_control_reaches_a_terminal(text: str) -> None:
    shown = safe_terminal(text)
    assert not [c for c in shown if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or c in "\u202e\u2066"]
    assert safe_terminal(shown) == shown
