"""Whether the samples drawn for a task are enough, by its evidence: another wave, a decision, or none to be trusted."""

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
"""Under which name the journal keeps these decisions."""
TYPES = tuple(
    (0.1, chance) for chance in (0.0002, 0.0052, 0.0344, 0.1195, 0.2843, 0.5129, 0.742, 0.9042, 0.9802, 0.999)
)
"""Tasks by how often a sample for them is right: means of the tenths of Beta(0.252, 0.298), which fits the coverage of
1 to 10 samples that CodeMonkeys reports on SWE-bench Verified (arXiv 2501.14723, figure 5)."""


async def after_wave(work: Work, candidates: Sequence[Candidate], drawn: int) -> Decision:
    """What to do after so many samples; always another wave unless `selection.stop` is set."""
    settings, generation = work.settings.selection, work.settings.generation
    if not settings.stop:
        return Decision.ANOTHER_WAVE
    evidence = (await collect_evidence(work, candidates)).evidence if candidates else None
    taken = accepted(evidence) if evidence else 0
    policy = policy_of(settings)
    best = belief(policy, drawn, taken)
    wave = min(generation.wave or generation.samples, generation.samples - drawn) or 1
    decision = policy.decide(best, drawn, wave, generation.samples)
    told = {"drawn": drawn, "accepted": taken, "belief": round(best, 4), "needed": round(policy.trusted, 4)}
    await work.note(NOTES, "decision", {**told, "decision": str(decision)}, drawn)
    return decision


def policy_of(settings: SelectionSettings) -> StopPolicy:
    """The policy of a run, before it has seen a task."""
    return StopPolicy(
        types=TYPES,
        completeness=settings.accepts_right,
        soundness=settings.refuses_wrong,
        wrong=settings.wrong_worth,
        cost=settings.sample_cost,
    )


def accepted(evidence: Evidence) -> int:
    """How many candidates, equivalent ones each counted, are accepted.

    That is: most of the valid tests say that it fixes the issue, and it breaks none of the repository's own tests.
    """
    tests = valid_tests(evidence)
    return sum(
        bool(tests)
        and 2 * passed(evidence, k, tests) > len(tests)
        and not (evidence.breaks and evidence.breaks[k] != 0)
        for k in range(len(evidence.patches))
    )


def belief(policy: StopPolicy, drawn: int, taken: int) -> float:
    """How likely an accepted sample is right, or a refused one if none was accepted, after so many of either.

    Bayes over the types of tasks: a task most of whose samples are refused is likely a hard one, where also the
    accepted ones are likely wrong.
    """
    c, s = policy.completeness, policy.soundness
    weighed = right = 0.0
    for share, chance in policy.types:
        accept = c * chance + (1 - s) * (1 - chance)
        weight = share * comb(drawn, taken) * accept**taken * (1 - accept) ** (drawn - taken)
        if taken:
            right += weight * c * chance / accept
        elif accept < 1:
            right += weight * (1 - c) * chance / (1 - accept)
        weighed += weight
    return right / weighed if weighed else 0.0
