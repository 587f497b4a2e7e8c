"""The search over all texts of a run, and its index."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.journal import run_files
from codemonkeys.journal.store import Journal
from codemonkeys.view.search import around, match_of, search_page
from codemonkeys.view.search_index import SCHEMA, Index, Indexes, add_some
from codemonkeys.view.server import Viewer
from tests.view.page import read_page
from tests.view.shown_runs import TASK, viewer, with_viewer


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, copy_run: Callable[..., Path]) -> Path:
    """A run of two tasks."""
    return copy_run(tmp_path_factory.mktemp("search") / "runs")


def updated(indexes: Indexes, run: Path) -> Index:
    """The index of a run, once it is up to date or could not be brought so."""
    index = indexes.of(run)
    assert index.work is not None
    index.work.result(120)
    return index


def built(indexes: Indexes, run: Path) -> Index:
    """The index of a run, up to date."""
    index = updated(indexes, run)
    assert index.error == ""
    return index


def kinds_found(run: Path, index: Index, words: str, kind: str = "") -> dict[str, int]:
    """Number of texts that are found, by kind."""
    with run_files.reading(run) as connection:
        hits = search_page(connection, index, words, kind)["hits"]
    return {name: sum(hit["kind"] == name for hit in hits) for name in {hit["kind"] for hit in hits}}


def test_an_index_that_cannot_be_written_is_told_on_the_page(database: Path, tmp_path: Path) -> None:
    """A file stands where its folder is to be: nothing is found, and the page says why."""
    folder = tmp_path / "cache"
    folder.write_text("in the way\n")
    indexes = Indexes(folder)
    index = updated(indexes, database)
    assert str(folder) in index.error
    with run_files.reading(database) as connection:
        found = search_page(connection, index, "name", "")
    assert found["complete"] and found["hits"] == [] and "cannot be used for the search" in found["error"]
    indexes.close()


def test_a_full_disk_is_told_as_such(database: Path, tmp_path: Path) -> None:
    index = Index(database, tmp_path / "index.db", threading.Event())
    with run_files.reading(database) as connection, closing(index.connect()) as full:
        full.executescript(SCHEMA)
        (pages,) = full.execute("PRAGMA page_count").fetchone()
        full.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            add_some(connection, full)
        assert full.execute("SELECT count(*) FROM texts").fetchone() == (0,)


def test_a_damaged_index_is_not_taken_for_a_damaged_run_and_is_built_anew(database: Path, tmp_path: Path) -> None:
    indexes = Indexes(tmp_path)
    file = built(indexes, database).file
    file.write_bytes(b"no database" * 500)
    damaged = updated(indexes, database)
    assert damaged.error.startswith(f"{file} cannot be used for the search: file is not a database; it can be deleted")
    file.unlink()
    assert kinds_found(database, built(indexes, database), "name")
    indexes.close()


def test_all_texts_are_found_and_the_run_is_not_written(database: Path, tmp_path: Path) -> None:
    before = database.read_bytes()
    indexes = Indexes(tmp_path)
    index = built(indexes, database)
    with closing(sqlite3.connect(database)) as connection:
        used = connection.execute(
            "SELECT count(*) FROM texts WHERE hash NOT IN (SELECT text_hash FROM prompts)"
        ).fetchone()
    with closing(index.connect()) as searched:
        assert searched.execute("SELECT count(*) FROM texts").fetchone() == used
    assert kinds_found(database, index, "breaks when the name")["issue"] == 1
    assert kinds_found(database, index, "codemonkeys_dry_run.txt").keys() >= {"script", "answer", "patch"}
    assert kinds_found(database, index, "codemonkeys_dry_run.txt", "patch").keys() == {"patch"}
    assert kinds_found(database, index, '"when the name" EMPTY') == kinds_found(database, index, "when the name empt")
    assert kinds_found(database, index, '"name the when"') == {}
    assert index.file.stat().st_mode & 0o77 == 0 and index.file.parent == tmp_path
    indexes.close()
    assert database.read_bytes() == before


def test_what_a_run_adds_is_found_and_nothing_is_read_twice(tmp_path: Path, copy_run: Callable[..., Path]) -> None:
    database = copy_run(tmp_path / "runs")
    indexes = Indexes(tmp_path / "cache")
    index = built(indexes, database)
    with closing(index.connect()) as searched:
        before = searched.execute("SELECT count(*) FROM texts").fetchone()[0]
    assert kinds_found(database, index, "zebra") == {}
    with closing(sqlite3.connect(database)) as connection:
        source, settings = connection.execute("SELECT source, settings FROM run").fetchone()
        # A call that was in flight when the index was built, and has an answer now.
        (call,) = connection.execute("SELECT max(id) FROM call_steps").fetchone()
    with closing(Journal(tmp_path / "runs", "run", source, json.loads(settings))) as journal:
        with journal._writer.writing() as connection:
            connection.execute("INSERT INTO texts VALUES ('f00', 5, 'zebra', NULL)")
            connection.execute(
                "INSERT INTO call_steps (task, stage, sample, turn, state, request_hash, request, model, started_at) "
                "SELECT task, stage, sample, turn + 1, 'started', request_hash, request, model, started_at "
                "FROM call_steps WHERE id = ?",
                (call,),
            )
        built(indexes, database)
        with journal._writer.writing() as connection:
            connection.execute("UPDATE call_steps SET state = 'done', answer_hash = 'f00' WHERE id = ?", (call + 1,))
    index = built(indexes, database)
    assert kinds_found(database, index, "zebra") == {"answer": 1}
    with closing(index.connect()) as searched:
        assert searched.execute("SELECT count(*) FROM texts").fetchone()[0] == before + 1
    indexes.close()


def test_an_index_that_was_stopped_goes_on(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codemonkeys.view.search_index.AT_ONCE", 5)
    indexes = Indexes(tmp_path)
    whole = built(indexes, database)
    indexes.close()
    cut = Index(database, tmp_path / "cut.db", indexes._stop)
    with run_files.reading(database) as connection:
        for _ in range(3):
            with closing(cut.connect()) as searched:
                searched.executescript(SCHEMA)
                assert add_some(connection, searched)
        with closing(cut.connect()) as searched:
            while add_some(connection, searched):
                pass
    rows = []
    for index in (whole, cut):
        with closing(index.connect()) as searched:
            rows.append(
                searched.execute("SELECT hash, kind, task, stage, sample, turn FROM texts ORDER BY id").fetchall()
            )
    assert rows[0] == rows[1] and len(rows[0]) > 15


def test_hits_lead_to_where_they_stand(database: Path) -> None:
    async def search(shown: Viewer) -> tuple[str, list[str]]:
        built(shown.indexes, database)
        page = await shown.client.get("/-/search?run=run&q=codemonkeys_dry_run")
        links = [
            link for link in read_page(page.text).links if link.startswith(("/-/trajectory", "/-/vote", "/-/task"))
        ]
        for link in links:
            there = await shown.client.get(link)
            assert there.status_code == 200
            fragment = link.partition("#")[2]
            assert not fragment or f'id="{fragment}"' in there.text, link
        return page.text, links

    text, links = with_viewer(database.parent.parent, search)
    assert "<mark>codemonkeys_dry_run</mark>" in text and len(links) > 3
    assert any(link.startswith(f"/-/trajectory/run/{TASK}/") for link in links)


def test_hostile_words_and_texts_are_shown_as_they_are(tmp_path: Path, copy_run: Callable[..., Path]) -> None:
    database = copy_run(tmp_path / "runs", hostile=True)

    async def search(shown: Viewer) -> str:
        built(shown.indexes, database)
        page = await shown.client.get("/-/search", params={"run": "run", "q": "<script>alert(1)</script> {{ 7"})
        return str(page.text)

    text = with_viewer(tmp_path / "runs", search)
    assert read_page(text).faults == [] and "<mark>&lt;script&gt;alert(1)&lt;/script&gt;</mark>" in text


@given(st.text(st.sampled_from("ab1_\"'*()^:-+ \0\u202eäß.{}"), max_size=30))
def test_whatever_is_typed_is_a_query(words: str) -> None:
    query = match_of(words)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO words (rowid, content) VALUES (1, 'a b 1')")
        if query:
            connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (query,)).fetchone()


@given(st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_what_is_around_is_a_part_of_the_text(text: str, terms: list[str]) -> None:
    assert "".join(around(text, terms)) in text


def test_no_index_is_made_of_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "run.db").write_bytes(b"no database")
    with viewer(tmp_path / "runs") as shown, pytest.raises(Exception, match="cannot be read as a run"):
        shown.indexes.of(tmp_path / "runs" / "run" / "run.db")
