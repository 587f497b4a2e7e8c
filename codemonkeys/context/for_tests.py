"""What a test conversation sees of the repository: the nearest existing test, and chosen files within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from codemonkeys.context.around import HOLDS_TESTS, named_like, phrases_of, stem_of
from codemonkeys.context.choosing import ContextFile
from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.lexical import LexicalIndex
from codemonkeys.context.reading import SourceFile, as_outline
from codemonkeys.engine.work import Work
from codemonkeys.prompting import cut_middle
from codemonkeys.stages import TEST

SHARE = 1 / 4
"""Of the budget: what the nearest test takes at most; of a longer one the middle is left out."""


@dataclass(frozen=True)
class Excerpt:
    """Files of the repository within a budget."""

    files: tuple[SourceFile, ...] = ()
    """Most important first."""
    nearest: SourceFile | None = None
    """An existing test, as an example."""


NOTHING = Excerpt()


async def excerpt_for_tests(work: Work, files: Sequence[ContextFile]) -> Excerpt:
    """What all test conversations of a task see, recorded for readers; `files` are its context."""
    excerpt = await work.in_thread(make_excerpt, work, files)
    forms = {file.path: file.form for file in excerpt.files}
    nearest = excerpt.nearest and excerpt.nearest.path
    left_out = [file.path for file in files if file.path not in forms and file.path != nearest]
    await work.note(TEST, "files", {"forms": forms, "nearest test": nearest, "left out": left_out})
    return excerpt


def make_excerpt(work: Work, files: Sequence[ContextFile]) -> Excerpt:
    """The excerpt by the rule that `context.test_tokens` describes; blocks."""
    count, limit = work.models.scan.count_tokens, work.settings.context.test_tokens
    if not limit:
        return NOTHING
    paths = [file.path for file in files]
    with LexicalIndex(existing_tests(work)) as index:
        path = nearest_test(index, paths, work.task.issue)
    nearest = None
    if path is not None:
        text = work.snapshot.text(path) or ""
        shown = shortened(text, int(limit * SHARE) - count(path), count)
        if shown:
            nearest = SourceFile(path, shown, count(shown))
            limit -= count(path) + nearest.tokens
    chosen = []
    for file in files:
        if nearest is not None and file.path == nearest.path:
            continue
        whole = SourceFile(file.path, file.text, file.tokens)
        room = limit - count(file.path)
        short = whole if file.tokens <= room // 2 else as_outline(whole)
        tokens = short.tokens if short.form == "whole" else count(short.text)
        if tokens <= room:
            chosen.append(short)
            limit = room - tokens
    return Excerpt(tuple(chosen), nearest)


def existing_tests(work: Work) -> list[tuple[str, str]]:
    """Paths and texts of the files that hold tests, in the task's scope."""
    paths = [entry.path for entry in work.entries if is_source(entry.path) and is_test(entry.path)]
    return [(path, text) for path in paths if (text := work.snapshot.text(path)) and HOLDS_TESTS.search(text)]


def nearest_test(index: LexicalIndex, chosen: Sequence[str], issue: str) -> str | None:
    """The test of the first chosen file that has one: named like it, else importing it, best in a folder like its own.

    Ties go to the one most like the issue, which also stands in where no chosen file has a test. `index`: all tests.
    """
    likeness = {path: n for n, path in enumerate(index.rank(issue))}
    for path in chosen:
        names = named_like({stem_of(path), stem_of(path).strip("_")})
        using = set(index.holding(phrases_of(path)))
        found = [test for test in index.paths if stem_of(test) in names or test in using]
        if found:
            return min(found, key=partial(distance, path, names, likeness))
    return next(iter(likeness), None)


def distance(path: str, names: set[str], likeness: Mapping[str, int], test: str) -> tuple[bool, int, int, str]:
    """How far a test is from a file, for comparison with other tests of it. `names`: those of its tests."""
    shared = set(PurePosixPath(path).parts[:-1]) & set(PurePosixPath(test).parts)
    return stem_of(test) not in names, -len(shared), likeness.get(test, len(likeness)), test


def shortened(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """A text of at most so many tokens, its middle left out; empty if nothing is left."""
    shown, length = text, len(text)
    while shown and (counted := count(shown)) > tokens:
        length = min(length * 3 // 4, length * max(tokens, 0) // counted)
        shown = cut_middle(text, length) if length else ""
    return shown
