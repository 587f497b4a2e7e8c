"""Rules over answers of models: a judge, ballots, the selection conversation, a tournament."""

from __future__ import annotations

from collections import Counter

from codemonkeys.selection.evidence import Evidence, Match, Ranking
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


def tournament(evidence: Evidence) -> Ranking:
    """The candidate that no other has beaten, then those that were beaten late; ties by their share of the votes.

    Confidence is the smallest lead with which the first one won a match, as a share of its votes: 0 for a tie, or if
    others are unbeaten too.
    """
    beaten: dict[int, int] = {}
    won: Counter[int] = Counter()
    cast: Counter[int] = Counter()
    for match in evidence.matches:
        beaten |= {k: match.round for k in match.candidates if k != match.winner}
        won.update(vote for vote in match.votes if vote is not None)
        cast.update({k: len(match.votes) for k in match.candidates})
    last = max(match.round for match in evidence.matches)
    order = sorted(
        candidates(evidence),
        key=lambda k: (-beaten.get(k, last + 1), -(won[k] / cast[k] if cast[k] else 1.0), len(evidence.patches[k]), k),
    )
    unbeaten = [k for k in order if k not in beaten]
    leads = [(_lead(match), match) for match in evidence.matches if match.winner == order[0]]
    if len(unbeaten) != 1 or not leads:
        return Ranking(tuple(order), 0.0, f"one of {len(unbeaten)} that no other has beaten")
    lead, closest = min(leads, key=lambda pair: pair[0])
    votes = f"{closest.votes.count(order[0])} of {len(closest.votes)} votes"
    return Ranking(tuple(order), lead, f"won {len(leads)} match{'es' * (len(leads) > 1)}, with at least {votes}")


def _lead(match: Match) -> float:
    counts = [match.votes.count(k) for k in match.candidates if k != match.winner]
    lead = match.votes.count(match.winner) - max(counts, default=0)
    return max(0.0, lead / len(match.votes)) if match.votes else 0.0
