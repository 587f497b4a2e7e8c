"""Texts of a journal, stored once each by the SHA-256 of their UTF-8 bytes; long ones are compressed."""

from __future__ import annotations

import hashlib
import sqlite3

from codemonkeys.journal.packing import AGAINST, pack, pack_against, unpack
from codemonkeys.journal.similar import SimilarTexts, sampled_lines

PLAIN_BYTES = 16_384
"""Texts up to this size are stored uncompressed, readable in any SQLite tool; longer ones are compressed."""
ALIKE_BYTES = 2_048
"""The same for texts of which a run has many alike; to compress a shorter one takes longer than to write it."""
GAIN = 4
"""A text is compressed against another one if that makes it so many times smaller."""


def put(connection: sqlite3.Connection, text: str, plain: bool = False, similar: SimilarTexts | None = None) -> str:
    """Store a text unless it is stored already; returns its hash.

    `plain`: never compress it (used for patches). `similar`: texts of which many are alike, this one among them.
    """
    # SQLite rejects lone surrogates, which the output of a model or a program can contain.
    data = text.encode("utf-8", "replace")
    digest = hashlib.sha256(data).hexdigest()
    put_bytes(connection, digest, data, plain, similar)
    return digest


def put_bytes(
    connection: sqlite3.Connection,
    digest: str,
    data: bytes,
    plain: bool = False,
    similar: SimilarTexts | None = None,
) -> None:
    """Store the UTF-8 bytes of a text under their hash unless they are stored already; see `put`."""
    # Storing a short one again takes less time than looking whether it is there.
    if (not plain and len(data) <= plain_bytes(similar)) or not has(connection, digest, plain):
        add(connection, digest, data, plain, similar)


def plain_bytes(similar: SimilarTexts | None) -> int:
    """Up to which size a text is stored uncompressed."""
    return PLAIN_BYTES if similar is None else ALIKE_BYTES


def add(
    connection: sqlite3.Connection,
    digest: str,
    data: bytes,
    plain: bool = False,
    similar: SimilarTexts | None = None,
) -> None:
    """Store the UTF-8 bytes of a text under their hash; see `put`. A compressed one is replaced by a plain one."""
    if plain or len(data) <= plain_bytes(similar):
        row: tuple[str | None, bytes | None] = (data.decode(), None)
        conflict = "DO UPDATE SET plain = excluded.plain, compressed = NULL WHERE plain IS NULL"
    else:
        row = (None, pack(data) if similar is None else pack_similar(connection, digest, data, similar))
        conflict = "DO NOTHING"
    connection.execute(
        f"INSERT INTO texts (hash, size, plain, compressed) VALUES (?, ?, ?, ?) ON CONFLICT (hash) {conflict}",
        (digest, len(data), *row),
    )


def pack_similar(connection: sqlite3.Connection, digest: str, data: bytes, similar: SimilarTexts) -> bytes:
    """Compress a text against the most similar one, or by itself, and remember it then."""
    lines = sampled_lines(data)
    base = similar.find(lines)
    if base is not None and stands_alone(connection, base):
        content = similar.content(base, lambda found: get_bytes(connection, found))
        packed = pack_against(data, content, base)
        if len(packed) * GAIN <= len(data):
            return packed
    similar.add(digest, data, lines)
    return pack(data)


def stands_alone(connection: sqlite3.Connection, digest: str) -> bool:
    """Whether a text can be read without another one.

    One that was rolled back is not there, and may since have been compressed against another one.
    """
    query = "SELECT substr(compressed, 1, 1) IS NOT ? FROM texts WHERE hash = ?"
    row = connection.execute(query, (AGAINST, digest)).fetchone()
    return row is not None and bool(row[0])


def has(connection: sqlite3.Connection, digest: str, plain: bool = False) -> bool:
    """Whether a text is stored; with `plain`, whether it is stored uncompressed."""
    row = connection.execute("SELECT plain IS NOT NULL FROM texts WHERE hash = ?", (digest,)).fetchone()
    return row is not None and (not plain or bool(row[0]))


def get(connection: sqlite3.Connection, digest: str | None) -> str:
    """The text with a given hash; an empty string for None. Raises KeyError for an unknown hash."""
    if digest is None:
        return ""
    plain, compressed = _row(connection, digest)
    return str(plain) if plain is not None else unpacked(connection, compressed).decode()


def get_bytes(connection: sqlite3.Connection, digest: str) -> bytes:
    """The UTF-8 bytes of the text with a given hash. Raises KeyError for an unknown hash."""
    plain, compressed = _row(connection, digest)
    return str(plain).encode() if plain is not None else unpacked(connection, compressed)


def unpacked(connection: sqlite3.Connection, compressed: bytes) -> bytes:
    """The UTF-8 bytes of a text as it is stored compressed."""
    return unpack(compressed, lambda digest: get_bytes(connection, digest))


def _row(connection: sqlite3.Connection, digest: str) -> tuple[str | None, bytes]:
    row = connection.execute("SELECT plain, compressed FROM texts WHERE hash = ?", (digest,)).fetchone()
    if row is None:
        raise KeyError(digest)
    return row[0], row[1]
