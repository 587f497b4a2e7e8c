"""Source files as the scan model reads them: whole, as outlines or as digests, with small ones batched per call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.lexical import LexicalIndex
from codemonkeys.context.outline import outline
from codemonkeys.context.survey import Survey, surveyed
from codemonkeys.engine.work import Work
from codemonkeys.prompting import cut_middle

T = TypeVar("T")


@dataclass(frozen=True)
class SourceFile:
    """A file as the scan model reads it."""

    path: str
    text: str
    tokens: int
    """Tokens of the whole file, as ranking and context count them."""
    form: Literal["whole", "outline", "digest", "line"] = "whole"
    """Form of `text`; `line` is a digest made of those of definitions."""


def source_files(work: Work, found: Survey) -> list[SourceFile]:
    """Every file that relevance reads, in path order: those of the task's scope."""
    with_tests = work.settings.context.tests
    texts = work.snapshot.texts(
        path for path in _paths(work, found) if with_tests or path in found.read or not is_test(path)
    )
    return [SourceFile(path, text, work.models.scan.count_tokens(text)) for path, text in texts if text]


def index_of(work: Work, found: Survey | None = None) -> LexicalIndex:
    """A full-text index of every source file in the task's scope, tests too, and of what relevance reads beside; to be
    closed.

    `found`: the survey, by default the recorded one.
    """
    paths = _paths(work, found or surveyed(work) or Survey())
    return LexicalIndex((path, text) for path, text in work.snapshot.texts(paths) if text)


def _paths(work: Work, found: Survey) -> list[str]:
    read = set(found.read)
    paths = (entry.path for entry in work.entries)
    return [path for path in paths if path in read or (is_source(path) and path not in found.left_out)]


def as_outline(file: SourceFile) -> SourceFile:
    """A file shortened to its outline, or to its beginning and end if there is no grammar for it."""
    short = outline(file.path, file.text)
    if short is None:
        short = without_grammar(file.text)
    return file if short == file.text else replace(file, text=short, form="outline")


def without_grammar(text: str) -> str:
    """What stands for the outline of a file whose language has no grammar: its beginning and end."""
    return cut_middle(text, max(2_000, len(text) // 4))


def fitting(work: Work, file: SourceFile) -> SourceFile:
    """A file whole, or as its outline if it is too long."""
    return file if file.tokens <= work.settings.context.file_tokens else as_outline(file)


def shown_tokens(work: Work, file: SourceFile) -> int:
    """Tokens of a file in its current form."""
    return file.tokens if file.form == "whole" else work.models.scan.count_tokens(file.text)


def pack(work: Work, files: Sequence[SourceFile], limit: int) -> list[list[SourceFile]]:
    """Batch files in order, up to `limit` tokens per batch; a larger file gets a batch of its own."""
    return pack_by(files, partial(shown_tokens, work), limit)


def pack_by(items: Sequence[T], size: Callable[[T], float], limit: float) -> list[list[T]]:
    """Batch items in order, up to a sum of sizes per batch; a larger one gets a batch of its own."""
    batches: list[list[T]] = []
    filled = limit + 1
    for item in items:
        taken = size(item)
        if filled + taken > limit:
            batches.append([])
            filled = 0
        batches[-1].append(item)
        filled += taken
    return batches
