"""What a task may cost, by stage: what is to be expected, and what it cannot exceed.

Expected conversations are those of the CodeMonkeys paper (arXiv 2501.14723): its Table 1 gives, for 10 samples of 8
turns on 500 tasks, dollars by stage and kind of token, from which follow the tokens of a trajectory; its Figure 5 how
many trajectories go on after each turn. `tests/planning` holds the check that these numbers give that table again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from codemonkeys.engine.calls import MESSAGE_TOKENS, TOKEN_MARGIN
from codemonkeys.models.base import Price, Usage
from codemonkeys.planning.measures import Measures
from codemonkeys.settings import Settings
from codemonkeys.stages import BALLOT, DIGEST, EDIT, JUDGE, RANK, RELEVANCE, SELECT, TEST


@dataclass(frozen=True)
class Talk:
    """A usual conversation of a stage, in tokens."""

    going_on: tuple[float, ...]
    """Which share of conversations makes its first, second, ... call; the last holds for all later ones."""
    answer: int
    first: int
    """Of the first message of a sample, beside what the templates say."""
    reply: int
    """Of a message that tells what an execution did."""

    def share(self, turn: int) -> float:
        """Which share of conversations makes a call at a turn, from 0."""
        return self.going_on[min(turn, len(self.going_on) - 1)]


EDIT_TALK = Talk((1, 1, 0.83, 0.66, 0.57, 0.51, 0.46, 0.41), answer=870, first=1_500, reply=1_300)
TEST_TALK = Talk((1, 1, 0.65, 0.45, 0.32, 0.24, 0.19, 0.15), answer=985, first=100, reply=900)
SELECT_TALK = Talk((1, 1, 1, 1, 0.5, 0.3, 0.1, 0.1, 0, 0), answer=1_360, first=100, reply=2_300)
RANK_ANSWER = 530
CONTEXT_SHARE = 74_570 / 128_000
"""How full the context is on average."""
RELEVANT_FILES = 46
"""Files that relevance keeps, and the ranking is shown."""
SUMMARY = 50
SUMMARY_MOST = 200
"""The longest summary of a file that an upper bound allows for."""
RELEVANCE_ANSWER = 30
"""For each file: 22 to 32 tokens in recorded conversations."""
KEPT_BY_OUTLINE = 0.1
"""Share of files whose outline does not rule them out."""
DIGEST_LENGTH = 0.1
"""Tokens of a digest for each token of its outline; measured by `benchmarks/context_tokens.py`."""
DIGEST_ANSWER = 70
"""For each file: 50 words."""
TOUCHED = 16_000
"""The files that the candidates touch."""
PATCH = 600
BROKEN_TESTS = 1_000
"""The list of the repository's tests that a candidate breaks: ten at most."""
JUDGE_TALK = Talk((1,), answer=700, first=PATCH, reply=0)
PAPER_SOURCE = 2_940_000
"""Tokens of a task's source files, where its codebase is not at hand and no other is."""


@dataclass(frozen=True)
class StageCost:
    """What a stage of one task or of many comes to. Tokens and calls are expected ones."""

    calls: float = 0.0
    usage: Usage = Usage()
    expected_usd: float | None = 0.0
    """None where nobody knows the price."""
    most_calls: int = 0
    most_usd: float | None = 0.0

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
    """Equal conversations that share a system message, of which all but the first read it from the cache."""

    count: int
    turns: int
    system: int
    first: int
    talk: Talk

    def usage(self) -> tuple[float, Usage]:
        """Expected calls, and their tokens."""
        if not self.count or not self.turns:
            return 0.0, Usage()
        shares = [self.talk.share(turn) for turn in range(self.turns)]
        grown = self.talk.answer + self.talk.reply
        calls = self.count * sum(shares)
        # Every call reads what the one before it wrote: the system message, and all but the newest messages.
        read = sum(
            share * (self.system + (self.first + (turn - 1) * grown if turn else 0))
            for turn, share in enumerate(shares)
        )
        written = self.first + sum(shares[1:]) * grown
        cache_read = round(self.count * read - self.system)
        cache_write = round(self.count * written + self.system)
        return calls, Usage(cache_read + cache_write, round(calls * self.talk.answer), cache_read, cache_write)


def costs(measures: Measures, settings: Settings, primary: Price | None, scan: Price | None) -> dict[str, StageCost]:
    """Every stage of a task."""
    rule = settings.selection.rule
    return {
        DIGEST.name: _digest(measures, settings, scan),
        RELEVANCE.name: _relevance(measures, settings, scan),
        RANK.name: _rank(measures, settings, primary),
        TEST.name: _test(measures, settings, primary),
        EDIT.name: _edit(measures, settings, primary),
        JUDGE.name: _judge(measures, settings, primary),
        BALLOT.name: _select(measures, settings, primary, settings.selection.ballots if rule == "ballots" else 0),
        SELECT.name: _select(measures, settings, primary, int(rule == "conversation")),
    }


def most(price: Price | None, system: float, first: float, turns: int, answer: int, reply: float) -> float | None:
    """The most that a conversation can cost: every turn is made, nothing is cached, all is as long as it may be."""
    if price is None:
        return None
    # A provider may count fewer tokens than we do, so an answer of its longest may be more of ours.
    grown = answer * TOKEN_MARGIN + reply + 2 * MESSAGE_TOKENS
    prompts = (system + first + 2 * MESSAGE_TOKENS + turn * grown for turn in range(turns))
    return sum(price.at_most(prompt * TOKEN_MARGIN, answer) for prompt in prompts)


def _stage(calls: float, usage: Usage, price: Price | None, most_calls: int, most_usd: float | None) -> StageCost:
    if price is None:
        return StageCost(calls, usage, None, most_calls, None)
    # Prices may depend on the length of a prompt: each call is priced as an average one.
    each = price.of(round(usage.prompt_tokens / max(calls, 1)))
    return StageCost(calls, usage, replace(each, tiers=()).cost(usage), most_calls, most_usd)


def _relevance(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    longest = settings.context.max_tokens
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
            each = most(price, measures.systems[RELEVANCE.name], batch.prompt, 2, longest, measures.repair)
            most_usd = _sum(most_usd, each)
    return _stage(calls, Usage(round(prompt), round(completion)), price, most_calls, most_usd)


def _digest(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    """All digests made anew; those that an earlier task has left cost nothing."""
    batches, system = measures.digests, measures.systems[DIGEST.name]
    prompt = sum(system + batch.prompt for batch in batches)
    completion = sum(batch.files for batch in batches) * DIGEST_ANSWER
    most_usd: float | None = 0.0
    for batch in batches:
        most_usd = _sum(most_usd, most(price, system, batch.prompt, 2, settings.context.max_tokens, measures.repair))
    return _stage(len(batches), Usage(prompt, completion), price, 2 * len(batches), most_usd)


def _rank(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    context = settings.context
    count = context.rankings if measures.files > 1 else 0
    listed = min(measures.files, RELEVANT_FILES) * (SUMMARY + 15)
    talk = Talk((1, 0), RANK_ANSWER, measures.users[RANK.name], 0)
    usual = Conversations(count, 1, measures.systems[RANK.name] + listed, measures.users[RANK.name], talk)
    calls, usage = usual.usage()
    system = measures.systems[RANK.name] + measures.paths + measures.files * SUMMARY_MOST
    each = most(price, system, measures.users[RANK.name], 2, context.max_tokens, measures.users[RANK.name])
    return _stage(calls, usage, price, 2 * count, None if each is None else count * each)


def _test(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    generation, output = settings.generation, settings.sandbox.output_characters
    usual = Conversations(
        generation.samples, generation.test_turns, measures.systems[TEST.name], TEST_TALK.first, TEST_TALK
    )
    reply = measures.users[TEST.name] + output
    each = most(
        price,
        measures.systems[TEST.name],
        measures.users[TEST.name],
        generation.test_turns,
        generation.max_tokens,
        reply,
    )
    calls, usage = usual.usage()
    samples = generation.samples
    return _stage(calls, usage, price, samples * generation.test_turns, None if each is None else samples * each)


def _edit(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    generation, output = settings.generation, settings.sandbox.output_characters
    fullest = min(settings.context.tokens, measures.source)
    usual_context = min(round(CONTEXT_SHARE * settings.context.tokens), measures.source)
    system = measures.systems[EDIT.name]
    usual = Conversations(generation.samples, generation.edit_turns, system + usual_context, EDIT_TALK.first, EDIT_TALK)
    script = generation.max_tokens * TOKEN_MARGIN
    patch = 2 * script
    earlier = 0 if generation.diversity == "none" else generation.memory_characters
    each = most(
        price,
        system + fullest + measures.paths,
        measures.users[EDIT.name] + script + output + earlier,
        generation.edit_turns,
        generation.max_tokens,
        measures.users[EDIT.name] + patch + 2 * output,
    )
    calls, usage = usual.usage()
    samples = generation.samples
    return _stage(calls, usage, price, samples * generation.edit_turns, None if each is None else samples * each)


def _judge(measures: Measures, settings: Settings, price: Price | None) -> StageCost:
    generation, selection = settings.generation, settings.selection
    asked = {"judge": generation.samples, "top judge": min(selection.candidates, generation.samples)}
    count = selection.judge_samples * asked.get(selection.rule, 0)
    system = measures.systems[JUDGE.name] + min(TOUCHED, measures.source)
    calls, usage = Conversations(count, 1, system, measures.users[JUDGE.name] + PATCH, JUDGE_TALK).usage()
    touched = min(settings.context.tokens, measures.source) + measures.paths
    patch = 2 * generation.max_tokens * TOKEN_MARGIN
    each = most(
        price, measures.systems[JUDGE.name] + touched, measures.users[JUDGE.name] + patch, 1, selection.max_tokens, 0
    )
    return _stage(calls, usage, price, count, None if each is None else count * each)


def _select(measures: Measures, settings: Settings, price: Price | None, count: int) -> StageCost:
    """So many selection conversations."""
    generation, selection, output = settings.generation, settings.selection, settings.sandbox.output_characters
    finalists = min(selection.candidates, generation.samples)
    turns = selection.turns if finalists > 1 and count else 0
    shown = min(TOUCHED, measures.source) + finalists * PATCH + TEST_TALK.answer
    usual = Conversations(count, turns, measures.systems[SELECT.name] + shown, SELECT_TALK.first, SELECT_TALK)
    script = generation.max_tokens * TOKEN_MARGIN
    touched = min(settings.context.tokens, measures.source) + measures.paths
    each = most(
        price,
        measures.systems[SELECT.name] + touched + finalists * (2 * script + BROKEN_TESTS) + script,
        measures.users[SELECT.name],
        turns,
        selection.max_tokens,
        measures.users[SELECT.name] + (1 + finalists) * output,
    )
    calls, usage = usual.usage()
    return _stage(calls, usage, price, count * turns, None if each is None else count * each)
