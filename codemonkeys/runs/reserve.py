"""The minimum reserve of a task: what it needs at least to end with a prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from codemonkeys.context.languages import is_source, is_test
from codemonkeys.engine.calls import TOKEN_MARGIN
from codemonkeys.models.base import Model
from codemonkeys.models.roles import longest_answer
from codemonkeys.settings import Settings
from codemonkeys.stages import CONTEXT_MODES, EDIT, RANK, RELEVANCE
from codemonkeys.tasks.snapshot import Entry

BYTES_PER_TOKEN = 3
"""Fewer than source code has: more tokens are counted than there are."""
PROMPT_TOKENS = 3_000
"""What a message says beside the files it shows."""
ANSWER_TOKENS = 512
"""A generous answer of relevance or ranking. They may be longer, but hardly all of them."""
FILE_LINE_TOKENS = 100
"""A file in the list that is ranked."""


def minimum_reserve(
    settings: Settings,
    primary: Model,
    scan: Model,
    entries: Iterable[Entry],
    issue: str,
    overrun: Callable[[str], float] = lambda model: 1.0,
) -> dict[str, float]:
    """US dollars by stage: relevance, the rankings, and the first answer of one edit conversation.

    `entries`: what the codebase holds. `overrun`: by how much a model is known to pass its bounds. Each stage can pay
    for its longest possible answer at least once, so that one after another its calls go out even where the rest of the
    money is reserved.
    """
    context = settings.context
    sizes = [
        e.size // BYTES_PER_TOKEN + 1 for e in entries if is_source(e.path) and (context.tests or not is_test(e.path))
    ]
    files = sum(min(size, context.file_tokens) for size in sizes)
    told = PROMPT_TOKENS + len(issue) // BYTES_PER_TOKEN
    passes = CONTEXT_MODES[context.mode].passes
    reading = max(1, min(len(sizes), 2 * files // max(1, context.batch_tokens) + 1)) if sizes else 0
    listed = told + FILE_LINE_TOKENS * len(sizes)
    shown = told + min(files, context.tokens)
    rankings = context.rankings if len(sizes) > 1 else 0
    scanned, asked = overrun(scan.name), overrun(primary.name)
    return {
        RELEVANCE.name: scanned
        * passes
        * several(scan, reading, files + reading * told, longest_answer(settings, "scan")),
        RANK.name: asked * several(primary, rankings, context.rankings * listed, longest_answer(settings, "primary")),
        EDIT.name: asked * several(primary, 1, shown, longest_answer(settings, "writer")),
    }


def several(model: Model, calls: int, prompt_tokens: float, longest: int) -> float:
    """What calls cost with so many tokens of prompts in all: one answer as long as it may be, the others usual."""
    if model.price is None or not calls:
        return 0.0
    usual = min(ANSWER_TOKENS, longest)
    each = prompt_tokens / calls * TOKEN_MARGIN
    return model.price.at_most(each, longest) + (calls - 1) * model.price.at_most(each, usual)
