"""Cost estimate of a task by stage: the expected cost and the upper bound.

Expected conversations follow the CodeMonkeys paper (arXiv 2501.14723). Its Table 1 lists dollars by stage and kind of
token for 10 samples of 8 turns on 500 tasks, which gives the tokens of a trajectory; its Figure 5 shows how many
trajectories continue after each turn. `tests/planning` checks that these numbers reproduce the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from codemonkeys.engine.calls import MESSAGE_TOKENS, TOKEN_MARGIN
from codemonkeys.models.base import Price, Usage
from codemonkeys.models.roles import longest_answer
from codemonkeys.planning.measures import Measures
from codemonkeys.selection.deciding import (
    ModelEvidence,
    add_ballots,
    add_beliefs,
    add_conversation,
    add_shortlist_beliefs,
    model_evidence_for,
)
from codemonkeys.settings import Settings
from codemonkeys.stages import BALLOT, DIGEST, EDIT, JUDGE, RANK, RELEVANCE, SELECT, TEST


@dataclass(frozen=True)
class ConversationProfile:
    """A typical conversation of a stage, in tokens."""

    continuing: tuple[float, ...]
    """Share of conversations that make the first, second, ... call; the last value holds for all later calls."""
    answer: int
    """Length of an answer."""
    first: int
    """Length of a sample's first message, without the template."""
    reply: int
    """Length of a message with an execution's result."""

    def share(self, turn: int) -> float:
        """Share of conversations that make a call in a turn, from 0."""
        return self.continuing[min(turn, len(self.continuing) - 1)]


EDIT_PROFILE = ConversationProfile((1, 1, 0.83, 0.66, 0.57, 0.51, 0.46, 0.41), answer=870, first=1_500, reply=1_300)
TEST_PROFILE = ConversationProfile((1, 1, 0.65, 0.45, 0.32, 0.24, 0.19, 0.15), answer=985, first=100, reply=900)
SELECT_PROFILE = ConversationProfile((1, 1, 1, 1, 0.5, 0.3, 0.1, 0.1, 0, 0), answer=1_360, first=100, reply=2_300)
RANK_ANSWER = 530
CONTEXT_SHARE = 74_570 / 128_000
"""Mean fill level of the context."""
RELEVANT_FILES = 46
"""Number of relevant files, which the ranking sees."""
SUMMARY = 50
MAX_SUMMARY = 200
"""Length of a file summary assumed in upper bounds."""
RELEVANCE_ANSWER = 30
"""Per file; recorded conversations have 22 to 32 tokens."""
KEPT_BY_OUTLINE = 0.1
"""Share of files that are not ruled out by their outline."""
DIGEST_LENGTH = 0.1
"""Tokens of a digest per token of its outline; measured by `benchmarks/context_tokens.py`."""
DIGEST_ANSWER = 70
"""Per file: 50 words."""
TOUCHED = 16_000
"""Tokens of the files that the candidates touch."""
PATCH = 600
BROKEN_TESTS = 1_000
"""Tokens of the list of repository tests that a candidate breaks, at most ten."""
JUDGE_PROFILE = ConversationProfile((1,), answer=700, first=PATCH, reply=0)
PAPER_SOURCE = 2_940_000
"""Tokens of a task's source files if no repository is on this machine."""


@dataclass(frozen=True)
class StageCost:
    """Estimated cost of a stage, for one or more tasks. Tokens and calls are expected values."""

    calls: float = 0.0
    usage: Usage = Usage()
    expected_usd: float | None = 0.0
    """None if the price is unknown."""
    most_calls: int = 0
    """Upper bound."""
    most_usd: float | None = 0.0
    """Upper bound; None if the price is unknown."""

    def __add__(self, other: StageCost) -> StageCost:
        mine, its = self.usage, other.usage
        usage = Usage(
            mine.prompt_tokens + its.prompt_tokens,
            mine.completion_tokens + its.completion_tokens,
            mine.cache_read_tokens + its.cache_read_tokens,
            mine.cache_write_tokens + its.cache_write_tokens,
        )
        expected = _sum(self.expected_usd, other.expected_usd)
        most = _sum(self.most_usd, other.most_usd)
        return StageCost(self.calls + other.calls, usage, expected, self.most_calls + other.most_calls, most)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True)
class Conversations:
    """Equal conversations that share a system message; all but the first read it from the provider's cache."""

    count: int
    turns: int
    system: int
    first: int
    profile: ConversationProfile

    def usage(self) -> tuple[float, Usage]:
        """Expected number of calls, and their tokens."""
        if not self.count or not self.turns:
            return 0.0, Usage()
        shares = [self.profile.share(turn) for turn in range(self.turns)]
        grown = self.profile.answer + self.profile.reply
        calls = self.count * sum(shares)
        # Every call reads the cache entry of the call before it: the system message and all but the newest messages.
        read = sum(
            share * (self.system + (self.first + (turn - 1) * grown if turn else 0))
            for turn, share in enumerate(shares)
        )
        written = self.first + sum(shares[1:]) * grown
        cache_read = round(self.count * read - self.system)
        cache_write = round(self.count * written + self.system)
        return calls, Usage(cache_read + cache_write, round(calls * self.profile.answer), cache_read, cache_write)


def costs(measures: Measures, settings: Settings, primary: Price | None, scan: Price | None) -> dict[str, StageCost]:
    """Estimated cost of every stage of a task, by stage name."""
    evidence = model_evidence_for(settings.selection.rule)
    ballots = settings.selection.ballots if evidence is add_ballots else 0
    return {
        DIGEST.name: _digest(measures, settings, scan),
        RELEVANCE.name: _relevance(measures, settings, scan),
        RANK.name: _rank(measures, settings, primary),
        TEST.name: _test(measures, settings, primary),
        EDIT.name: _edit(measures, settings, primary),
        JUDGE.name: _judge(measures, settings, primary),
        BALLOT.name: _select(measures, settings, primary, ballots),
        SELECT.name: _select(measures, settings, primary, int(evidence is add_conversation)),
    }


def upper_bound(
    price: Price | None, system: float, first: float, turns: int, answer: int, reply: float
) -> float | None:
    """Upper bound of a conversation's cost: every turn is used, nothing is cached, all messages have maximum length."""
    if price is None:
        return None
    # A provider may count fewer tokens than we do, so its longest answer may have more of ours.
    grown = answer * TOKEN_MARGIN + reply + 2 * MESSAGE_TOKENS
    prompts = (system + first + 2 * MESSAGE_TOKENS + turn * grown for turn in range(turns))
    return sum(price.at_most(prompt * TOKEN_MARGIN, answer) for prompt in prompts)


def _stage(calls: float, usage: Usage, price: Price | None, most_calls: int, most_usd: float | None) -> StageCost:
    if price is None:
        return StageCost(calls, usage, None, most_calls, None)
    # Prices may depend on prompt length: every call is priced at the mean length.
    each = price.of(round(usage.prompt_tokens / max(calls, 1)))
    return StageCost(calls, usage, replace(each, tiers=()).cost(usage), most_calls, most_usd)


def _relevance(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    longest = longest_answer(settings, "scan")
    calls = prompt = completion = 0.0
    most_calls, most_usd = 0, None if price is None else 0.0
    first = DIGEST_LENGTH if measures.digests else 1.0
    for number, batches in enumerate(measures.passes):
        share = KEPT_BY_OUTLINE if number else first
        calls += share * len(batches)
        prompt += share * sum(measures.systems[RELEVANCE.name] + batch.prompt for batch in batches)
        completion += share * sum(batch.files * RELEVANCE_ANSWER for batch in batches)
        most_calls += 2 * len(batches)
        for batch in batches:
            each = upper_bound(price, measures.systems[RELEVANCE.name], batch.prompt, 2, longest, measures.repair)
            most_usd = _sum(most_usd, each)
    return _stage(calls, Usage(round(prompt), round(completion)), price, most_calls, most_usd)


def _digest(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    """Assumes that no digest is cached."""
    batches, system = measures.digests, measures.systems[DIGEST.name]
    prompt = sum(system + batch.prompt for batch in batches)
    completion = sum(batch.files for batch in batches) * DIGEST_ANSWER
    most_usd: float | None = 0.0
    for batch in batches:
        most_usd = _sum(
            most_usd, upper_bound(price, system, batch.prompt, 2, longest_answer(settings, "scan"), measures.repair)
        )
    return _stage(len(batches), Usage(prompt, completion), price, 2 * len(batches), most_usd)


def _rank(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    context = settings.context
    count = context.rankings if measures.files > 1 else 0
    listed = min(measures.files, RELEVANT_FILES) * (SUMMARY + 15)
    profile = ConversationProfile((1, 0), RANK_ANSWER, measures.users[RANK.name], 0)
    typical = Conversations(count, 1, measures.systems[RANK.name] + listed, measures.users[RANK.name], profile)
    calls, usage = typical.usage()
    system = measures.systems[RANK.name] + measures.paths + measures.files * MAX_SUMMARY
    longest = longest_answer(settings, "primary")
    each = upper_bound(price, system, measures.users[RANK.name], 2, longest, measures.users[RANK.name])
    return _stage(calls, usage, price, 2 * count, None if each is None else count * each)


def _test(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    generation, output = settings.generation, settings.sandbox.output_characters
    typical = Conversations(
        generation.samples, generation.test_turns, measures.systems[TEST.name], TEST_PROFILE.first, TEST_PROFILE
    )
    reply = measures.users[TEST.name] + output
    each = upper_bound(
        price,
        measures.systems[TEST.name],
        measures.users[TEST.name],
        generation.test_turns,
        longest_answer(settings, "writer"),
        reply,
    )
    calls, usage = typical.usage()
    samples = generation.samples
    return _stage(calls, usage, price, samples * generation.test_turns, None if each is None else samples * each)


def _edit(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    generation, output = settings.generation, settings.sandbox.output_characters
    fullest = min(settings.context.tokens, measures.source)
    typical_context = min(round(CONTEXT_SHARE * settings.context.tokens), measures.source)
    system = measures.systems[EDIT.name]
    typical = Conversations(
        generation.samples, generation.edit_turns, system + typical_context, EDIT_PROFILE.first, EDIT_PROFILE
    )
    script = longest_answer(settings, "writer") * TOKEN_MARGIN
    patch = 2 * script
    earlier = 0 if generation.diversity == "none" else generation.memory_characters
    each = upper_bound(
        price,
        system + fullest + measures.paths,
        measures.users[EDIT.name] + script + output + earlier,
        generation.edit_turns,
        longest_answer(settings, "writer"),
        measures.users[EDIT.name] + patch + 2 * output,
    )
    calls, usage = typical.usage()
    samples = generation.samples
    return _stage(calls, usage, price, samples * generation.edit_turns, None if each is None else samples * each)


def _judge(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    generation, selection = settings.generation, settings.selection
    asked: dict[ModelEvidence | None, int] = {
        add_beliefs: generation.samples,
        add_shortlist_beliefs: min(selection.candidates, generation.samples),
    }
    count = selection.judge_samples * asked.get(model_evidence_for(selection.rule), 0)
    system = measures.systems[JUDGE.name] + min(TOUCHED, measures.source)
    calls, usage = Conversations(count, 1, system, measures.users[JUDGE.name] + PATCH, JUDGE_PROFILE).usage()
    touched = min(settings.context.tokens, measures.source) + measures.paths
    patch = 2 * longest_answer(settings, "writer") * TOKEN_MARGIN
    each = upper_bound(
        price,
        measures.systems[JUDGE.name] + touched,
        measures.users[JUDGE.name] + patch,
        1,
        longest_answer(settings, "judge"),
        0,
    )
    return _stage(calls, usage, price, count, None if each is None else count * each)


def _select(measures: Measures, settings: Settings, price: Price | None, count: int) -> StageCost:
    """`count`: number of selection conversations."""
    generation, selection, output = settings.generation, settings.selection, settings.sandbox.output_characters
    finalists = min(selection.candidates, generation.samples)
    turns = selection.turns if finalists > 1 and count else 0
    prompt = min(TOUCHED, measures.source) + finalists * PATCH + TEST_PROFILE.answer
    typical = Conversations(count, turns, measures.systems[SELECT.name] + prompt, SELECT_PROFILE.first, SELECT_PROFILE)
    script = longest_answer(settings, "writer") * TOKEN_MARGIN
    touched = min(settings.context.tokens, measures.source) + measures.paths
    each = upper_bound(
        price,
        measures.systems[SELECT.name] + touched + finalists * (2 * script + BROKEN_TESTS) + script,
        measures.users[SELECT.name],
        turns,
        longest_answer(settings, "judge"),
        measures.users[SELECT.name] + (1 + finalists) * output,
    )
    calls, usage = typical.usage()
    return _stage(calls, usage, price, count * turns, None if each is None else count * each)
