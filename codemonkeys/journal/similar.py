"""Which stored text shares most lines with one that is about to be stored: prompts of a repository's tasks do."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from zlib import crc32

SAMPLED = 8
"""Lines by which texts are compared: those with the smallest checksums, so that similar texts yield the same ones."""
ALIKE = 2
"""Texts are similar if they share at least one of so many sampled lines."""
EMPTY = crc32(b"")
MOST_LINES = 100_000
"""Sampled lines that are remembered, the latest."""
MOST_BYTES = 16 * 2**20
"""Of texts that are kept in memory, the latest used; others are read again."""


class SimilarTexts:
    """The texts that one session has stored compressed by themselves, and so can be compressed against."""

    def __init__(self) -> None:
        self._latest: dict[int, str] = {}
        """Hash of the text that last had a line, by the line's checksum."""
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self.bytes = 0
        """That the contents take."""

    def __contains__(self, digest: str) -> bool:
        """Whether the bytes of a text are kept in memory."""
        return digest in self._contents

    def let_go(self, digest: str) -> None:
        """Free the memory that the bytes of a text take; it is still found, and read again then."""
        self.bytes -= len(self._contents.pop(digest, b""))

    def find(self, lines: Sequence[int]) -> str | None:
        """Hash of the text that is most similar to the one with these sampled lines, if any is."""
        found = Counter(self._latest[line] for line in lines if line in self._latest).most_common(1)
        return found[0][0] if found and found[0][1] * ALIKE >= len(lines) else None

    def content(self, digest: str, read: Callable[[str], bytes]) -> bytes:
        """The bytes of a text that was found. `read`: where it is not in memory any more."""
        if digest not in self._contents:
            self._keep(digest, read(digest))
        self._contents.move_to_end(digest)
        return self._contents[digest]

    def add(self, digest: str, data: bytes, lines: Sequence[int]) -> None:
        """Remember a text that is stored compressed by itself."""
        for line in lines:
            self._latest.pop(line, None)
            self._latest[line] = digest
        for line in list(islice(self._latest, max(0, len(self._latest) - MOST_LINES))):
            del self._latest[line]
        if digest not in self._contents:
            self._keep(digest, data)

    def _keep(self, digest: str, data: bytes) -> None:
        self.bytes += len(data)
        self._contents[digest] = data
        while self.bytes > MOST_BYTES and len(self._contents) > 1:
            self.bytes -= len(self._contents.popitem(last=False)[1])


def sampled_lines(data: bytes) -> list[int]:
    """Checksums of the lines by which a text is compared."""
    return sorted(set(map(crc32, data.split(b"\n"))) - {EMPTY})[:SAMPLED]
