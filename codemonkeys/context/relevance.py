"""Relevance: the scan model reads every source file next to the issue. Paper (arXiv 2501.14723), section 2.1."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from codemonkeys.context.beyond import asked_for, by_likeness
from codemonkeys.context.digests import as_digests
from codemonkeys.context.json_arrays import last_array
from codemonkeys.context.reading import SourceFile, as_outline, fitting, pack, source_files
from codemonkeys.context.survey import survey
from codemonkeys.engine.conversation import WITH_REPAIR, Conversation, UnusableAnswer
from codemonkeys.engine.events import note as message
from codemonkeys.engine.work import Work
from codemonkeys.errors import FilteredAnswer, PromptTooLong
from codemonkeys.stages import CONTEXT_MODES, RANK, RELEVANCE

T = TypeVar("T")

MOST_ALIKE = 10
"""Files that stand in for relevant ones if the model finds none."""


@dataclass(frozen=True)
class RelevantFile:
    """A file that may be relevant to the issue."""

    path: str
    tokens: int
    summary: str
    maybe: bool = False
    """No usable answer about the file; it is kept, not dropped."""


async def find_relevant(work: Work) -> list[RelevantFile]:
    """The files that may be relevant, in the order in which they were read: by path, or most like the issue first.

    Depending on the mode, shorter forms are read first, and only files that they do not rule out are read at length.
    """
    settings, mode = work.settings.context, CONTEXT_MODES[work.settings.context.mode]
    found = await survey(work)
    files = first = await work.in_thread(source_files, work, found)
    later: list[SourceFile] = []
    batches = 0
    if mode.lexical:
        ordered = await work.in_thread(by_likeness, work, files)
        first, later = ordered[: settings.lexical_files], ordered[settings.lexical_files :]
    kept = first
    *shorter, _ = mode.forms
    for form in shorter:
        shortened = await as_digests(work, kept) if form == "digest" else [as_outline(file) for file in kept]
        kept, batches = await narrow(work, kept, shortened, batches)
    shortened = [fitting(work, file) for file in kept]
    packed = pack(work, shortened, settings.batch_tokens)
    relevant = await assess(work, packed, batches)
    batches += len(packed)
    asked: list[SourceFile] = []
    if later:
        named = await unless_refused(work, batches, 0, partial(asked_for, work, batches, later, relevant))
        asked = [fitting(work, file) for file in named or []]
        relevant += await assess(work, pack(work, asked, settings.batch_tokens), batches + 1)
        shortened += asked
    if not relevant and files and not is_begun_by_older(work):
        relevant = await most_alike(work, files)
    note: dict[str, object] = {
        "read": len(first) + len(asked),
        "relevant": len(relevant),
        "maybe": [file.path for file in relevant if file.maybe],
        "shortened": [file.path for file in shortened if file.form != "whole"],
    }
    if found.left_out:
        note["left_out"] = found.left_out
    if mode.lexical:
        note["paths"] = [file.path for file in (*first, *asked)]
    await work.note(RELEVANCE, "files", note)
    return relevant


async def most_alike(work: Work, files: Sequence[SourceFile]) -> list[RelevantFile]:
    """The files that share most words with the issue, in place of those that the model found: it found none."""
    await work.note(RELEVANCE, "none relevant", len(files))
    found = (await work.in_thread(by_likeness, work, files))[:MOST_ALIKE]
    work.steps.notify(
        message(
            f"{work.task.id}: the scan model called none of {len(files)} files relevant: the {len(found)} that share "
            "most words with the issue stand in for them. Does the issue concern this repository?"
        )
    )
    summary = "The scan found no file relevant. This one shares words with the issue."
    return sorted((RelevantFile(f.path, f.tokens, summary, maybe=True) for f in found), key=lambda file: file.path)


def is_begun_by_older(work: Work) -> bool:
    """Whether a version whose contexts hold files that no ranking chose has chosen this task's context."""
    context = work.journal.note(work.task.id, RANK.name, 0, "context")
    return context is not None and "around" not in context


async def narrow(
    work: Work, files: Sequence[SourceFile], shortened: Sequence[SourceFile], first: int
) -> tuple[list[SourceFile], int]:
    """The files that their shortened forms do not rule out, and the sample number of the next batch."""
    batches = pack(work, shortened, work.settings.context.outline_batch_tokens)
    kept = {file.path for file in await assess(work, batches, first)}
    return [file for file in files if file.path in kept], first + len(batches)


async def assess(work: Work, batches: Sequence[Sequence[SourceFile]], first: int) -> list[RelevantFile]:
    """Assess all batches; `first` is the sample number of the first one."""
    system = work.prompts("relevance.system")
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(assess_batch(work, system, n, batch)) for n, batch in enumerate(batches, start=first)
        ]
    return [file for task in tasks for file in task.result()]


async def assess_batch(work: Work, system: str, number: int, files: Sequence[SourceFile]) -> list[RelevantFile]:
    """Assess a batch of files; where the provider refuses that, each file alone, then its outline, then none of it.

    A file that the model never takes is kept as `maybe`.
    """
    assessed = await unless_refused(work, number, 0, partial(ask_about, work, system, number, 0, files))
    if assessed is not None:
        return assessed
    found: list[RelevantFile] = []
    for position, file in enumerate(files):
        # After the turns of the batch, each file has some for itself alone, and some for its outline.
        turn, of_file = WITH_REPAIR * (1 + 2 * position), None
        if len(files) > 1:
            of_file = await unless_refused(work, number, turn, partial(ask_about, work, system, number, turn, [file]))
        if of_file is None and file.form == "whole" and (short := as_outline(file)) != file:
            turn += WITH_REPAIR
            of_file = await unless_refused(work, number, turn, partial(ask_about, work, system, number, turn, [short]))
        found += [unread(file)] if of_file is None else of_file
    return found


async def unless_refused(work: Work, number: int, turn: int, ask: Callable[[], Awaitable[T]]) -> T | None:
    """What one conversation says; None if the provider refuses it for good, now or in an earlier session."""
    # Recorded, or a resumed run could get another answer, and with it other prompts from here on.
    if work.journal.note(work.task.id, RELEVANCE.name, number, f"refused {turn}") is not None:
        return None
    try:
        return await ask()
    except (FilteredAnswer, PromptTooLong) as error:
        await work.note(RELEVANCE, f"refused {turn}", str(error), number)
        return None


def unread(file: SourceFile) -> RelevantFile:
    """A file of which the model said nothing that can be used."""
    return RelevantFile(file.path, file.tokens, "Nothing is known about this file.", maybe=True)


async def ask_about(work: Work, system: str, number: int, turn: int, files: Sequence[SourceFile]) -> list[RelevantFile]:
    """Assess files in one call, with one repair turn for an unusable answer. Raises what a conversation raises."""
    if files[0].form == "line":
        return await screen(work, number, turn, files)
    talk = Conversation(
        *(work, RELEVANCE, number, system, WITH_REPAIR, 0.0, work.settings.context.max_tokens), first_turn=turn
    )
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
            relevant.append(unread(file))
        elif judgements[n][0]:
            relevant.append(RelevantFile(file.path, file.tokens, judgements[n][1]))
    return relevant


async def screen(work: Work, number: int, turn: int, files: Sequence[SourceFile]) -> list[RelevantFile]:
    """Ask which of many files to look at by their digests, in one call with one repair turn: as `ask_about`.

    All of them are kept if no answer can be used.
    """
    system = work.prompts("screen.system")
    talk = Conversation(
        *(work, RELEVANCE, number, system, WITH_REPAIR, 0.0, work.settings.context.max_tokens), first_turn=turn
    )

    def parse(answer: str) -> set[int]:
        numbers = read_numbers(answer, len(files))
        if numbers is None:
            raise UnusableAnswer(f"it holds no JSON array of numbers from 1 to {len(files)}.")
        return numbers

    def repair(problem: str) -> str:
        return work.prompts("screen.repair", problem=problem, count=len(files))

    chosen = await talk.ask(work.prompts("screen.user", files=files), parse, repair)
    if chosen is None:
        return [unread(file) for file in files]
    return [RelevantFile(file.path, file.tokens, "") for n, file in enumerate(files, start=1) if n in chosen]


def read_numbers(answer: str, count: int) -> set[int] | None:
    """The numbers in the answer's array, also where it judges each file; None if there is none, or of no file."""
    array = last_array(answer)
    if array is None:
        return None
    judged = read_judgements(answer, count)
    if array and len(judged) == len(array):
        return {number for number, (relevant, _) in judged.items() if relevant}
    # In Python a bool is an int, but it is not a file number.
    return set(array) if all(type(item) is int and 1 <= item <= count for item in array) else None


def read_judgements(answer: str, count: int) -> dict[int, tuple[bool, str]]:
    """File number -> (relevant, summary), for every valid object of the answer."""
    judgements = {}
    for item in last_array(answer) or []:
        number = item.get("file") if isinstance(item, dict) else None
        # In Python a bool is an int, but it is not a file number.
        if type(number) is int and 1 <= number <= count and isinstance(relevant := item.get("relevant"), bool):
            judgements[number] = (relevant, plain(item.get("summary")))
    return judgements


def plain(summary: Any) -> str:
    """A summary as a single line, whatever the model returned."""
    return " ".join(summary.split()) if isinstance(summary, str) and summary.strip() else "(no summary)"
