"""The selection conversation: tests that discriminate between the finalists, then a choice. Paper, section 2.3."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from codemonkeys.context.choosing import ContextFile, fill
from codemonkeys.context.languages import is_prose
from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.work import Work
from codemonkeys.generation.answers import Answer, MalformedAnswer, parse_answer
from codemonkeys.generation.patch import patch_paths
from codemonkeys.models.base import Message
from codemonkeys.prompting import neutral
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.differences import compare, telling
from codemonkeys.selection.evidence_view import evidence_view
from codemonkeys.stages import SELECT, Stage

NONE = 0
"""The choice that rejects all candidates."""


class Finalist(NamedTuple):
    """A shortlisted candidate, as shown in the selection conversation."""

    number: int
    votes: int
    patch: str
    broken: tuple[str, ...]
    """Names of the repository's own tests that it breaks."""
    untrusted: bool = False
    """Whether it failed a control, so that its votes do not count."""
    flags: tuple[str, ...] = ()
    """What it touches that decides how tests run."""


@dataclass(frozen=True)
class ConversationKey:
    """Stage and sample of a selection conversation, for the keys of its steps, and its variations."""

    stage: Stage = SELECT
    sample: int = 0
    temperature: float = 0.0
    may_refuse: bool = False
    """Whether the model may reject all candidates."""


def make_finalists(inputs: SelectionInput, shortlist: Sequence[int]) -> list[Finalist]:
    """The finalists for a shortlist, which holds positions of distinct candidates."""
    matrix, regressions = inputs.matrix, inputs.regressions
    rows = {numbered.number - 1: row for row, numbered in enumerate(matrix.candidates)}
    return [
        Finalist(
            *(index + 1, matrix.votes(rows[index]), inputs.evidence.patches[index]),
            broken=(regressions.broken[rows[index]] if regressions.broken else None) or (),
            untrusted=index + 1 in matrix.untrusted,
            flags=inputs.flags.get(index + 1, ()),
        )
        for index in shortlist
    ]


async def converse(
    work: Work,
    inputs: SelectionInput,
    finalists: Sequence[Finalist],
    example: str,
    key: ConversationKey = ConversationKey(),
) -> int | None:
    """The number that the model chooses, NONE if it rejects all; None if it runs out of turns without a valid choice.

    `example`: a test script to show in the prompt. Raises what a model call raises.
    """
    settings = work.settings.selection
    numbers = [finalist.number for finalist in finalists]
    system = work.prompts(
        "select.system",
        files=touched_files(work, [finalist.patch for finalist in finalists]),
        candidates=finalists,
        tests=sum(inputs.matrix.valid(t) for t in range(len(inputs.matrix.tests))),
        regressions=len(inputs.regressions.tests),
        example=example,
        script=work.script,
        may_refuse=key.may_refuse,
    )
    valid = [*numbers, NONE] if key.may_refuse else numbers
    talk = Conversation(work, key.stage, key.sample, system, settings.turns, key.temperature, settings.max_tokens)
    message: str | Message = await opening(work, inputs, numbers, example)

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
        message = await show_results(work, talk, finalists, answer.test, key)
    return None


async def opening(work: Work, inputs: SelectionInput, numbers: Sequence[int], example: str) -> Message:
    """The first message: the evidence that tells the candidates of these numbers apart, and the question."""
    if work.is_begun_by_older:
        return Message("user", work.prompts("select.user"))

    def count(text: str) -> int:
        return work.models.primary.count_tokens(neutral(text, work.marker))

    tokens, sandbox = work.settings.selection.evidence_tokens, work.settings.sandbox
    values = await work.in_thread(evidence_view, inputs, numbers, example, tokens, count, sandbox)
    return work.tell("select.user", **values)


async def show_results(
    work: Work, talk: Conversation, finalists: Sequence[Finalist], test: str, key: ConversationKey
) -> Message:
    """Run a test script on the unedited code and on every finalist; returns the message with the results."""
    select = key.stage is SELECT
    async with asyncio.TaskGroup() as group:
        original = group.create_task(work.run(key.stage, key.sample, talk.turn, "original", test))
        edited = [
            group.create_task(
                work.run(key.stage, finalist.number, talk.turn, "edited", test, finalist.patch)
                if select
                else work.run(key.stage, key.sample, talk.turn, f"edited {finalist.number}", test, finalist.patch)
            )
            for finalist in finalists
        ]
    results = [
        {"number": finalist.number, **work.show(task.result())._asdict()}
        for finalist, task in zip(finalists, edited, strict=True)
    ]
    return work.tell(
        "select.result", original=work.show(original.result()), results=results, turns_left=talk.turns_left
    )


def touched_files(work: Work, patches: Sequence[str]) -> list[ContextFile]:
    """The repository files that patches touch, in full, as many as fit into the context; no prose beside code."""
    paths = list(dict.fromkeys(path for patch in patches for path in patch_paths(patch)))
    if not work.is_begun_by_older:
        paths = [path for path in paths if not is_prose(path)] or paths
    texts = {path: text for path in paths if path in work.snapshot and (text := work.snapshot.text(path))}
    tokens = {path: work.models.primary.count_tokens(text) for path, text in texts.items()}
    chosen = fill(list(texts), tokens.__getitem__, work.settings.context.tokens)
    return [ContextFile(path, texts[path], tokens[path]) for path in chosen]


def example_test(work: Work, inputs: SelectionInput, finalists: Sequence[Finalist], first: int) -> str:
    """A test script to show, valid and the one that tells the finalists apart best; empty if there is none.

    Not one that was written with the candidate that is shown first: it would speak for that. `first`: position of the
    best of the shortlist, which lent its script in runs of version 0.1.
    """
    if work.is_begun_by_older:
        return own_test(inputs, first)
    evidence, numbers = inputs.evidence, [finalist.number for finalist in finalists]
    own = {script for script, first in zip(evidence.own, evidence.classes, strict=True) if first == numbers[0] - 1}
    comparisons = compare(inputs.matrix, numbers)
    others = [c for c in (*telling(comparisons), *comparisons) if c.valid and c.number - 1 not in own]
    return others[0].script if others else ""


def own_test(inputs: SelectionInput, first: int) -> str:
    """A test script to show: valid if possible, preferably that of the candidate at position `first`."""
    matrix = inputs.matrix
    own = inputs.evidence.own[first]
    valid = [t for t in range(len(matrix.tests)) if matrix.valid(t)]
    if own is not None and (own in valid or not valid):
        return matrix.tests[own]
    return matrix.tests[valid[0]] if valid else ""
