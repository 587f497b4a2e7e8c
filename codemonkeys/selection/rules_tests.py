"""Rules that count test results."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate

from codemonkeys.selection.agreement import support
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules_base import (
    by_score,
    candidates,
    discriminating_tests,
    least_broken,
    members,
    passed,
    valid_tests,
)

KEPT_SHARE = 0.2
"""Minimum share of candidates with the same behaviour for it to count: alpha of Best-of-Majority, our choice."""


def paper_votes(evidence: Evidence) -> Ranking:
    """Every test that passes on a candidate is a vote for it, whatever its result on the unedited code."""
    return _by_votes(evidence, list(range(len(evidence.original))))


def votes(evidence: Evidence) -> Ranking:
    """Votes of the tests that reproduce the issue and discriminate between candidates."""
    return _by_votes(evidence, discriminating_tests(evidence))


def _by_votes(evidence: Evidence, tests: list[int]) -> Ranking:
    counts = [float(passed(evidence, k, tests)) for k in range(len(evidence.patches))]
    ranking = by_score(evidence, counts, len(tests), "")
    best = int(counts[ranking.order[0]])
    reason = f"{best} of {len(tests)} tests vote for it" if tests else "no test tells the candidates apart"
    return Ranking(ranking.order, ranking.confidence, reason)


def votes_without_own(evidence: Evidence) -> Ranking:
    """Share of votes by valid tests that were not written together with the candidate or an equivalent one."""
    tests = valid_tests(evidence)
    shares = [0.0] * len(evidence.patches)
    for first, same in members(evidence).items():
        own = {evidence.own[k] for k in same} if evidence.own else set()
        others = [test for test in tests if test not in own]
        shares[first] = passed(evidence, first, others) / len(others) if others else 0.0
    ranking = by_score(evidence, shares, 1.0, "")
    return Ranking(ranking.order, ranking.confidence, f"{ranking.confidence:.0%} of the others' tests vote for it")


def dual_agreement(evidence: Evidence) -> Ranking:
    """Candidates that pass the same valid tests form a set, scored by its size times the number of these tests."""
    tests = valid_tests(evidence)
    signatures = [tuple(t for t in tests if passed(evidence, k, [t])) for k in range(len(evidence.patches))]
    sizes = Counter(signatures)
    scores = [float(sizes[signature] * len(signature)) for signature in signatures]
    ranking = by_score(evidence, scores, len(scores) * len(tests), "")
    best = signatures[ranking.order[0]]
    return Ranking(ranking.order, ranking.confidence, f"{sizes[best]} candidates pass the same {len(best)} tests")


def agentless(evidence: Evidence) -> Ranking:
    """Fewest regressions, then passing most valid tests, if any does; then the largest class, then the earliest."""
    kept = least_broken(evidence, candidates(evidence))
    tests = valid_tests(evidence) if evidence.edited else []
    reproducing = [k for k in kept if tests and 2 * passed(evidence, k, tests) > len(tests)]
    sizes = Counter(evidence.classes)
    order = sorted(candidates(evidence), key=lambda k: (k not in kept, k not in reproducing, -sizes[k], k))
    reason = "least broken and passing" if reproducing else "least broken"
    return Ranking(tuple(order), sizes[order[0]] / len(evidence.patches), f"{reason}, {sizes[order[0]]} times written")


def hybrid(evidence: Evidence) -> Ranking:
    """The best half by the judge, at least three; of them the fewest regressions, then valid tests, then the judge.

    Half of the samples, as R2E-Gym has it: a candidate that several wrote takes as many places. Half of the distinct
    candidates in tasks that were judged so.
    """
    scores = [score or 0.0 for score in evidence.scores]
    if not evidence.by_samples:
        return _hybrid(evidence, scores)
    same = members(evidence)
    return _hybrid(evidence, scores, {k: len(same[k]) for k in candidates(evidence)})


def agreement_then_tests(evidence: Evidence) -> Ranking:
    """The same, with agreement between patches in place of a judge."""
    return _hybrid(evidence, support(evidence, {}))


def tests_then_agreement(evidence: Evidence) -> Ranking:
    """Most valid votes, then the fewest regressions, then most similar to the others.

    Regression tests only break ties, as some of what they report as broken is what the issue wants changed.
    """
    if not any(evidence.edited) and all(count is None for count in evidence.breaks):
        return Ranking((), 0.0, "no test ran")
    tests = discriminating_tests(evidence) if evidence.edited else []
    scores = support(evidence, {})
    worst = evidence.regressions + 1
    broken = [worst if count is None else count for count in evidence.breaks] or [0] * len(scores)
    order = sorted(candidates(evidence), key=lambda k: (-passed(evidence, k, tests), broken[k], -scores[k], k))
    votes = passed(evidence, order[0], tests)
    share = votes / len(tests) if tests else scores[order[0]] / (len(scores) + 1)
    return Ranking(tuple(order), min(share, 1.0), f"{votes} of {len(tests)} votes, breaks {broken[order[0]]}")


def _hybrid(evidence: Evidence, scores: list[float], places: Mapping[int, int] | None = None) -> Ranking:
    """`places`: how many of the best half each candidate takes; one each if None."""
    by_scores = by_score(evidence, scores, 1.0, "").order
    taken = list(accumulate((places or dict.fromkeys(by_scores, 1))[k] for k in by_scores))
    half = max(3, taken[-1] // 2)
    kept = by_scores[: bisect_left(taken, half) + 1]
    least = least_broken(evidence, kept)
    tests = valid_tests(evidence)
    order = sorted(kept, key=lambda k: (k not in least, -passed(evidence, k, tests), -scores[k], k))
    rest = [k for k in by_scores if k not in kept]
    votes = passed(evidence, order[0], tests)
    share = votes / len(tests) if tests else 0.0
    return Ranking((*order, *rest), share, f"of the first {len(kept)} least broken, with {votes} of {len(tests)} votes")


def best_of_majority(evidence: Evidence) -> Ranking:
    """Among behaviours that enough candidates share, the most valid votes; then the judge, if asked."""
    tests = valid_tests(evidence)
    behaviours = behaviour_classes(evidence)
    sizes = Counter(behaviours)
    enough = max(2, math.ceil(KEPT_SHARE * len(behaviours)))
    judged = [score or 0.0 for score in evidence.scores] or [0.0] * len(behaviours)

    def key(k: int) -> tuple[float, ...]:
        rare = sizes[behaviours[k]] < enough
        return rare, -passed(evidence, k, tests), -judged[k], len(evidence.patches[k]), k

    order = sorted(candidates(evidence), key=key)
    best = sizes[behaviours[order[0]]]
    return Ranking(tuple(order), best / len(behaviours), f"{best} candidates behave like it")


def behaviour_clusters(evidence: Evidence) -> Ranking:
    """Candidates that pass most valid scripts, by how many behave alike: one of each behaviour first, then the others.

    Ties: most valid votes, then the fewest regressions, then most similar to the others. Without scripts: as
    `tests_then_agreement`.
    """
    if not any(evidence.edited):
        return tests_then_agreement(evidence)
    tests, behaviours = valid_tests(evidence), behaviour_classes(evidence)
    sizes = Counter(behaviours)
    similarity = support(evidence, {})
    worst = evidence.regressions + 1
    broken = [worst if count is None else count for count in evidence.breaks] or [0] * len(behaviours)

    def key(k: int) -> tuple[float, ...]:
        votes = passed(evidence, k, tests)
        return 2 * votes <= len(tests), -sizes[behaviours[k]], -votes, broken[k], -similarity[k], k

    seen = Counter[int]()
    turns: dict[int, tuple[bool, int]] = {}
    by_size = sorted(candidates(evidence), key=key)
    for k in by_size:
        turns[k] = bool(key(k)[0]), seen[behaviours[k]]
        seen[behaviours[k]] += 1
    order = sorted(by_size, key=turns.__getitem__)
    best, votes = sizes[behaviours[order[0]]], passed(evidence, order[0], tests)
    reason = f"{best} candidates behave like it, with {votes} of {len(tests)} votes"
    return Ranking(tuple(order), best / len(behaviours), reason)


def behaviour_classes(evidence: Evidence) -> tuple[int, ...]:
    """For each candidate the first with the same behaviour: equivalent, or equal in all test results and regressions.

    Without results for a candidate, only equivalence counts.
    """
    first: dict[object, int] = {}
    found: list[int] = []
    for k, same in enumerate(evidence.classes):
        outcomes = evidence.edited[k] if evidence.edited else ()
        breaks = evidence.breaks[k] if evidence.breaks else None
        unknown = not outcomes or (evidence.regressions > 0 and breaks is None)
        behaviour: object = same if unknown else (outcomes, breaks)
        found.append(found[same] if same < k else first.setdefault(behaviour, k))
    return tuple(found)
