"""Lines of a program without the rest of it, normalised by the grammar of their language; not for Python."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codemonkeys.context.languages import LANGUAGES, parse
from codemonkeys.selection.equivalence import serialised

_OPENS = {"php": b"<?php\n"}
"""What must stand before a fragment for it to be code."""
_PAGES = re.compile(r"<\?|\?>")


class NotCode(Exception):
    """The lines do not parse as a program."""


def by_grammar(lines: Sequence[str], language: str) -> list[str | None]:
    """What each line says, the same for equal code; None for blank lines and comments.

    Raises NotCode if they do not parse, and without a grammar for the language.
    """
    opening = _OPENS.get(language, b"")
    if opening and any(_PAGES.search(line) for line in lines):
        raise NotCode
    content = opening + "\n".join(lines).encode("utf-8", "replace")
    tree = parse(f"a{LANGUAGES[language][0]}", content)
    if tree is None or tree.root_node.has_error:
        raise NotCode
    said: list[list[str]] = [[] for _ in range(content.count(b"\n") + 1)]
    last = 0
    for token, node in serialised(tree.root_node, content, language):
        if not token.startswith(b"="):
            # Where a node ends depends on the layout after it: that belongs to its last line that says something.
            row = last if token == b")" else node.start_point.row
            said[row].append(token.decode("utf-8", "replace"))
            continue
        for last, part in enumerate(token.decode("utf-8", "replace").split("\n"), start=node.start_point.row):
            said[last].append(part)
    first = opening.count(b"\n")
    return ["\0".join(of_row) if of_row else None for of_row in said[first:]]
