"""Weaver: everything that accepts or refuses candidates is a verifier; how good it is, is estimated from all tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from codemonkeys.selection.agreement import families_of, sources_of
from codemonkeys.selection.estimate import Verifiers, estimate_verifiers
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.patch_similarity import similarities
from codemonkeys.selection.rules_base import Ranker, by_score, passed, valid_tests

ALIKE = 0.5
"""Likeness from which on a source is taken to say the same as a candidate."""
ACCEPTED = 0.5
"""Share of tests, or belief of a judge, from which on a candidate counts as accepted."""

Judged = dict[str, bool]
"""What each verifier says of one candidate; a verifier that says nothing is not here."""


def weaver(pool: Sequence[Evidence]) -> Ranker:
    """The candidate that is most likely right by its verifiers; each other source is one."""
    return _learn(pool, sources=True)


def weaver_of_families(pool: Sequence[Evidence]) -> Ranker:
    """The same; sources of one family are one verifier, so that their shared mistakes are not counted twice."""
    return _learn(pool, sources=False)


def _learn(pool: Sequence[Evidence], sources: bool) -> Ranker:
    names, known = estimate(pool, sources)

    def decide(evidence: Evidence) -> Ranking:
        if known is None:
            return Ranking((), 0.0, "fewer than three verifiers that tell something")
        beliefs = [known.posterior([judged.get(name) for name in names]) for judged in verify(evidence, sources)]
        ranking = by_score(evidence, beliefs, 1.0, "")
        return Ranking(ranking.order, ranking.confidence, f"right with a probability of {ranking.confidence:.0%}")

    return decide


def estimate(pool: Sequence[Evidence], sources: bool = True) -> tuple[list[str], Verifiers | None]:
    """The verifiers by name, and what is believed of them; None if there are fewer than three that tell something."""
    judged = [row for evidence in pool for row in verify(evidence, sources)]
    names = sorted({name for row in judged for name in row})
    return names, estimate_verifiers([[row.get(name) for name in names] for row in judged])


def verify(evidence: Evidence, sources: bool = True) -> list[Judged]:
    """What the verifiers say of each candidate.

    `sources`: each other source is a verifier of its own; otherwise each other family is one.
    """
    voices = sources_of(evidence) if sources else families_of(evidence)
    rows = similarities(evidence.patches)
    sizes = Counter(evidence.classes)
    found = []
    for k, own in enumerate(voices):
        said = _tested(evidence, k)
        if evidence.scores and (score := evidence.scores[k]) is not None:
            said["judge"] = score >= ACCEPTED
        if evidence.approved:
            said["approved"] = evidence.approved[k]
        if len(set(voices)) == 1:
            said["another wrote the same"] = sizes[evidence.classes[k]] > 1
        for voice in set(voices) - {own}:
            alike = [rows[k][m] for m, other in enumerate(voices) if other == voice]
            said[f"like {voice}"] = sum(alike) >= ALIKE * len(alike)
        found.append(said)
    return found


def _tested(evidence: Evidence, candidate: int) -> Judged:
    """What tests say of a candidate."""
    said: Judged = {}
    own = evidence.own[candidate] if evidence.own else None
    tests = valid_tests(evidence) if evidence.edited else []
    others = [test for test in tests if test != own]
    if others:
        said["tests of others"] = passed(evidence, candidate, others) >= ACCEPTED * len(others)
    if own is not None and own in tests:
        said["own test"] = passed(evidence, candidate, [own]) == 1
    if evidence.breaks and (broken := evidence.breaks[candidate]) is not None:
        said["regression tests"] = broken == 0
    return said
