"""A tournament of candidates: a model compares them in small groups, by several votes a match, and winners go on.

Recursive Tournament Voting (arXiv 2604.16529), as a cascade (CAPS, arXiv 2605.15513): the first votes of a match see
little, and where they disagree others see all there is. Every vote sees the candidates in another order, under the
numbers of their places, so that a model that prefers a place or a number ends in a tie.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.answers import Kind, MalformedAnswer, parse_answer
from codemonkeys.generation.distilling import summary_of
from codemonkeys.models.base import Message
from codemonkeys.prompting import cut_middle, neutral
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.conversation import touched_files
from codemonkeys.selection.evidence import Match
from codemonkeys.selection.evidence_view import evidence_view
from codemonkeys.selection.rules_base import candidates
from codemonkeys.stages import TOURNAMENT, Stage

BRIEF_VOTES = 2
"""Votes of a match that see little."""
BRIEF_CHARACTERS = 6_000
"""Characters of each patch that they see."""

CHOICE: tuple[Kind, ...] = ("choice",)

Vote = int | None
"""The candidate that a vote prefers; None for a vote that prefers none, or an unusable answer."""


@dataclass(frozen=True)
class Game:
    """A match as it is played."""

    work: Work
    inputs: SelectionInput
    number: int
    """From 0, over all rounds."""
    group: Sequence[int]
    """The candidates, the best by their ranking first."""
    stage: Stage
    first_turn: int

    def order(self, vote: int) -> list[int]:
        """The candidates as a vote is shown them: shuffled once, then each in every place equally often."""
        shuffled = list(self.group)
        random.Random(f"{self.work.task.id} {self.number}").shuffle(shuffled)
        start = vote % len(shuffled)
        return shuffled[start:] + shuffled[:start]


async def play(
    work: Work,
    inputs: SelectionInput,
    order: Sequence[int],
    until: int = 1,
    stage: Stage = TOURNAMENT,
    first_turn: int = 0,
) -> tuple[Match, ...]:
    """Play rounds among distinct candidates, the best ranked first, until at most `until` are left.

    `first_turn`: turn of a match's first vote, for a stage that holds several tournaments. Raises BudgetReached.
    """
    usable = set(candidates(inputs.evidence))
    left, played = [index for index in order if index in usable], list[Match]()
    for played_rounds in count(1):
        if len(left) <= until:
            break
        groups = grouped(left, work.settings.selection.match_size)
        contested = [group for group in groups if len(group) > 1]
        games = [
            Game(work, inputs, number, group, stage, first_turn) for number, group in enumerate(contested, len(played))
        ]
        async with asyncio.TaskGroup() as tasks:
            results = [tasks.create_task(play_match(game, played_rounds)) for game in games]
        for result in results:
            match = result.result()
            if isinstance(match, BudgetReached):
                raise match
            played.append(match)
        beaten = {index for match in played for index in match.candidates if index != match.winner}
        left = [index for index in left if index not in beaten]
    return tuple(played)


def grouped(ranked: Sequence[int], size: int) -> list[list[int]]:
    """Groups of at most `size`, such that the best ranked meet late; one that is left alone is the best ranked."""
    groups = -(-len(ranked) // size)
    found: list[list[int]] = [[] for _ in range(groups)]
    for place, index in enumerate(ranked):
        row, column = divmod(place, groups)
        found[groups - 1 - column if row % 2 else column].append(index)
    return found


def most_matches(players: int, size: int, until: int = 1) -> int:
    """Number of matches among so many candidates."""
    matches = 0
    while players > max(until, 1):
        groups = grouped(range(players), size)
        matches += sum(len(group) > 1 for group in groups)
        players = len(groups)
    return matches


async def play_match(game: Game, number_of_round: int) -> Match | BudgetReached:
    """The winner of a group: the choice of the first votes if they agree, else of those that see all evidence."""
    votes = await brief_votes(game)
    whole = not isinstance(votes, BudgetReached) and (len(set(votes)) > 1 or votes[0] is None)
    if whole:
        votes = await whole_votes(game)
    if isinstance(votes, BudgetReached):
        return votes
    return Match(number_of_round, tuple(game.group), tuple(votes), winner_of(game.group, votes), whole)


def winner_of(group: Sequence[int], votes: Sequence[Vote]) -> int:
    """The candidate with most votes; a tie goes to the one that is ranked first."""
    counts = Counter(votes)
    return max(group, key=lambda index: (counts[index], -group.index(index)))


def is_decided(votes: Sequence[Vote], most: int) -> bool:
    """Whether no vote of those that are left can change or tie the result."""
    counts = sorted(Counter(vote for vote in votes if vote is not None).values(), reverse=True)
    first, second = [*counts, 0, 0][:2]
    return first - second > most - len(votes)


async def brief_votes(game: Game) -> list[Vote] | BudgetReached:
    """Votes that see the patches and, in a line each, what tests say of them."""
    work, evidence = game.work, game.inputs.evidence
    patches = {index: cut_middle(evidence.patches[index], BRIEF_CHARACTERS) for index in game.group}
    view = await view_of_match(game, 0)
    system = work.prompts("tournament.system", files=[])
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ask_vote(game, vote, system, patches, view)) for vote in range(BRIEF_VOTES)]
    votes: list[Vote] = []
    for task in asked:
        vote = task.result()
        if isinstance(vote, BudgetReached):
            return vote
        votes.append(vote)
    return votes


async def whole_votes(game: Game) -> list[Vote] | BudgetReached:
    """Votes that see the files that the candidates touch, the scripts, and what these print on each."""
    work, settings = game.work, game.work.settings.selection
    patches = {index: game.inputs.evidence.patches[index] for index in game.group}
    view = await view_of_match(game, settings.evidence_tokens)
    system = work.prompts("tournament.system", files=touched_files(work, list(patches.values())))
    votes: list[Vote] = []
    while len(votes) < settings.match_votes and not is_decided(votes, settings.match_votes):
        vote = await ask_vote(game, BRIEF_VOTES + len(votes), system, patches, view)
        if isinstance(vote, BudgetReached):
            return vote
        votes.append(vote)
    return votes


async def view_of_match(game: Game, tokens: int) -> dict[str, Any]:
    """What tells the candidates apart, by their own numbers; scripts and outputs within a number of tokens."""
    work = game.work

    def counted(text: str) -> int:
        return work.models.primary.count_tokens(neutral(text, work.marker))

    numbers = [index + 1 for index in game.group]
    return await work.in_thread(evidence_view, game.inputs, numbers, "", tokens, counted, work.settings.sandbox)


async def ask_vote(
    game: Game, vote: int, system: str, patches: dict[int, str], view: dict[str, Any]
) -> Vote | BudgetReached:
    """One vote about the candidates in their order for it."""
    work, order = game.work, game.order(vote)
    settings, generation = work.settings.selection, work.settings.generation
    talk = Conversation(
        *(work, game.stage, game.number, system, 1, generation.temperature, settings.max_tokens),
        gate=work.gate(f"{game.stage} {system}") if vote < BRIEF_VOTES else None,
        first_turn=game.first_turn + vote,
    )

    def parse(answer: str) -> int:
        choice = parse_answer(answer, work.marker, CHOICE).choice
        if choice is None or not 0 <= choice <= len(order):
            raise MalformedAnswer(f"there is no candidate {choice}.")
        return choice

    try:
        chosen = await talk.ask(message_of_vote(game, order, patches, view), parse)
    except BudgetReached as error:
        return error
    except (FilteredAnswer, RejectedRequest):
        return None
    return order[chosen - 1] if chosen else None


def message_of_vote(game: Game, order: Sequence[int], patches: dict[int, str], view: dict[str, Any]) -> Message:
    """The candidates in an order, numbered by their places in it, and the question."""
    place = {index + 1: number for number, index in enumerate(order, 1)}
    shown = [{"number": place[index + 1], "patch": patches[index], **told_of(game, index)} for index in order]
    return game.work.tell("tournament.user", candidates=shown, **renumbered(view, place))


def told_of(game: Game, index: int) -> dict[str, Any]:
    """What a vote is told of a candidate, beside its patch and what tests say."""
    numbers = {numbered.number: numbered.candidate.sample for numbered in game.inputs.matrix.candidates}
    return {
        "flags": game.inputs.flags.get(index + 1, ()),
        "summary": summary_of(game.work, numbers[index + 1]),
    }


def renumbered(view: dict[str, Any], place: dict[int, int]) -> dict[str, Any]:
    """A view of evidence with the numbers of candidates replaced."""

    def moved(entry: dict[str, Any]) -> dict[str, Any]:
        return {**entry, "numbers": sorted(place[number] for number in entry["numbers"])}

    fails = [{**entry, "number": place[entry["number"]]} for entry in view["fails"]]
    return {
        **view,
        "fails": sorted(fails, key=lambda entry: int(entry["number"])),
        "tests": [moved(group) for group in view["tests"]],
        "scripts": [{**script, "results": [moved(r) for r in script["results"]]} for script in view["scripts"]],
    }


def as_signals(matches: Sequence[Match]) -> dict[int, tuple[float | None, str]]:
    """Matches as the journal keeps them: the number of the winner, and the rest as JSON with numbers from 1."""

    def detail(match: Match) -> str:
        votes = [None if vote is None else vote + 1 for vote in match.votes]
        candidates = [index + 1 for index in match.candidates]
        return json.dumps({"round": match.round, "candidates": candidates, "votes": votes, "whole": match.whole})

    return {number: (float(match.winner + 1), detail(match)) for number, match in enumerate(matches)}
