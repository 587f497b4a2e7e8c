"""Finds files by words: a full-text index of a repository's source, ranked by BM25 (Robertson and Zaragoza, 2009)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Self

WORD = re.compile(r"[^\W\d]\w+")
CODE = re.compile(r"_|[a-z][A-Z]|[A-Z]{2}[a-z]")
"""What an identifier has and a word of prose has not: an underscore, or capitals inside."""
DEFINES = ("def", "class", "func", "function", "fn", "struct", "type", "interface", "trait", "enum")
LONGEST = 400
"""Different words of an issue that are looked for: SQLite takes a thousand terms."""
PATH_WEIGHT, TEXT_WEIGHT = 4.0, 1.0
"""A word in a path tells more than one in a text."""
FEW = 3
"""Files that define a name, at most: a name that more define tells of none of them."""


class LexicalIndex:
    """A full-text index of files in memory. Words end at underscores; an identifier is a phrase of its words."""

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        """`files`: paths and their texts."""
        # Used by one thread at a time, but not always by the same.
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.execute("CREATE VIRTUAL TABLE files USING fts5(path, text, tokenize='unicode61')")
        self.paths: list[str] = []
        """In the order in which they were given."""
        for path, text in files:
            self._connection.execute("INSERT INTO files VALUES (?, ?)", (valid(path), valid(text)))
            self.paths.append(path)

    def rank(self, text: str) -> list[str]:
        """Paths of all files that share a word with a text, most alike first; ties by path."""
        words = dict.fromkeys(word for found in WORD.findall(text) for word in (found, *parts_of(found)))
        return self._matching(list(words)[:LONGEST])

    def holding(self, phrases: Sequence[str]) -> list[str]:
        """Paths of the files that hold any of the phrases, best first; case and punctuation do not matter."""
        return self._matching(phrases)

    def defining(self, name: str) -> list[str]:
        """Paths of the files that define a name, by the keywords of many languages; none if more than a few do."""
        found = self._matching([f"{keyword} {name}" for keyword in DEFINES])
        return found if len(found) <= FEW else []

    def _matching(self, phrases: Sequence[str]) -> list[str]:
        # Quoted, so that nothing in them is taken for an operator.
        quoted = [f'"{words}"' for phrase in phrases if (words := " ".join(WORD.findall(phrase)))]
        if not quoted:
            return []
        query = f"SELECT rowid FROM files WHERE files MATCH ? ORDER BY bm25(files, {PATH_WEIGHT}, {TEXT_WEIGHT}), path"
        return [self.paths[row - 1] for (row,) in self._connection.execute(query, (" OR ".join(quoted),))]

    def text(self, path: str) -> str:
        """The text of one of the files, as it was given."""
        row = self.paths.index(path) + 1
        (text,) = self._connection.execute("SELECT text FROM files WHERE rowid = ?", (row,)).fetchone()
        return str(text)

    def close(self) -> None:
        """Free the memory."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parts_of(word: str) -> list[str]:
    """The words that an identifier in camel case is made of; those with underscores the index takes apart itself."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", word) if re.search(r"[a-z][A-Z]", word) else []


def identifiers(text: str) -> list[str]:
    """The words of a text that can only be names in code, in the order in which they come."""
    return list(dict.fromkeys(word for word in WORD.findall(text) if CODE.search(word)))


def valid(text: str) -> str:
    """A text that SQLite takes: half a surrogate pair is replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
