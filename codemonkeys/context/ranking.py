"""Ranking: the primary model ranks the relevant files; rankings are merged. Paper (arXiv 2501.14723), section 2.1."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from codemonkeys.context.json_arrays import last_paths
from codemonkeys.context.relevance import RelevantFile
from codemonkeys.engine.conversation import WITH_REPAIR, Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.errors import FilteredAnswer, RejectedRequest
from codemonkeys.models.windows import Window
from codemonkeys.settings import Settings
from codemonkeys.stages import RANK

BESIDE = 100
"""Tokens around the messages of a ranking, generously."""


async def rank(work: Work, relevant: Sequence[RelevantFile], others: bool = False) -> list[list[str]]:
    """Several rankings of the relevant files; unusable answers are left out.

    A list that is too long for the model's window is ranked in parts, each file in one, and the parts are interleaved.
    `others`: in place of the usual rankings, those for other context choices, sampled so that they differ.
    """
    usual, count = work.settings.context.rankings, rankings_of(work.settings)
    numbers = range(usual, count) if others else range(usual)
    temperature = work.settings.generation.temperature if others else 0.0
    parts = await work.in_thread(divide, work, relevant)
    async with asyncio.TaskGroup() as group:
        tasks = [
            [
                group.create_task(rank_once(work, n + number * count, f"rank {number}", system, paths, temperature))
                for n in numbers
            ]
            for number, part in enumerate(parts)
            for system, paths in [(listed(work, part), frozenset(file.path for file in part))]
        ]
    rankings = [interleave([task.result() for task in of_one]) for of_one in zip(*tasks, strict=True)]
    return [ranking for ranking in rankings if ranking]


def rankings_of(settings: Settings) -> int:
    """Rankings of a task's relevant files: the usual ones, then one for each other context choice."""
    return settings.context.rankings + settings.search.contexts - 1


def divide(work: Work, relevant: Sequence[RelevantFile]) -> list[Sequence[RelevantFile]]:
    """The files in as few parts of equal size as the window of the ranking model asks for."""
    model = work.models.of(RANK.name, 0)
    window = work.journal.windows.get(model.name)
    asked = model.count_tokens(work.prompts("rank.user")) + BESIDE
    room = (window or Window()).room(work.settings.context.max_tokens) - asked
    size = len(relevant)
    while True:
        parts = [relevant[at : at + size] for at in range(0, len(relevant), size)]
        if size == 1 or room == math.inf or all(model.count_tokens(listed(work, part)) <= room for part in parts):
            return parts
        size = (size + 1) // 2


def listed(work: Work, files: Sequence[RelevantFile]) -> str:
    """The message that lists the files to rank."""
    settings = work.settings.context
    return work.prompts("rank.system", files=files, aim_tokens=settings.aim_tokens, most_tokens=settings.most_tokens)


async def rank_once(
    work: Work, number: int, gate: str, system: str, paths: frozenset[str], temperature: float = 0.0
) -> list[str]:
    """One ranking, without invented or repeated paths; empty if the answer is unusable even after a repair turn.

    `gate`: name of the gate of `system`, which several rankings share.
    """
    talk = Conversation(
        *(work, RANK, number, system, WITH_REPAIR, temperature, work.settings.context.max_tokens),
        gate=work.gate(gate),
    )

    def parse(answer: str) -> list[str]:
        ranking = last_paths(answer, paths)
        if not ranking:
            raise UnusableAnswer("it ends with no JSON array of paths from the list.")
        return ranking

    def repair(problem: str) -> str:
        return work.prompts("rank.repair", problem=problem)

    try:
        return await talk.ask(work.prompts("rank.user"), parse, repair) or []
    except (FilteredAnswer, RejectedRequest) as error:
        if talk.turns_left == WITH_REPAIR:
            raise
        work.give_up(RANK, number, error)
        return []


def interleave(rankings: Sequence[Sequence[str]]) -> list[str]:
    """One ranking of several that share no file, by relative position."""
    positions = [
        (n / len(ranking), number, path) for number, ranking in enumerate(rankings) for n, path in enumerate(ranking)
    ]
    return [path for *_, path in sorted(positions)]


def merge(rankings: Sequence[Sequence[str]], paths: Sequence[str]) -> list[str]:
    """Order paths by mean relative rank: position / length in each ranking, 1.0 if absent; ties broken by path."""

    def mean_rank(path: str) -> float:
        ranks = [list(r).index(path) / len(r) if path in r else 1.0 for r in rankings]
        return sum(ranks) / len(ranks) if ranks else 1.0

    return sorted(paths, key=lambda path: (mean_rank(path), path))
