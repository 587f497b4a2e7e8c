"""Files around chosen ones: what imports or calls them, and their tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import PurePosixPath

from codemonkeys.context.languages import is_example, is_test
from codemonkeys.context.lexical import LexicalIndex

PACKAGES = ("__init__", "index", "mod")
"""Names of files that stand for their folder."""
HOLDS_TESTS = re.compile(
    r"\b(?:def|function|func|fn|fun|sub|class)\s+\w*test|@\w*test\b|#\[\w*:*test|\[(?:fact|theory|test)"
    r"|\btest\w*\s*\(|\b(?:it|describe|context|specify)\b\s*\(?\s*[\"'`]",
    re.IGNORECASE,
)
"""What a file with tests has in it, in many languages; helpers and data beside them have not."""
IMPORTS = ("import {0}", "from {0} import", "from {0}", "include {0}", "require {0}", "use {0}")


def around(index: LexicalIndex, chosen: Sequence[str], issue: str) -> list[str]:
    """Importers, callers and tests of chosen files, tests and others in turn, each most like the issue first.

    No examples, and of what lies among tests only what holds tests: their data imports much and tells little.
    """
    using = set(chain.from_iterable(index.holding(phrases_of(path)) for path in chosen))
    stems = {stem_of(path) for path in chosen}
    order = [path for path in index.rank(issue) if path not in chosen and not is_example(path)]
    near = (path for path in order if is_test(path) and (path in using or stem_of(path) in named_like(stems)))
    tests = [path for path in near if HOLDS_TESTS.search(index.text(path))]
    users = [path for path in order if not is_test(path) and path in using]
    return [path for pair in zip_longest(tests, users) for path in pair if path is not None]


def phrases_of(path: str) -> list[str]:
    """Phrases by which a file is imported, in the words of many languages."""
    file = PurePosixPath(path)
    parents = [part for part in file.parent.parts if part not in ("src", "lib")]
    names = [*parents, stem_of(path)] if file.stem not in PACKAGES else parents
    if not names:
        return []
    # A short name alone is a word like others: only where it is imported does it mean the file.
    imported = [form.format(names[-1]) for form in IMPORTS]
    return [*imported, *([" ".join(names[-2:])] if len(names) > 1 else [])]


def stem_of(path: str) -> str:
    """The name of a file without its suffixes, of a file that stands for its folder the folder's."""
    file = PurePosixPath(path)
    stem = file.name.split(".")[0] or file.name
    return file.parent.name if stem in PACKAGES else stem


def named_like(stems: set[str]) -> set[str]:
    """Names that tests of files of these names have."""
    return {form.format(stem) for stem in stems for form in ("test_{}", "{}_test", "{}Test", "Test{}", "{}")}
