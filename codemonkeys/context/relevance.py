"""Relevance: the scan model reads every source file next to the issue. Paper (arXiv 2501.14723), section 2.1."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codemonkeys.context.digests import digested
from codemonkeys.context.json_arrays import last_array
from codemonkeys.context.reading import SourceFile, outlined, pack, source_files
from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.stages import CONTEXT_MODES, RELEVANCE


@dataclass(frozen=True)
class RelevantFile:
    """A file that may matter for the issue."""

    path: str
    tokens: int
    summary: str
    maybe: bool = False
    """No answer about it could be read; it is kept, not dropped."""


async def find_relevant(work: Work) -> list[RelevantFile]:
    """The files that may matter, in path order.

    Cheaper readings come first, where the mode asks for them: only what they do not rule out is read at more length.
    """
    settings = work.settings.context
    files = await work.in_thread(source_files, work)
    kept = files
    batches = 0
    *shorter, _ = CONTEXT_MODES[settings.mode].forms
    for form in shorter:
        shortened = await digested(work, kept) if form == "digest" else [outlined(file) for file in kept]
        kept, batches = await narrow(work, kept, shortened, batches)
    shortened = [file if file.tokens <= settings.file_tokens else outlined(file) for file in kept]
    relevant = await assess(work, pack(work, shortened, settings.batch_tokens), batches)
    note = {
        "read": len(files),
        "relevant": len(relevant),
        "maybe": [file.path for file in relevant if file.maybe],
        "shortened": [file.path for file in shortened if file.form != "whole"],
    }
    await work.note(RELEVANCE, "files", note)
    return relevant


async def narrow(
    work: Work, files: Sequence[SourceFile], shortened: Sequence[SourceFile], first: int
) -> tuple[list[SourceFile], int]:
    """The files that their shortened form does not rule out, and the sample number of the next batch."""
    batches = pack(work, shortened, work.settings.context.outline_batch_tokens)
    kept = {file.path for file in await assess(work, batches, first)}
    return [file for file in files if file.path in kept], first + len(batches)


async def assess(work: Work, batches: Sequence[Sequence[SourceFile]], first: int) -> list[RelevantFile]:
    """Ask about every batch; `first` is the sample number of the first one."""
    system = work.prompts("relevance.system")
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(assess_batch(work, system, n, batch)) for n, batch in enumerate(batches, start=first)
        ]
    return [file for task in asked for file in task.result()]


async def assess_batch(work: Work, system: str, number: int, files: Sequence[SourceFile]) -> list[RelevantFile]:
    """Ask about some files in one call; an answer that cannot be parsed is asked for again, once."""
    talk = Conversation(work, RELEVANCE, number, system, 2, 0.0, work.settings.context.max_tokens)
    judgements: dict[int, tuple[bool, str]] = {}

    def parse(answer: str) -> None:
        judgements.update(read_judgements(answer, len(files)))
        missing = [str(n) for n in range(1, len(files) + 1) if n not in judgements]
        if missing:
            raise UnusableAnswer(f"no JSON object for file {', '.join(missing)} could be read in it.")

    def repair(problem: str) -> str:
        return work.prompts("relevance.repair", problem=problem, count=len(files))

    await talk.ask(work.prompts("relevance.user", files=files), parse, repair)
    relevant = []
    for n, file in enumerate(files, start=1):
        if n not in judgements:
            relevant.append(RelevantFile(file.path, file.tokens, "Nothing is known about this file.", maybe=True))
        elif judgements[n][0]:
            relevant.append(RelevantFile(file.path, file.tokens, judgements[n][1]))
    return relevant


def read_judgements(answer: str, count: int) -> dict[int, tuple[bool, str]]:
    """File number -> (relevant, summary), for every object of the answer that can be read."""
    judgements = {}
    for item in last_array(answer) or []:
        number, relevant = (item.get("file"), item.get("relevant")) if isinstance(item, dict) else (None, None)
        # A bool is an int to Python, but no number of a file.
        if type(number) is int and 1 <= number <= count and isinstance(relevant, bool):
            judgements[number] = (relevant, plain(item.get("summary")))
    return judgements


def plain(summary: Any) -> str:
    """A summary as one text, whatever the model made of it."""
    return " ".join(summary.split()) if isinstance(summary, str) and summary.strip() else "(no summary)"
