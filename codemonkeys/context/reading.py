"""Source files as the scan model reads them: whole, as an outline or as a digest, several small ones to a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.outline import outline
from codemonkeys.engine.work import Work
from codemonkeys.prompting import cut_middle


@dataclass(frozen=True)
class SourceFile:
    """A file as the scan model reads it."""

    path: str
    text: str
    tokens: int
    """Tokens of the whole file, as the ranking and the context count it."""
    form: Literal["whole", "outline", "digest"] = "whole"
    """What `text` is."""


def source_files(work: Work) -> list[SourceFile]:
    """Every file that relevance reads, in path order; each blob is counted once."""
    files = []
    for entry in work.snapshot.entries:
        if not is_source(entry.path) or (is_test(entry.path) and not work.settings.context.tests):
            continue
        text = work.snapshot.text(entry.path)
        if text:
            files.append(SourceFile(entry.path, text, work.models.scan.count_tokens(text)))
    return files


def outlined(file: SourceFile) -> SourceFile:
    """A file shortened to its outline; where no grammar knows it, to its beginning and end."""
    short = outline(file.path, file.text)
    if short is None:
        short = cut_middle(file.text, max(2_000, len(file.text) // 4))
    return file if short == file.text else replace(file, text=short, form="outline")


def shown_tokens(work: Work, file: SourceFile) -> int:
    """Tokens of what is shown of a file."""
    return file.tokens if file.form == "whole" else work.models.scan.count_tokens(file.text)


def pack(work: Work, files: Sequence[SourceFile], most: int) -> list[list[SourceFile]]:
    """Put small files together, in order, up to so many tokens; a larger file goes alone."""
    batches: list[list[SourceFile]] = []
    filled = most + 1
    for file in files:
        tokens = shown_tokens(work, file)
        if filled + tokens > most:
            batches.append([])
            filled = 0
        batches[-1].append(file)
        filled += tokens
    return batches
