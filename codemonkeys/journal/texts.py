"""Texts of a journal: each stored once, under the SHA-256 of its UTF-8 bytes; long ones compressed."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib

PLAIN_BYTES = 16_384
"""Texts up to this size stay readable for any SQLite tool; longer ones are compressed with zlib."""


def put(connection: sqlite3.Connection, text: str, plain: bool = False) -> str:
    """Store a text unless it is there; returns its hash. `plain` keeps a long one readable in SQL, as patches are."""
    # A lone surrogate is no text to SQLite; what a model or a program wrote can hold one.
    data = text.encode("utf-8", "replace")
    digest = hashlib.sha256(data).hexdigest()
    if has(connection, digest, plain):
        return digest
    if plain or len(data) <= PLAIN_BYTES:
        row: tuple[str | None, bytes | None] = (data.decode(), None)
    else:
        row = (None, zlib.compress(data, 6))
    conflict = "DO UPDATE SET plain = excluded.plain, compressed = NULL" if plain else "DO NOTHING"
    connection.execute(
        f"INSERT INTO texts (hash, size, plain, compressed) VALUES (?, ?, ?, ?) ON CONFLICT (hash) {conflict}",
        (digest, len(data), *row),
    )
    return digest


def has(connection: sqlite3.Connection, digest: str, plain: bool = False) -> bool:
    """Whether a text is stored; with `plain`, whether it can be read in SQL."""
    row = connection.execute("SELECT plain IS NOT NULL FROM texts WHERE hash = ?", (digest,)).fetchone()
    return row is not None and (not plain or bool(row[0]))


def get(connection: sqlite3.Connection, digest: str | None) -> str:
    """The text stored under a hash; the empty text for None. Raises KeyError for an unknown hash."""
    if digest is None:
        return ""
    row = connection.execute("SELECT plain, compressed FROM texts WHERE hash = ?", (digest,)).fetchone()
    if row is None:
        raise KeyError(digest)
    plain, compressed = row
    return str(plain) if plain is not None else zlib.decompress(compressed).decode()
