"""Rules over answers of models: a judge, ballots, the selection conversation."""

from __future__ import annotations

from collections import Counter

from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules_base import by_score, candidates
from codemonkeys.selection.rules_tests import votes

SHORTLIST = 3
"""Number of candidates with the most votes between which a judge decides, as in the paper."""


def judge(evidence: Evidence) -> Ranking:
    """The candidate with the highest score by a judge."""
    return _by_belief(evidence, candidates(evidence))


def votes_then_judge(evidence: Evidence) -> Ranking:
    """Of the candidates with the most votes, the one with the highest score by a judge."""
    by_votes = votes(evidence).order
    first = _by_belief(evidence, list(by_votes[:SHORTLIST]))
    return Ranking((*first.order, *by_votes[SHORTLIST:]), first.confidence, first.reason)


def _by_belief(evidence: Evidence, among: list[int]) -> Ranking:
    beliefs = [score or 0.0 for score in evidence.scores]
    ranking = by_score(evidence, beliefs, 1.0, "", among)
    return Ranking(ranking.order, ranking.confidence, f"the judge believes in it by {ranking.confidence:.0%}")


def conversation(evidence: Evidence) -> Ranking:
    """The choice of the selection conversation; abstains if that chose none."""
    chosen = evidence.conversation[0]
    if chosen is None:
        return Ranking((), 0.0, "the selection conversation chose none")
    return Ranking((evidence.classes[chosen],), 1.0, "chosen in the selection conversation")


def ballots(evidence: Evidence) -> Ranking:
    """The choice with the most ballots, counted until one has more than half of all; ties go to the one chosen first.

    Confidence is the lead over the runner-up as a share of the ballots counted: 0 for a tie.
    """
    counts: Counter[int | None] = Counter()
    for ballot in evidence.ballots:
        counts[None if ballot is None else evidence.classes[ballot]] += 1
        if 2 * max(counts.values()) > len(evidence.ballots):
            break
    (best, most), *others = counts.most_common()
    lead = (most - (others[0][1] if others else 0)) / counts.total()
    if best is None:
        return Ranking((), lead, f"{most} of {counts.total()} ballots are for none")
    order = [choice for choice, _ in counts.most_common() if choice is not None]
    return Ranking(tuple(order), lead, f"{most} of {counts.total()} ballots")
