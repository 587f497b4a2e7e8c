"""The selection conversation: tests that tell the best candidates apart, then a choice. Paper, section 2.3."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from codemonkeys.context.ranking import ContextFile, fill
from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.work import Work
from codemonkeys.generation.answers import Answer, MalformedAnswer, parse_answer
from codemonkeys.generation.patch import patch_paths
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.stages import SELECT, Stage

NONE = 0
"""The number that says: none of the candidates resolves the issue."""


class Finalist(NamedTuple):
    """A candidate as the selection conversation shows it."""

    number: int
    votes: int
    patch: str
    broken: tuple[str, ...]
    """Of the repository's own tests."""


@dataclass(frozen=True)
class ConversationKey:
    """Where a selection conversation is held, for the keys of its steps."""

    stage: Stage = SELECT
    sample: int = 0
    temperature: float = 0.0
    may_refuse: bool = False
    """Whether the answer may be that no candidate is right."""


def finalists_of(gathered: SelectionInput, shortlist: Sequence[int]) -> list[Finalist]:
    """The candidates of a shortlist as they are shown; `shortlist` holds positions of distinct candidates."""
    matrix, regressions = gathered.matrix, gathered.regressions
    rows = {numbered.number - 1: row for row, numbered in enumerate(matrix.candidates)}
    return [
        Finalist(
            *(index + 1, matrix.votes(rows[index]), gathered.evidence.patches[index]),
            broken=(regressions.broken[rows[index]] if regressions.broken else None) or (),
        )
        for index in shortlist
    ]


async def converse(
    work: Work,
    gathered: SelectionInput,
    finalists: Sequence[Finalist],
    example: str,
    place: ConversationKey = ConversationKey(),
) -> int | None:
    """The number that the model chooses, NONE if it may refuse and does; None if its turns end without a valid choice.

    `example`: a test script to show. Raises what a model call raises.
    """
    settings = work.settings.selection
    numbers = [finalist.number for finalist in finalists]
    system = work.prompts(
        "select.system",
        files=touched_files(work, [finalist.patch for finalist in finalists]),
        candidates=finalists,
        tests=sum(gathered.matrix.valid(t) for t in range(len(gathered.matrix.tests))),
        regressions=len(gathered.regressions.tests),
        example=example,
        script=work.script,
        may_refuse=place.may_refuse,
    )
    valid = [*numbers, NONE] if place.may_refuse else numbers
    talk = Conversation(work, place.stage, place.sample, system, settings.turns, place.temperature, settings.max_tokens)
    message = work.prompts("select.user")

    def parse(text: str) -> Answer:
        answer = parse_answer(text, work.marker, ("test", "choice"))
        if answer.test is None and answer.choice not in valid:
            raise MalformedAnswer(f"there is no candidate {answer.choice}.")
        return answer

    def repair(problem: str) -> str:
        return work.prompts("select.repair", problem=problem, numbers=valid)

    while talk.turns_left:
        answer = await talk.ask(message, parse, repair)
        if answer is None:
            break
        if answer.test is None:
            return answer.choice
        message = await show_results(work, talk, finalists, answer.test, place)
    return None


async def show_results(
    work: Work, talk: Conversation, finalists: Sequence[Finalist], test: str, place: ConversationKey
) -> str:
    """Run a test script on the unedited code and on every finalist, and tell what it did."""
    select = place.stage is SELECT
    async with asyncio.TaskGroup() as group:
        original = group.create_task(work.run(place.stage, place.sample, talk.turn, "original", test))
        edited = [
            group.create_task(
                work.run(place.stage, finalist.number, talk.turn, "edited", test, finalist.patch)
                if select
                else work.run(place.stage, place.sample, talk.turn, f"edited {finalist.number}", test, finalist.patch)
            )
            for finalist in finalists
        ]
    results = [
        {"number": finalist.number, **work.show(task.result())._asdict()}
        for finalist, task in zip(finalists, edited, strict=True)
    ]
    return work.prompts(
        "select.result", original=work.show(original.result()), results=results, turns_left=talk.turns_left
    )


def touched_files(work: Work, patches: Sequence[str]) -> list[ContextFile]:
    """The files of the codebase that patches touch, whole, as far as they fit into the context."""
    paths = dict.fromkeys(path for patch in patches for path in patch_paths(patch))
    texts = {path: text for path in paths if path in work.snapshot and (text := work.snapshot.text(path))}
    tokens = {path: work.models.primary.count_tokens(text) for path, text in texts.items()}
    chosen = fill(list(texts), tokens, work.settings.context.tokens)
    return [ContextFile(path, texts[path], tokens[path]) for path in chosen]


def example_test(gathered: SelectionInput, first: int) -> str:
    """A valid test script if there is one, that of the candidate at a position first."""
    matrix = gathered.matrix
    own = gathered.evidence.own[first]
    valid = [t for t in range(len(matrix.tests)) if matrix.valid(t)]
    if own is not None and (own in valid or not valid):
        return matrix.tests[own]
    return matrix.tests[valid[0]] if valid else ""
