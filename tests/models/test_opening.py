"""Which model a name opens: ours, one from outside, or one of litellm."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

import codemonkeys.models
from codemonkeys.errors import BadInput, BadRecord, BadSettings, NothingAnswers
from codemonkeys.models import MODELS, open_model
from codemonkeys.models.fake import FakeModel
from codemonkeys.models.reach import check_reach
from codemonkeys.models.replay import ReplayModel
from codemonkeys.runs.models import open_models
from codemonkeys.settings import OperationSettings, load_settings
from tests.plugins import install

CODE = """
from codemonkeys.models.fake import FakeModel

opened = []

def open_one(spec, operation):
    opened.append((spec, operation.attempts))
    return FakeModel(lambda request: "yes", name=spec)

def open_nothing(spec, operation): return 5

number = 5
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module in the current folder."""
    name = f"models_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return name


@pytest.fixture
def asked_of_litellm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that were left to litellm."""
    asked: list[str] = []

    def open_hosted(spec: str, operation: OperationSettings) -> FakeModel:
        asked.append(spec)
        return FakeModel(lambda request: "")

    monkeypatch.setattr(codemonkeys.models, "_open_hosted", open_hosted)
    return asked


@pytest.mark.parametrize(
    "spec",
    [
        "openai/gpt-4o",
        "anthropic/claude-sonnet-4-5",
        "ollama/llama3:8b",
        "bedrock/anthropic.claude-v2:1",
        "ft:gpt-4o:org::id",
        "ft:gpt-4o-mini-2024-07-18:my-org:custom_suffix:id",
        "openai/replay:x",
        "gpt-4o",
    ],
)
def test_litellm_names_reach_litellm(spec: str, asked_of_litellm: list[str]) -> None:
    open_model(spec, OperationSettings())
    assert asked_of_litellm == [spec]


def test_a_model_from_outside_is_given_its_whole_name_and_the_settings(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_of_litellm: list[str]
) -> None:
    points = {"codemonkeys.models": f"mine = installed_{module}:open_one\nfake = installed_{module}:open_nothing"}
    monkeypatch.syspath_prepend(install(tmp_path / "site", CODE, points, f"installed_{module}"))
    for spec in (f"{module}:open_one", "mine", "mine:large/v2"):
        assert open_model(spec, OperationSettings(attempts=3)).name == spec
    assert __import__(f"installed_{module}").opened == [("mine", 3), ("mine:large/v2", 3)]
    assert MODELS.names() == ["fake", "replay", "mine"] and open_model("fake", OperationSettings()).name == "fake"
    assert asked_of_litellm == []


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("open_nothing", "what it opens is of type int, which is not a model"),
        ("number", "it is of type int, not a function of a name and OperationSettings"),
        ("missing", "has no attribute 'missing'"),
    ],
)
def test_what_is_no_model_is_said(module: str, attribute: str, message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        open_model(f"{module}:{attribute}", OperationSettings())


def test_a_name_without_its_provider_is_explained() -> None:
    with pytest.raises(BadSettings, match="No module named 'llama3'.*begins with its provider, as in ollama/"):
        open_model("llama3:latest", OperationSettings())


def test_a_replay_needs_its_file(tmp_path: Path) -> None:
    for name in ("run.db", "recording.jsonl", "recording"):
        with pytest.raises(BadRecord, match=f"{tmp_path}/{name}: "):
            open_model(f"replay:{tmp_path}/{name}", OperationSettings())
    (tmp_path / "recording").write_text('{"format": "codemonkeys-recording-1"}\n')
    assert isinstance(open_model(f"replay:{tmp_path}/recording", OperationSettings()), ReplayModel)


def test_models_know_nothing_of_the_journal() -> None:
    for path in (Path(codemonkeys.models.__file__).parent).glob("*.py"):
        assert "codemonkeys.journal" not in path.read_text(), path


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://no-such-host.invalid/v1", "nothing answers at http://no-such-host.invalid/v1 (Name or service not"),
        ("localhost:8000/v1", "operation.api_base=localhost:8000/v1: not the address of an endpoint; give it as http"),
        ("http://localhost:port/v1", "not the address of an endpoint"),
        ("http://" + "x" * 99 + "/", "not the address of an endpoint"),
        ("", "not the address of an endpoint"),
    ],
)
def test_an_address_where_nothing_answers_is_named_before_any_call(address: str, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        check_reach(address)


def test_an_endpoint_is_tried_before_the_run_and_not_when_a_proxy_is_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        check_reach(address)
        caller, _ = listener.accept()
        with caller:
            assert caller.recv(100) == b"", "nothing is sent"
    settings = load_settings(model="openai/test", operation={"api_base": address})
    with pytest.raises(NothingAnswers, match=re.escape(f"nothing answers at {address} (Connection refused); start")):
        open_models(settings)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    check_reach(address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(NothingAnswers):
        check_reach(address)
