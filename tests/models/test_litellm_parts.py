"""A litellm that is not as we know it: what is lost is said when it is loaded."""

from __future__ import annotations

import importlib
import re
import sys
from importlib.metadata import version

import pytest

from codemonkeys.errors import UnusableModel
from codemonkeys.models import litellm_calls, litellm_parts
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.litellm_parts import NEEDED, check, missing


def test_the_installed_version_has_all_that_is_needed() -> None:
    litellm_calls.load()
    check()
    assert missing(NEEDED) == [] and litellm_calls.lost() == []


def test_what_is_gone_is_named_with_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    litellm_calls.load()
    handler = importlib.import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
    monkeypatch.delattr(handler, "create_client")
    monkeypatch.setattr(litellm_parts, "NEEDED", (*NEEDED, "litellm.no_such_module:name", "litellm:no.such.name"))
    gone = (
        "litellm.llms.custom_httpx.http_handler:AsyncHTTPHandler.create_client, litellm.no_such_module:name, litellm:no"
    )
    with pytest.raises(UnusableModel, match=re.escape(f"litellm {version('litellm')} has no {gone}")):
        check()


def test_a_completion_without_a_decorator_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_calls.load(), "completion", lambda: None)
    with pytest.raises(UnusableModel, match="litellm:completion with a decorator"):
        check()


def test_what_no_bill_depends_on_is_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(litellm_calls, "_lost", said)
    litellm_calls.load()
    # As if it could not be imported.
    monkeypatch.setitem(sys.modules, "litellm.litellm_core_utils.default_encoding", None)
    litellm_calls.load.__wrapped__()
    model = HostedModel("openai/gpt-4o")
    (remark,) = model.remarks()
    assert f"litellm {version('litellm')}" in remark and "default_encoding" in remark
