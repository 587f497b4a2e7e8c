"""Texts of a journal, stored once each by the SHA-256 of their UTF-8 bytes; long ones are compressed."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib

PLAIN_BYTES = 16_384
"""Texts up to this size are stored uncompressed, readable in any SQLite tool; longer ones are zlib-compressed."""
LEVEL = 1
"""Of compression: less than half the time of zlib's default for a tenth more bytes, while calls wait."""


def put(connection: sqlite3.Connection, text: str, plain: bool = False) -> str:
    """Store a text unless it is stored already; returns its hash. `plain`: never compress it (used for patches)."""
    # SQLite rejects lone surrogates, which the output of a model or a program can contain.
    data = text.encode("utf-8", "replace")
    digest = hashlib.sha256(data).hexdigest()
    put_bytes(connection, digest, data, plain)
    return digest


def put_bytes(connection: sqlite3.Connection, digest: str, data: bytes, plain: bool = False) -> None:
    """Store the UTF-8 bytes of a text under their hash unless they are stored already; see `put`."""
    # Storing a short one again takes less time than looking whether it is there.
    if (not plain and len(data) <= PLAIN_BYTES) or not has(connection, digest, plain):
        add(connection, digest, data, plain)


def add(connection: sqlite3.Connection, digest: str, data: bytes, plain: bool = False) -> None:
    """Store the UTF-8 bytes of a text under their hash; see `put`."""
    if plain or len(data) <= PLAIN_BYTES:
        row: tuple[str | None, bytes | None] = (data.decode(), None)
    else:
        row = (None, zlib.compress(data, LEVEL))
    conflict = "DO UPDATE SET plain = excluded.plain, compressed = NULL" if plain else "DO NOTHING"
    connection.execute(
        f"INSERT INTO texts (hash, size, plain, compressed) VALUES (?, ?, ?, ?) ON CONFLICT (hash) {conflict}",
        (digest, len(data), *row),
    )


def has(connection: sqlite3.Connection, digest: str, plain: bool = False) -> bool:
    """Whether a text is stored; with `plain`, whether it is stored uncompressed."""
    row = connection.execute("SELECT plain IS NOT NULL FROM texts WHERE hash = ?", (digest,)).fetchone()
    return row is not None and (not plain or bool(row[0]))


def get(connection: sqlite3.Connection, digest: str | None) -> str:
    """The text with a given hash; an empty string for None. Raises KeyError for an unknown hash."""
    if digest is None:
        return ""
    row = connection.execute("SELECT plain, compressed FROM texts WHERE hash = ?", (digest,)).fetchone()
    if row is None:
        raise KeyError(digest)
    plain, compressed = row
    return str(plain) if plain is not None else zlib.decompress(compressed).decode()
