"""A wall clock that jumps back and forth changes nothing but what is written as a moment."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.journal import times
from codemonkeys.models import retry
from codemonkeys.models.retry import retry_after
from codemonkeys.models.throttle import TokenBucket
from codemonkeys.report import run_status
from codemonkeys.report.run_status import StatusReader
from codemonkeys.report.status_view import status_view
from tests.report.finished_run import finish_run

FILES: dict[str, str | bytes] = {"module.py": "def function():\n    return 1\n"}


class Jumping(datetime):
    """A clock that is up to a day wrong, each time otherwise."""

    numbers = random.Random(1)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz or UTC) + timedelta(seconds=cls.numbers.uniform(-86_400, 86_400))


def predictions(runs: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(runs / "run" / "run.db")
    try:
        return connection.execute("SELECT instance_id, model_patch FROM predictions").fetchall()
    finally:
        connection.close()


@pytest.mark.slow
def test_a_run_ends_the_same(
    tmp_path: Path, make_repository: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make_repository(FILES)
    wanted: dict[str, Any] = {"generation": {"samples": 2}}
    finish_run(tmp_path / "plain", repository, 3, **wanted)
    for module in (times, run_status):
        monkeypatch.setattr(module, "datetime", Jumping)
    finish_run(tmp_path / "jumping", repository, 3, **wanted)
    assert predictions(tmp_path / "jumping") == predictions(tmp_path / "plain") != []
    found = StatusReader(tmp_path / "jumping" / "run").read()
    assert found.tasks == {"predicted": 3} and found.calls_a_minute >= 0 and (found.seconds_left or 0) >= 0
    assert status_view(found)
    # A resumed session finds every step where it was.
    finish_run(tmp_path / "jumping", repository, 3, **wanted)
    assert predictions(tmp_path / "jumping") == predictions(tmp_path / "plain")


def test_a_providers_date_is_compared_with_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "datetime", Jumping)
    sent, later = "Thu, 26 Nov 2026 12:00:00 GMT", "Thu, 26 Nov 2026 12:00:30 GMT"
    assert all(retry_after(later, sent) == 30 for _ in range(20))


def test_an_allowance_neither_waits_for_ever_nor_gives_more_than_a_minute() -> None:
    moments = [0.0]
    allowance = TokenBucket(60.0, lambda: moments[0])
    rng = random.Random(2)
    for _ in range(200):
        moments[0] += rng.uniform(-3_600, 3_600)
        assert 0.0 <= allowance.wait(1) <= 60.0
        allowance.take(1)
        assert allowance.wait(60) <= 120.0
