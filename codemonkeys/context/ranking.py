"""Ranking: the primary model orders the relevant files; rankings are merged. Paper (arXiv 2501.14723), section 2.1."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.context.json_arrays import last_array
from codemonkeys.context.relevance import RelevantFile
from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.stages import RANK


@dataclass(frozen=True)
class ContextFile:
    """A file that every edit conversation of the task sees, whole."""

    path: str
    text: str
    tokens: int


async def choose_context(work: Work, relevant: Sequence[RelevantFile]) -> list[ContextFile]:
    """The files that fit into the context, most important first."""
    rankings = await rank(work, relevant) if len(relevant) > 1 else []
    order = merge(rankings, [file.path for file in relevant])
    tokens = {file.path: file.tokens for file in relevant}
    chosen = fill(order, tokens, work.settings.context.tokens)
    note = {"rankings": rankings, "order": order, "chosen": chosen, "tokens": sum(tokens[path] for path in chosen)}
    await work.note(RANK, "context", note)
    return [ContextFile(path, work.snapshot.text(path) or "", tokens[path]) for path in chosen]


async def rank(work: Work, relevant: Sequence[RelevantFile]) -> list[list[str]]:
    """Several rankings of the relevant files, those that could be read."""
    settings = work.settings.context
    system = work.prompts(
        "rank.system", files=relevant, aim_tokens=settings.aim_tokens, most_tokens=settings.most_tokens
    )
    paths = frozenset(file.path for file in relevant)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(rank_once(work, n, system, paths)) for n in range(settings.rankings)]
    return [ranking for task in asked if (ranking := task.result())]


async def rank_once(work: Work, number: int, system: str, paths: frozenset[str]) -> list[str]:
    """One ranking without invented or repeated paths; empty if none could be parsed, asked twice."""
    talk = Conversation(work, RANK, number, system, 2, 0.0, work.settings.context.max_tokens, work.gate("rank"))

    def parse(answer: str) -> list[str]:
        named = last_array(answer) or []
        ranking = list(dict.fromkeys(path for path in named if isinstance(path, str) and path in paths))
        if not ranking:
            raise UnusableAnswer("it ends with no JSON array of paths from the list.")
        return ranking

    def repair(problem: str) -> str:
        return work.prompts("rank.repair", problem=problem)

    return await talk.ask(work.prompts("rank.user"), parse, repair) or []


def merge(rankings: Sequence[Sequence[str]], paths: Sequence[str]) -> list[str]:
    """Order paths by their mean relative rank: position / length in each ranking, 1.0 where absent; ties by path."""

    def mean_rank(path: str) -> float:
        ranks = [list(r).index(path) / len(r) if path in r else 1.0 for r in rankings]
        return sum(ranks) / len(ranks) if ranks else 1.0

    return sorted(paths, key=lambda path: (mean_rank(path), path))


def fill(order: Sequence[str], tokens: Mapping[str, int], most: int) -> list[str]:
    """Take files in order while they fit; one that does not fit is passed over, the next may."""
    chosen = []
    for path in order:
        if tokens[path] <= most:
            chosen.append(path)
            most -= tokens[path]
    return chosen
