"""Relevance: the scan model reads every source file next to the issue. Paper (arXiv 2501.14723), section 2.1."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from codemonkeys.context.answers import last_array
from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.outline import outline
from codemonkeys.prompting import cut_middle
from codemonkeys.work import Conversation, Work


@dataclass(frozen=True)
class SourceFile:
    """A file as the scan model reads it."""

    path: str
    text: str
    tokens: int
    """Tokens of the whole file, as the ranking and the context count it."""
    outline: bool = False
    """`text` is not the whole file."""


@dataclass(frozen=True)
class RelevantFile:
    """A file that may matter for the issue."""

    path: str
    tokens: int
    summary: str
    maybe: bool = False
    """No answer about it could be read; it is kept, not dropped."""


async def find_relevant(work: Work) -> list[RelevantFile]:
    """The files that may matter, in path order."""
    settings = work.settings.context
    files = await asyncio.to_thread(source_files, work)
    judged_whole = files
    passes = 0
    if settings.mode == "outline":
        outlined = [outlined_file(file) for file in files]
        batches = pack(work, outlined)
        kept = {file.path for file in await judge(work, batches, passes)}
        passes = len(batches)
        judged_whole = [file for file in files if file.path in kept]
    shortened = [file if file.tokens <= settings.file_tokens else outlined_file(file) for file in judged_whole]
    relevant = await judge(work, pack(work, shortened), passes)
    maybe = [file.path for file in relevant if file.maybe]
    work.steps.journal.put_note(
        work.task.id,
        "relevance",
        0,
        "files",
        {"read": len(files), "relevant": len(relevant), "maybe": maybe, "shortened": paths_of_outlines(shortened)},
    )
    return relevant


def source_files(work: Work) -> list[SourceFile]:
    """Every file that relevance reads, in path order; each blob is counted once."""
    files = []
    for entry in work.snapshot.entries:
        if not is_source(entry.path) or (is_test(entry.path) and not work.settings.context.tests):
            continue
        text = work.snapshot.text(entry.path)
        if text:
            files.append(SourceFile(entry.path, text, work.steps.scan.count_tokens(text)))
    return files


def outlined_file(file: SourceFile) -> SourceFile:
    """A file shortened to its outline; where no grammar knows it, to its beginning and end."""
    short = outline(file.path, file.text)
    if short is None:
        short = cut_middle(file.text, max(2_000, len(file.text) // 4))
    return replace(file, text=short, outline=short != file.text)


def paths_of_outlines(files: Sequence[SourceFile]) -> list[str]:
    """Which files were not read whole."""
    return [file.path for file in files if file.outline]


def pack(work: Work, files: Sequence[SourceFile]) -> list[list[SourceFile]]:
    """Put small files together, in order, up to the batch size in tokens; a larger file goes alone."""
    most = work.settings.context.batch_tokens
    batches: list[list[SourceFile]] = []
    filled = most + 1
    for file in files:
        tokens = work.steps.scan.count_tokens(file.text) if file.outline else file.tokens
        if filled + tokens > most:
            batches.append([])
            filled = 0
        batches[-1].append(file)
        filled += tokens
    return batches


async def judge(work: Work, batches: Sequence[Sequence[SourceFile]], first: int) -> list[RelevantFile]:
    """Ask about every batch; `first` is the sample number of the first one."""
    system = work.prompts("relevance.system")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(judge_batch(work, system, n, batch)) for n, batch in enumerate(batches, start=first)]
    return [file for task in asked for file in task.result()]


async def judge_batch(work: Work, system: str, number: int, files: Sequence[SourceFile]) -> list[RelevantFile]:
    """Ask about some files in one call; an answer that cannot be read is asked for again, once."""
    talk = Conversation(work, "relevance", number, system, 2, 0.0, work.settings.context.max_tokens)
    message = work.prompts("relevance.user", files=files)
    judgements: dict[int, tuple[bool, str]] = {}
    while talk.turns_left:
        judgements |= read_judgements(await talk.ask(message), len(files))
        missing = [str(n) for n in range(1, len(files) + 1) if n not in judgements]
        if not missing:
            break
        problem = f"no JSON object for file {', '.join(missing)} could be read in it."
        message = work.prompts("relevance.repair", problem=problem, count=len(files))
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
