"""Weaver: everything that accepts or rejects candidates is a verifier, whose accuracy is estimated over all tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from codemonkeys.selection.agreement import families_of, sources_of
from codemonkeys.selection.estimate import Verifiers, estimate_verifiers
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.patch_similarity import similarities
from codemonkeys.selection.rules_base import Ranker, by_score, passed, valid_tests

ALIKE = 0.5
"""Minimum mean similarity for a source to count as accepting a candidate."""
ACCEPTED = 0.5
"""Minimum share of tests, or belief of a judge, for a candidate to count as accepted."""

VerifierVotes = dict[str, bool]
"""Votes on one candidate by verifier; verifiers without a vote are absent."""


def weaver(pool: Sequence[Evidence]) -> Ranker:
    """The candidate most likely right by its verifiers; each other source is one."""
    return _learn(pool, sources=True)


def weaver_of_families(pool: Sequence[Evidence]) -> Ranker:
    """The same, with one verifier per family, so that shared mistakes do not count twice."""
    return _learn(pool, sources=False)


def _learn(pool: Sequence[Evidence], sources: bool) -> Ranker:
    names, known = estimate(pool, sources)

    def decide(evidence: Evidence) -> Ranking:
        if known is None:
            return Ranking((), 0.0, "fewer than three informative verifiers")
        beliefs = [known.posterior([votes.get(name) for name in names]) for votes in verify(evidence, sources)]
        ranking = by_score(evidence, beliefs, 1.0, "")
        return Ranking(ranking.order, ranking.confidence, f"right with a probability of {ranking.confidence:.0%}")

    return decide


def estimate(pool: Sequence[Evidence], sources: bool = True) -> tuple[list[str], Verifiers | None]:
    """Names of the verifiers, and their estimated rates; None with fewer than three informative ones."""
    votes = [row for evidence in pool for row in verify(evidence, sources)]
    names = sorted({name for row in votes for name in row})
    return names, estimate_verifiers([[row.get(name) for name in names] for row in votes])


def verify(evidence: Evidence, sources: bool = True) -> list[VerifierVotes]:
    """Votes of the verifiers on each candidate.

    `sources`: every other source is a verifier; otherwise every other family is one.
    """
    voices = sources_of(evidence) if sources else families_of(evidence)
    rows = similarities(evidence.patches)
    sizes = Counter(evidence.classes)
    all_votes = []
    for k, own in enumerate(voices):
        votes = _tested(evidence, k)
        if evidence.scores and (score := evidence.scores[k]) is not None:
            votes["judge"] = score >= ACCEPTED
        if evidence.approved:
            votes["approved"] = evidence.approved[k]
        if len(set(voices)) == 1:
            votes["another wrote the same"] = sizes[evidence.classes[k]] > 1
        for voice in set(voices) - {own}:
            alike = [rows[k][m] for m, other in enumerate(voices) if other == voice]
            votes[f"like {voice}"] = sum(alike) >= ALIKE * len(alike)
        all_votes.append(votes)
    return all_votes


def _tested(evidence: Evidence, candidate: int) -> VerifierVotes:
    """Votes of tests on a candidate."""
    votes: VerifierVotes = {}
    own = evidence.own[candidate] if evidence.own else None
    tests = valid_tests(evidence) if evidence.edited else []
    others = [test for test in tests if test != own]
    if others:
        votes["tests of others"] = passed(evidence, candidate, others) >= ACCEPTED * len(others)
    if own is not None and own in tests:
        votes["own test"] = passed(evidence, candidate, [own]) == 1
    if evidence.breaks and (broken := evidence.breaks[candidate]) is not None:
        votes["regression tests"] = broken == 0
    return votes
