"""Layers of sessions in the journal: a manifest as a text, and each content once, by its hash."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from codemonkeys.journal import texts
from codemonkeys.journal.writer import Stored, Writer
from codemonkeys.keys import StepKey
from sandboxes.layers import EMPTY, Entry, Layer

LEVEL = 1
"""Of zlib: less than half the time of its default for a tenth more bytes, while calls wait."""


@dataclass(frozen=True)
class PackedLayer:
    """A layer as it is stored."""

    manifest: str
    """JSON: path, kind, mode, hash of the content, time of the last change, of each entry."""
    contents: Mapping[str, bytes]
    """By the hash of each, compressed."""


def pack(layer: Layer) -> PackedLayer:
    """Pack a layer; takes a while for a large one."""
    rows, contents = [], {}
    for entry in layer.entries:
        digest = hashlib.sha256(entry.content).hexdigest() if entry.content else ""
        rows.append([entry.path, entry.kind, entry.mode, digest, entry.changed_ns])
        if digest:
            contents[digest] = zlib.compress(entry.content, LEVEL)
    return PackedLayer(json.dumps(rows), contents)


class StoredLayers:
    """What the commands of a run's sessions have changed."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def put(self, key: StepKey, packed: PackedLayer, dropped: str) -> None:
        """Store what a command left, with the step that has just been stored."""
        with self._writer.writing() as connection:
            connection.executemany(
                "INSERT INTO session_files (hash, content) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
                packed.contents.items(),
            )
            connection.execute(
                "UPDATE execution_steps SET layer_hash = ?, dropped = ? WHERE task = ? AND stage = ? AND sample = ? "
                "AND turn = ? AND part = ? AND state = 'done'",
                (texts.put(connection, packed.manifest), dropped, *key),
            )

    def of(self, stored: Stored) -> tuple[Layer, str]:
        """What a stored command left, and why its changes were dropped."""
        row = self._writer.reader.execute(
            "SELECT layer_hash, dropped FROM execution_steps WHERE id = ?", (stored.id,)
        ).fetchone()
        return EMPTY if row[0] is None else read_layer(self._writer.reader, row[0]), row[1]


def read_layer(connection: sqlite3.Connection, manifest: str) -> Layer:
    """The layer of a manifest, by its hash."""
    entries = []
    for path, kind, mode, digest, changed in json.loads(texts.get(connection, manifest)):
        content = b""
        if digest:
            row = connection.execute("SELECT content FROM session_files WHERE hash = ?", (digest,)).fetchone()
            content = zlib.decompress(row[0])
        entries.append(Entry(path, kind, mode, content, changed))
    return Layer(tuple(entries))
