"""Asks for answers that consist of paragraphs, each begun by its name and a colon, and reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codemonkeys.engine.conversation import WITH_REPAIR, Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.models.roles import stage_answer
from codemonkeys.stages import Stage, role_of

CHARACTERS = 600
"""Maximum length of a paragraph; the rest of a longer one is cut off."""


async def describe_sample(
    work: Work, stage: Stage, sample: int, kind: str, messages: tuple[str, str], names: Sequence[str]
) -> None:
    """Have a sample described in one call, and store the paragraphs in a note of this kind; it may come to none.

    `messages`: of the system and of the user. `names`: of the paragraphs. One for which there was no money, or which
    was refused, is noted as ended early.
    """
    system, message = messages
    talk = Conversation(
        *(work, stage, sample, system, WITH_REPAIR, 0.0, stage_answer(work.settings, role_of(stage.name))),
        gate=work.gate(f"{stage.name} {system}"),
    )

    def parse(answer: str) -> dict[str, str]:
        return parse_paragraphs(answer, names)

    def repair(problem: str) -> str:
        return work.prompts(f"{stage.name}.repair", problem=problem)

    try:
        found = await talk.ask(message, parse, repair)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up(stage, sample, error)
        return
    if found is not None:
        await work.note(stage, kind, found, sample)


def parse_paragraphs(answer: str, names: Sequence[str]) -> dict[str, str]:
    """The paragraphs in the order of their names, which are lower case. Raises UnusableAnswer if one is missing."""
    found: dict[str, str] = {}
    begin_of_one = re.compile(rf"^[ \t#*_>-]*({'|'.join(names)})[*_ ]*:(?:[*_]+(?!\S))?", re.I | re.M)
    begins = [*begin_of_one.finditer(answer)]
    for begin, end in zip(begins, [*(match.start() for match in begins[1:]), len(answer)], strict=False):
        found[begin[1].lower()] = answer[begin.end() : end].strip()[:CHARACTERS]
    missing = [name.upper() for name in names if not found.get(name)]
    if missing:
        raise UnusableAnswer(f"it lacks {', '.join(missing)}.")
    return {name: found[name] for name in names}
