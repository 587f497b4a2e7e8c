"""The selection conversation: tests that tell the best candidates apart, then a choice. Paper, section 2.3."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from codemonkeys.context.ranking import ContextFile, fill
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.answers import MalformedAnswer, parse_answer
from codemonkeys.generation.patch import patch_paths
from codemonkeys.selection.votes import Matrix
from codemonkeys.work import Conversation, Work


class Choice(NamedTuple):
    """Which candidate is submitted, and how that was decided."""

    number: int
    patch: str
    reason: str


class Finalist(NamedTuple):
    """A candidate as the selection conversation shows it."""

    number: int
    votes: int
    patch: str


async def choose(work: Work, matrix: Matrix) -> Choice:
    """Choose among the candidates with the most votes; without a valid choice, the one with the most."""
    finalists = [
        Finalist(matrix.candidates[p].number, matrix.votes(p), matrix.candidates[p].candidate.patch)
        for p in matrix.best(work.settings.selection.candidates)
    ]
    top = finalists[0]
    if len(finalists) == 1:
        return Choice(top.number, top.patch, "the only distinct candidate")
    if work.settings.selection.turns == 0:
        return Choice(top.number, top.patch, "most votes")
    try:
        number = await converse(work, matrix, finalists)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        return Choice(top.number, top.patch, f"most votes, as the selection conversation could not go on: {error}")
    if number is None:
        return Choice(top.number, top.patch, "most votes, as the selection conversation chose none")
    chosen = next(finalist for finalist in finalists if finalist.number == number)
    return Choice(chosen.number, chosen.patch, "chosen in the selection conversation")


async def converse(work: Work, matrix: Matrix, finalists: Sequence[Finalist]) -> int | None:
    """The number that the model chooses; None if its turns end without a valid choice."""
    settings = work.settings.selection
    numbers = [finalist.number for finalist in finalists]
    system = work.prompts(
        "select.system",
        files=touched_files(work, finalists),
        candidates=finalists,
        tests=sum(matrix.valid(t) for t in range(len(matrix.tests))),
        example=example_test(matrix),
        script=work.script,
    )
    talk = Conversation(work, "select", 0, system, settings.turns, 0.0, settings.max_tokens)
    message = work.prompts("select.user")
    while talk.turns_left:
        try:
            answer = parse_answer(await talk.ask(message), work.marker, ("test", "choice"))
            if answer.choice in numbers:
                return answer.choice
            if answer.test is None:
                raise MalformedAnswer(f"there is no candidate {answer.choice}.")
        except MalformedAnswer as error:
            message = work.prompts("select.repair", problem=str(error), numbers=numbers)
            continue
        message = await show_results(work, talk, finalists, answer.test)
    return None


async def show_results(work: Work, talk: Conversation, finalists: Sequence[Finalist], test: str) -> str:
    """Run a test script on the unedited code and on every finalist, and tell what it did."""
    async with asyncio.TaskGroup() as group:
        original = group.create_task(work.run("select", 0, talk.turn, "original", test))
        edited = [
            group.create_task(work.run("select", finalist.number, talk.turn, "edited", test, finalist.patch))
            for finalist in finalists
        ]
    results = [
        {"number": finalist.number, **work.show(task.result())._asdict()}
        for finalist, task in zip(finalists, edited, strict=True)
    ]
    return work.prompts(
        "select.result", original=work.show(original.result()), results=results, turns_left=talk.turns_left
    )


def touched_files(work: Work, finalists: Sequence[Finalist]) -> list[ContextFile]:
    """The files of the codebase that the finalists touch, whole, as far as they fit into the context."""
    paths = dict.fromkeys(path for finalist in finalists for path in patch_paths(finalist.patch))
    texts = {path: text for path in paths if path in work.snapshot and (text := work.snapshot.text(path))}
    tokens = {path: work.steps.primary.count_tokens(text) for path, text in texts.items()}
    chosen = fill(list(texts), tokens, work.settings.context.tokens)
    return [ContextFile(path, texts[path], tokens[path]) for path in chosen]


def example_test(matrix: Matrix) -> str:
    """A valid test script if there is one, that of the best candidate first."""
    own = matrix.candidates[matrix.best(1)[0]].candidate.test
    valid = [test for t, test in enumerate(matrix.tests) if matrix.valid(t)]
    return own if own in valid or not valid else valid[0]
