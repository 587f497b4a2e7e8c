"""What the server answers to at all, and the headers of whatever it answers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.cli.app import app
from codemonkeys.view.characters import HIDDEN, visible
from codemonkeys.view.guard import HEADERS
from codemonkeys.view.server import Viewer
from tests.view.shown_runs import HOSTILE, get, viewer, with_viewer

PATHS = ("/", "/-/run/run", "/-/files/view.css", "/run/tasks", "/run/tasks.json", "/run/tasks.csv", "/nothing")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, copy_run: Callable[..., Path]) -> Path:
    """A folder with one run."""
    return copy_run(tmp_path_factory.mktemp("guard") / "runs").parent.parent


@pytest.mark.parametrize(
    ("host", "served"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1:8001", "[::1]:8001", "localhost:1")),
        *(
            (host, False)
            for host in ("example.org", "localhost.example.org", "127.0.0.1.example.org:8001", "10.0.0.1", "")
        ),
    ],
)
def test_only_loopback_hosts_are_answered(runs: Path, host: str, served: bool) -> None:
    """A site of somebody else's may have a name that leads to this machine."""
    for path in ("/", "/run/tasks.json"):
        (answer,) = get(runs, path, headers={"host": host})
        assert (answer.status_code == 200) is served, (path, answer.status_code)
        assert served or "owner" not in answer.text


def test_nothing_but_reading(runs: Path) -> None:
    async def ask(shown: Viewer) -> list[int]:
        methods = ("post", "put", "patch", "delete", "options")
        return [(await getattr(shown.client, method)(path)).status_code for method in methods for path in PATHS]

    before = (runs / "run" / "run.db").read_bytes()
    assert set(with_viewer(runs, ask)) == {405}
    queries = [
        "DELETE FROM tasks",
        "select 1; drop table tasks",
        "pragma journal_mode=delete",
        "with a as (select 1) delete from tasks",
    ]
    answers = get(runs, *(str(httpx.URL("/run", params={"sql": query})) for query in queries))
    assert {answer.status_code for answer in answers} == {400}
    assert (runs / "run" / "run.db").read_bytes() == before


def test_a_query_reaches_no_other_file(runs: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE secret (a)")
    query = f"select * from (select 1) where (select count(*) from pragma_database_list) > 9 or '{tmp_path}' = ''"
    (listed, extension) = get(
        runs, str(httpx.URL("/run", params={"sql": query})), "/run?sql=select+load_extension('/nothing')"
    )
    assert listed.status_code == 200 and extension.status_code == 400

    async def attach(shown: Viewer) -> None:
        await shown.get_database("run").execute(f"ATTACH '{tmp_path / 'other.db'}' AS other")

    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        with_viewer(runs, attach)


def test_every_answer_has_the_headers(runs: Path) -> None:
    for path, answer in zip(PATHS, get(runs, *PATHS), strict=True):
        for name, value in HEADERS.items():
            assert answer.headers.get_list(name) == [value], (path, name)
        assert "set-cookie" not in answer.headers and "access-control-allow-origin" not in answer.headers
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy


def test_pages_that_nobody_needs_are_not_served(runs: Path) -> None:
    paths = [
        "versions",
        "plugins",
        "settings",
        "databases",
        "actor",
        "permissions",
        "messages",
        "auth-token",
        "patterns",
        "allow-debug",
    ]
    answers = get(runs, *(f"/-/{path}" for path in paths), "/-/databases.json", "/-/static/table.js", "/run.db")
    assert {answer.status_code for answer in answers} <= {403, 404}
    outside = [
        "/-/files/../plugin.py",
        "/-/files/%2e%2e/plugin.py",
        "/-/files/..%2fplugin.py",
        "/..%2f..%2fetc/passwd",
        "/_internal",
    ]
    for path, answer in zip(outside, get(runs, *outside), strict=True):
        assert answer.status_code in (302, 403, 404) and "hookimpl" not in answer.text, path


def test_runs_that_were_not_asked_for_are_not_shown(runs: Path) -> None:
    async def ask(shown: Viewer) -> list[int]:
        return [(await shown.client.get(path)).status_code for path in ("/-/run/run", "/run", "/run/tasks.json")]

    with viewer(runs, "another") as shown:
        assert asyncio.run(ask(shown)) == [404, 404, 404]


@given(st.text(st.characters() | st.sampled_from("\x00\x1b\x7f\x9b\u202e\u2066\ufeff\U000e0041<&"), max_size=20))
def test_no_hidden_character_is_left_and_no_other_changed(text: str) -> None:
    shown = visible(text)
    assert not HIDDEN.search(shown)
    if not HIDDEN.search(text):
        assert shown == text
    assert not set(shown) & set("<>&\"'") - set(text)


def test_what_is_hidden_is_named() -> None:
    assert visible("a\x00b\x1b[0m\x7f\u202ec\u2066\ufeff\U000e0041\t\n") == (
        "a\u2400b\u241b[0m\u2421[U+202E]c[U+2066][U+FEFF][U+E0041]\t\n"
    )
    assert "\u241b" in visible(HOSTILE)


def test_without_datasette_one_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("codemonkeys.cli.viewing.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        app(["view", "--runs", str(tmp_path)])
    assert ended.value.code == 2 and "pip install 'codemonkeys[view]'" in capsys.readouterr().err


def test_a_run_that_is_not_there_is_refused_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["view", "nothing", "--runs", str(tmp_path)])
    assert ended.value.code == 2 and "no run 'nothing'" in capsys.readouterr().err
