"""Stop decision after each wave, by the evidence so far: draw another wave, select, or abstain."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.selection.collect_evidence import collect_evidence
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules_base import passed, valid_tests
from codemonkeys.selection.stop_policy import Decision, StopPolicy
from codemonkeys.settings import SelectionSettings

NOTES = "enough"
"""Stage name of these decisions in the journal's notes."""
TYPES = tuple(
    (0.1, chance) for chance in (0.0002, 0.0052, 0.0344, 0.1195, 0.2843, 0.5129, 0.742, 0.9042, 0.9802, 0.999)
)
"""Prior over tasks as (weight, probability that a sample is right): decile means of Beta(0.252, 0.298), fitted to the
coverage of 1 to 10 samples that CodeMonkeys reports on SWE-bench Verified (arXiv 2501.14723, figure 5)."""


async def after_wave(work: Work, candidates: Sequence[Candidate], drawn: int) -> Decision:
    """What to do after `drawn` samples; always another wave unless `selection.stop` is set."""
    settings, generation = work.settings.selection, work.settings.generation
    if not settings.stop:
        return Decision.ANOTHER_WAVE
    evidence = (await collect_evidence(work, candidates)).evidence if candidates else None
    accepted = count_accepted(evidence) if evidence else 0
    policy = policy_of(settings)
    best = belief(policy, drawn, accepted)
    wave = min(generation.wave or generation.samples, generation.samples - drawn) or 1
    decision = policy.decide(best, drawn, wave, generation.samples)
    note = {"drawn": drawn, "accepted": accepted, "belief": round(best, 4), "needed": round(policy.trusted, 4)}
    await work.note(NOTES, "decision", {**note, "decision": str(decision)}, drawn)
    return decision


def policy_of(settings: SelectionSettings) -> StopPolicy:
    """The stop policy for a run's settings."""
    return StopPolicy(
        types=TYPES,
        completeness=settings.accepts_right,
        soundness=settings.refuses_wrong,
        wrong=settings.wrong_worth,
        cost=settings.sample_cost,
    )


def count_accepted(evidence: Evidence) -> int:
    """Number of accepted candidates, duplicates included.

    Accepted: passes more than half of the valid tests, and breaks none of the repository's own tests.
    """
    tests = valid_tests(evidence)
    return sum(
        bool(tests)
        and 2 * passed(evidence, k, tests) > len(tests)
        and not (evidence.breaks and evidence.breaks[k] != 0)
        for k in range(len(evidence.patches))
    )


def belief(policy: StopPolicy, drawn: int, accepted: int) -> float:
    """Probability that an accepted sample is right (a rejected one if none was accepted), given both counts.

    Bayesian over task types: if most samples of a task are rejected, the task is likely hard and its accepted samples
    are likely wrong too.
    """
    c, s = policy.completeness, policy.soundness
    total = right = 0.0
    for share, chance in policy.types:
        accept = c * chance + (1 - s) * (1 - chance)
        weight = share * comb(drawn, accepted) * accept**accepted * (1 - accept) ** (drawn - accepted)
        if accepted:
            right += weight * c * chance / accept
        elif accept < 1:
            right += weight * (1 - c) * chance / (1 - accept)
        total += weight
    return right / total if total else 0.0
