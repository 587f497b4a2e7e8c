"""Calls to an endpoint of the user's own, with and without litellm in between."""

from __future__ import annotations

import pytest

import codemonkeys.models.hosted


@pytest.fixture
def through_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls go through litellm, as those to hosted models."""
    monkeypatch.setattr(codemonkeys.models.hosted, "is_plain", lambda name, api_base: False)


@pytest.fixture(params=["plain", "litellm"])
def both_routes(request: pytest.FixtureRequest) -> None:
    """Calls without litellm where there may be, and all through it."""
    if request.param == "litellm":
        request.getfixturevalue("through_litellm")
