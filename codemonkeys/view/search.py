"""Searches the texts of a run by its index."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any

from codemonkeys.journal import texts
from codemonkeys.stages import TRAJECTORY, VOTES
from codemonkeys.view.search_index import KINDS, Index

SHOWN = 50
"""Texts that a page lists."""
COUNTED = 500
"""Up to this number they are counted."""
AROUND = 160
"""Characters that are shown on either side of what was found."""
SHORTEST_PREFIX = 3
TERM = re.compile(r'"([^"]*)"|(\S+)')


def search_page(connection: sqlite3.Connection, index: Index, words: str, kind: str) -> dict[str, Any]:
    """Texts in which all words stand, with where they are and what is around. `kind`: one of `KINDS`, or all."""
    index.wait()
    found: dict[str, Any] = {"complete": index.complete, "error": index.error, "hits": [], "count": 0}
    try:
        found["texts"], lines = look_up(index, match_of(words), kind)
    except (OSError, sqlite3.Error) as error:
        return {**found, "texts": 0, "error": index.unusable(error)}
    found |= {"count": min(len(lines), COUNTED), "more": len(lines) > COUNTED}
    terms = [quoted or bare for quoted, bare in TERM.findall(words)]
    found["hits"] = [
        {
            **dict(line),
            "page": page_of(line),
            "around": around(texts.get(connection, line["hash"]), terms),
        }
        for line in lines[:SHOWN]
    ]
    return found


def look_up(index: Index, query: str, kind: str) -> tuple[int, list[sqlite3.Row]]:
    """How many texts the index has, and those that match a query, up to one more than are counted.

    Raises OSError, sqlite3.Error.
    """
    with closing(index.connect()) as searched:
        if not searched.execute("SELECT count(*) FROM sqlite_master WHERE name = 'words'").fetchone()[0]:
            return 0, []
        texts_there = searched.execute("SELECT max(id) FROM texts").fetchone()[0] or 0
        if not query:
            return texts_there, []
        searched.row_factory = sqlite3.Row
        lines = searched.execute(
            "SELECT t.* FROM words JOIN texts t ON t.id = words.rowid WHERE words MATCH ? AND ? IN ('', t.kind) "
            "ORDER BY words.rowid LIMIT ?",
            (query, kind if kind in KINDS else "", COUNTED + 1),
        )
        return texts_there, lines.fetchall()


def match_of(words: str) -> str:
    """The query of the index for what a user typed: all words, as beginnings; in quotes, exactly as they are."""
    found = []
    for quoted, bare in TERM.findall(words):
        term = quoted or bare
        if any(character.isalnum() for character in term):
            prefix = "*" if bare and len(bare) >= SHORTEST_PREFIX else ""
            found.append('"' + term.replace('"', " ").replace("\0", " ") + '"' + prefix)
    return " AND ".join(found)


def around(text: str, terms: list[str]) -> tuple[str, str, str]:
    """What stands before the first of the words, the word, and what stands after it."""
    folded = text.lower()
    if len(folded) != len(text):  # A few letters have two in lower case.
        folded = text
    for term in (part for whole in terms for part in (whole, *re.findall(r"\w+", whole))):
        place = folded.find(term.lower())
        if place >= 0:
            end = place + len(term)
            return text[max(0, place - AROUND) : place], text[place:end], text[end : end + AROUND]
    return "", "", text[: 2 * AROUND]


def page_of(line: sqlite3.Row) -> tuple[str, ...]:
    """The page on which a text stands: its kind, and what names it within the run, samples and tests from 1."""
    sample, turn = str(line["sample"] + 1), str(line["turn"] + 1)
    if line["stage"] in TRAJECTORY:
        return "trajectory", sample, line["stage"], turn
    if line["stage"] == VOTES.name and line["sample"]:
        return "vote", str(line["sample"]), turn
    if line["kind"] in ("prompt", "answer", "reasoning"):
        return "conversation", line["stage"], sample, turn
    return ("task",)
