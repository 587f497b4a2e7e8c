"""How texts are stored: plain, compressed, or against a similar text; each comes back as it was."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemonkeys.journal import similar as similar_texts
from codemonkeys.journal import texts
from codemonkeys.journal.decoding import decode
from codemonkeys.journal.packing import AGAINST, BrokenText
from codemonkeys.journal.schema import MIGRATIONS
from codemonkeys.journal.similar import SimilarTexts

FILE = "".join(f"def function_{n}(value):\n    return value * {n}\n\n" for n in range(200))
"""Long enough to be stored compressed in every case."""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(database()) as connection:
        yield connection


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statements in MIGRATIONS.values():
        connection.executescript(statements)
    return connection


def stored(connection: sqlite3.Connection, digest: str) -> tuple[str | None, bytes | None]:
    plain, compressed = connection.execute("SELECT plain, compressed FROM texts WHERE hash = ?", (digest,)).fetchone()
    return plain, compressed


def is_against(connection: sqlite3.Connection, digest: str, base: str) -> bool:
    _, compressed = stored(connection, digest)
    return compressed is not None and compressed.startswith(AGAINST + bytes.fromhex(base))


def test_a_prompt_takes_little_beside_one_like_it(connection: sqlite3.Connection) -> None:
    similar = SimilarTexts()
    first = texts.put(connection, f"<file a1>\n{FILE}</file a1>\n", similar=similar)
    second = texts.put(connection, f"<file b2>\n{FILE}</file b2>\n", similar=similar)
    third = texts.put(connection, f"<file c3>\n{FILE}</file c3>\nmore\n", similar=similar)
    assert is_against(connection, second, first) and is_against(connection, third, first)
    (size,) = connection.execute("SELECT length(compressed) FROM texts WHERE hash = ?", (second,)).fetchone()
    assert size < 200
    assert texts.get(connection, second) == f"<file b2>\n{FILE}</file b2>\n"
    read = "SELECT group_concat(decoded(plain, compressed), '') FROM (SELECT * FROM texts ORDER BY rowid)"
    decode(connection)
    assert connection.execute(read).fetchone()[0] == "".join(texts.get(connection, t) for t in (first, second, third))


def test_far_parts_of_a_long_prompt_are_found(connection: sqlite3.Connection) -> None:
    """Farther back than zlib sees."""
    similar = SimilarTexts()
    parts = ["".join(f"{sha256(f'{part} {n}'.encode()).hexdigest()}\n" for n in range(300)) for part in range(12)]
    first = texts.put(connection, "".join(parts), similar=similar)
    second = texts.put(connection, "".join(reversed(parts)), similar=similar)
    assert is_against(connection, second, first)
    _, compressed = stored(connection, second)
    assert compressed is not None and len(compressed) < 1_000


def test_a_text_is_never_compressed_against_one_that_was_rolled_back(connection: sqlite3.Connection) -> None:
    similar = SimilarTexts()
    connection.execute("BEGIN")
    first = texts.put(connection, FILE, similar=similar)
    connection.execute("ROLLBACK")
    second = texts.put(connection, f"{FILE}one", similar=similar)
    third = texts.put(connection, f"{FILE}two", similar=similar)
    assert not texts.has(connection, first)
    assert texts.get(connection, second) == f"{FILE}one" and is_against(connection, third, second)


def test_texts_make_no_chains(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though one was rolled back, and is compressed against another one when it comes again."""
    monkeypatch.setattr(texts, "sampled_lines", lambda data: json.loads(data.partition(b"\n")[0]))
    similar = SimilarTexts()
    connection.execute("BEGIN")
    texts.put(connection, f"[1, 2, 3, 4]\n{FILE}", similar=similar)
    connection.execute("ROLLBACK")
    base = texts.put(connection, f"[1, 2, 3]\n{FILE}", similar=similar)
    again = texts.put(connection, f"[1, 2, 3, 4]\n{FILE}", similar=similar)
    last = texts.put(connection, f"[4]\n{FILE}", similar=similar)
    assert is_against(connection, again, base) and not is_against(connection, last, again)
    assert texts.get(connection, last) == f"[4]\n{FILE}"


def test_an_answer_that_was_sent_before_can_be_read_in_any_tool(connection: sqlite3.Connection) -> None:
    """And what is compressed against it stays readable."""
    similar = SimilarTexts()
    first = texts.put(connection, FILE[:8_000], similar=similar)
    second = texts.put(connection, f"{FILE[:8_000]}more", similar=similar)
    assert stored(connection, first)[0] is None and is_against(connection, second, first)
    assert texts.put(connection, FILE[:8_000]) == first
    assert stored(connection, first) == (FILE[:8_000], None)
    assert texts.get(connection, second) == f"{FILE[:8_000]}more"


def test_texts_of_older_versions_are_read(connection: sqlite3.Connection) -> None:
    digest = sha256(FILE.encode()).hexdigest()
    row = (digest, len(FILE), zlib.compress(FILE.encode(), 1))
    connection.execute("INSERT INTO texts (hash, size, compressed) VALUES (?, ?, ?)", row)
    assert texts.get(connection, digest) == FILE
    assert texts.put(connection, FILE, similar=SimilarTexts()) == digest
    assert stored(connection, digest)[1] == row[2]


@pytest.mark.parametrize(
    "damage", ["x'78'", "x'28b52ffd'", "x'00'", "CAST(x'00' || randomblob(40) AS BLOB)", "substr(compressed, 9)"]
)
def test_a_damaged_text_is_told_as_such(connection: sqlite3.Connection, damage: str) -> None:
    digest = texts.put(connection, FILE, similar=SimilarTexts())
    connection.execute(f"UPDATE texts SET compressed = {damage}")
    with pytest.raises(BrokenText, match="compressed"):
        texts.get(connection, digest)


LINES = st.lists(st.sampled_from([f"line {n} " + "x" * (n * 7) for n in range(12)]) | st.text(max_size=60), max_size=80)


@given(st.lists(st.tuples(LINES, st.sampled_from(["similar", "plain", "alone", "rollback"])), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_texts_come_back_as_they_were(given: list[tuple[list[str], str]]) -> None:
    similar, kept = SimilarTexts(), {}
    with closing(database()) as connection:
        for lines, way in given:
            text = "\n".join(lines) * 3
            connection.execute("BEGIN")
            digest = texts.put(connection, text, way == "plain", None if way in ("plain", "alone") else similar)
            connection.execute("ROLLBACK" if way == "rollback" else "COMMIT")
            if way != "rollback":
                kept[digest] = text.encode("utf-8", "replace").decode()
        assert {digest: texts.get(connection, digest) for digest in kept} == kept


def test_memory_of_similar_texts_is_bounded(monkeypatch: pytest.MonkeyPatch, connection: sqlite3.Connection) -> None:
    """What has left it is read from the journal, and then forgotten."""
    monkeypatch.setattr(similar_texts, "MOST_BYTES", 2 * len(FILE))
    monkeypatch.setattr(similar_texts, "MOST_LINES", 40)
    similar = SimilarTexts()
    written = [FILE.replace("value", f"value_{n}") for n in range(10)]
    digests = [texts.put(connection, text, similar=similar) for text in written]
    again = [texts.put(connection, f"{text}again", similar=similar) for text in reversed(written)]
    against = [is_against(connection, *pair) for pair in zip(again, reversed(digests), strict=True)]
    assert against == [True] * 5 + [False] * 5
    assert [texts.get(connection, digest) for digest in again] == [f"{text}again" for text in reversed(written)]
