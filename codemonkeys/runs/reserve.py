"""The minimum reserve of a task: what it needs at least to end with a prediction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

from codemonkeys.context.beside import is_beside, out_by_path, patterns_of
from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.ranking import rankings_of
from codemonkeys.engine.bounds import Size, UpperBounds
from codemonkeys.models.base import Model
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.roles import ModelSet, longest_answer
from codemonkeys.settings import Settings
from codemonkeys.stages import AGENT, CONTEXT_MODES, EDIT, RANK, RELEVANCE, Stage
from codemonkeys.tasks.snapshot import Entry

BYTES_PER_TOKEN = 3
"""Fewer than source code has: more tokens are counted than there are."""
PROMPT_TOKENS = 3_000
"""What a message says beside the files it shows."""
ANSWER_TOKENS = 512
"""A generous answer of relevance or ranking. They may be longer, but hardly all of them."""
STEPS = 8
"""Steps within which an agent has usually changed something."""
FILE_LINE_TOKENS = 100
"""A file in the list that is ranked."""


def minimum_reserve(
    settings: Settings,
    models: ModelSet,
    bounds: UpperBounds,
    entries: Iterable[Entry],
    issue: str,
    language: str = "python",
) -> dict[str, float]:
    """US dollars by stage: relevance, the rankings, and the first patch of one trajectory.

    `entries`: what the codebase holds. Each stage can pay for its longest possible answer at least once, at the upper
    bound that its calls will have, so that one after another they go out even where the rest of the money is reserved.
    The trajectory may be of any kind, by any of the writers: it is reserved for the dearest. Tests are not reserved
    for: a trajectory that cannot pay for one goes on without.
    """
    context = settings.context
    read, patterns = list(entries), patterns_of(language, context.also)
    tokens = {e.path: e.size // BYTES_PER_TOKEN + 1 for e in read if is_source(e.path)}
    sizes = [size for path, size in tokens.items() if context.tests or not is_test(path)]
    besides = sorted(e.size for e in read if is_beside(e.path, patterns) and not out_by_path(e.path, e.size))
    sizes += [size // BYTES_PER_TOKEN + 1 for size in besides[-context.also_files :] if context.also_files]
    files = sum(min(size, context.file_tokens) for size in sizes)
    told = PROMPT_TOKENS + len(issue) // BYTES_PER_TOKEN
    passes = CONTEXT_MODES[context.mode].passes
    reading = max(1, min(len(sizes), 2 * files // max(1, context.batch_tokens) + 1)) if sizes else 0
    listed = told + FILE_LINE_TOKENS * len(sizes)
    shown = told + min(sum(tokens.values()), context.tokens)
    rankings = rankings_of(settings) if len(sizes) > 1 else 0
    writers, longest = max(1, len(models.writers)), partial(longest_answer, settings)

    def asked(stage: Stage, sample: int = 0) -> tuple[Model, Parameters]:
        return models.of(stage.name, sample), models.parameters_of(stage.name, sample)

    generation, outputs = settings.generation, settings.sandbox.output_characters // BYTES_PER_TOKEN
    seen = listed if settings.agent.context == "paths" else shown if settings.agent.context == "files" else told
    steps = min(STEPS, settings.agent.steps)
    # What an agent is told grows from step to step, up to its limit.
    grown = [
        min(seen + step * (ANSWER_TOKENS + outputs), max(seen, settings.agent.history_tokens)) for step in range(steps)
    ]

    def first_patch(sample: int) -> float:
        """Of a trajectory, what it takes until there is something to submit."""
        if generation.kind_of(sample) == "agent":
            return several(bounds, *asked(AGENT, sample), len(grown), sum(grown), longest("writer"))
        return several(bounds, *asked(EDIT, sample), 1, shown, longest("writer"))

    drawn = min(writers * len(generation.kinds), max(writers, generation.samples))
    if not settings.shows_files:
        rankings = reading = 0
    return {
        RELEVANCE.name: passes * several(bounds, *asked(RELEVANCE), reading, files + reading * told, longest("scan")),
        RANK.name: several(bounds, *asked(RANK), rankings, rankings_of(settings) * listed, longest("primary")),
        EDIT.name: max(first_patch(each) for each in range(drawn)),
    }


def several(
    bounds: UpperBounds, model: Model, parameters: Parameters, calls: int, prompt_tokens: float, longest: int
) -> float:
    """What calls cost with so many tokens of prompts in all: one answer as long as it may be, the others usual."""
    if not calls:
        return 0.0
    each = math.ceil(prompt_tokens / calls)
    size = Size(each, each * BYTES_PER_TOKEN)
    usual = bounds.of_size(model, size, min(ANSWER_TOKENS, longest), parameters)
    return bounds.of_size(model, size, longest, parameters) + (calls - 1) * usual
