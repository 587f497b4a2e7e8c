"""Weaver: everything that accepts or rejects candidates is a verifier, whose accuracy is estimated over all tasks.

Arxiv 2506.18203. Scores are normalised over all tasks before they become votes; verifiers that err together count once,
and those that say the same of nearly all are left out (`estimate`); tasks are estimated apart by difficulty where there
are enough of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from types import MappingProxyType

from codemonkeys.selection.agreement import families_of, sources_of
from codemonkeys.selection.estimate import Verifiers, estimate_verifiers
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.patch_similarity import similarities
from codemonkeys.selection.rules_base import Ranker, by_score, passed, valid_tests

ACCEPTED = 0.5
"""Minimum score for a candidate to count as accepted, from 0 to 1 between the lowest and the highest of a verifier."""
MOST_CLUSTERS, CANDIDATES_OF_CLUSTER = 3, 300
"""Clusters of tasks at most, and candidates that each needs: with fewer, rates are too uncertain to tell them apart."""
OTHERS = "tests of others"

VerifierVotes = dict[str, bool]
"""Votes on one candidate by verifier; verifiers without a vote are absent."""
Scales = Mapping[str, tuple[float, float]]
"""Lowest and highest score of each verifier over all tasks."""
UNSCALED: Scales = MappingProxyType({})


def weaver(pool: Sequence[Evidence]) -> Ranker:
    """The candidate most likely right by its verifiers; each other source is one."""
    return _learn(pool, sources=True)


def weaver_of_families(pool: Sequence[Evidence]) -> Ranker:
    """The same, with one verifier per family, so that shared mistakes do not count twice."""
    return _learn(pool, sources=False)


def _learn(pool: Sequence[Evidence], sources: bool) -> Ranker:
    names, whole = estimate(pool, sources)
    scales, bounds = scales_of(pool, sources), bounds_of(pool)
    clusters: list[list[Evidence]] = [[] for _ in range(len(bounds) + 1)]
    for evidence in pool:
        clusters[bisect_left(bounds, easiness(evidence))].append(evidence)
    known = [_estimate(names, of_it, sources, scales) or whole for of_it in clusters] if bounds else [whole]

    def decide(evidence: Evidence) -> Ranking:
        verifiers = known[bisect_left(bounds, easiness(evidence))]
        if verifiers is None:
            return Ranking((), 0.0, "fewer than three informative verifiers")
        votes = verify(evidence, sources, scales)
        beliefs = [verifiers.posterior([row.get(name) for name in names]) for row in votes]
        ranking = by_score(evidence, beliefs, 1.0, "")
        return Ranking(ranking.order, ranking.confidence, f"right with a probability of {ranking.confidence:.0%}")

    return decide


def estimate(pool: Sequence[Evidence], sources: bool = True) -> tuple[list[str], Verifiers | None]:
    """Names of the verifiers, and their estimated rates over all tasks; None with fewer than three informative ones."""
    scales = scales_of(pool, sources)
    return sorted(scales), _estimate(sorted(scales), pool, sources, scales)


def _estimate(names: Sequence[str], pool: Sequence[Evidence], sources: bool, scales: Scales) -> Verifiers | None:
    votes = [row for evidence in pool for row in verify(evidence, sources, scales)]
    return estimate_verifiers([[row.get(name) for name in names] for row in votes])


def scales_of(pool: Sequence[Evidence], sources: bool = True) -> Scales:
    """The lowest and the highest score of each verifier over all candidates of all tasks."""
    scores: dict[str, list[float]] = {}
    for evidence in pool:
        for row in score_all(evidence, sources):
            for name, score in row.items():
                scores.setdefault(name, []).append(score)
    return {name: (min(of_it), max(of_it)) for name, of_it in scores.items()}


def easiness(evidence: Evidence) -> float:
    """How easy a task looks, from 0 to 1: the share of others' tests that its candidates pass.

    Where no tests ran, how few different candidates there are.
    """
    tested = (_tested(evidence, k) for k in range(len(evidence.patches)))
    found = [scores[OTHERS] for scores in tested if OTHERS in scores]
    return fmean(found) if found else 1.0 - len(set(evidence.classes)) / max(1, len(evidence.classes))


def bounds_of(pool: Sequence[Evidence]) -> list[float]:
    """Values of easiness that divide tasks into clusters of about equal size; none for too few candidates."""
    count = min(MOST_CLUSTERS, sum(len(evidence.patches) for evidence in pool) // CANDIDATES_OF_CLUSTER)
    found = sorted(map(easiness, pool))
    return sorted({found[len(found) * n // count - 1] for n in range(1, count)} - {found[-1]}) if found else []


def verify(evidence: Evidence, sources: bool = True, scales: Scales = UNSCALED) -> list[VerifierVotes]:
    """Votes of the verifiers on each candidate.

    `sources`: every other source is a verifier; otherwise every other family is one. `scales`: of scores; by default
    they count as they are.
    """

    def accepts(name: str, score: float) -> bool:
        low, high = scales.get(name, (0.0, 1.0))
        return score >= (low + ACCEPTED * (high - low) if high > low else ACCEPTED)

    return [{name: accepts(name, score) for name, score in row.items()} for row in score_all(evidence, sources)]


def score_all(evidence: Evidence, sources: bool = True) -> list[dict[str, float]]:
    """Scores of the verifiers on each candidate, from 0 to 1; those without one are absent."""
    voices = sources_of(evidence) if sources else families_of(evidence)
    rows = similarities(evidence.patches)
    sizes = Counter(evidence.classes)
    all_scores = []
    for k, own in enumerate(voices):
        scores = _tested(evidence, k)
        if evidence.scores and (score := evidence.scores[k]) is not None:
            scores["judge"] = score
        if evidence.approved:
            scores["approved"] = float(evidence.approved[k])
        if len(set(voices)) == 1:
            scores["another wrote the same"] = float(sizes[evidence.classes[k]] > 1)
        for voice in set(voices) - {own}:
            scores[f"like {voice}"] = fmean(rows[k][m] for m, other in enumerate(voices) if other == voice)
        all_scores.append(scores)
    return all_scores


def _tested(evidence: Evidence, candidate: int) -> dict[str, float]:
    """Scores of a candidate by tests."""
    scores: dict[str, float] = {}
    own = evidence.own[candidate] if evidence.own else None
    tests = valid_tests(evidence) if evidence.edited else []
    others = [test for test in tests if test != own]
    if others:
        scores[OTHERS] = passed(evidence, candidate, others) / len(others)
    if own is not None and own in tests:
        scores["own test"] = float(passed(evidence, candidate, [own]))
    if evidence.breaks and (broken := evidence.breaks[candidate]) is not None:
        scores["regression tests"] = float(broken == 0)
    return scores
