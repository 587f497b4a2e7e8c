"""Estimated savings of early stopping: the policy of `selection.stopping` with rates estimated without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import Cost, StoredRun
from codemonkeys.selection.stop_policy import StopPolicy, types_of
from codemonkeys.selection.weaver import estimate, scales_of, verify
from codemonkeys.stages import PER_TRAJECTORY

GENERATION = PER_TRAJECTORY


@dataclass(frozen=True)
class Saving:
    """Effect of sampling until a verifier accepts, instead of drawing all samples."""

    verifier: str
    """The best verifier by the estimate."""
    completeness: float
    """Estimated share of correct candidates that it accepts."""
    soundness: float
    """Estimated share of incorrect candidates that it rejects."""
    drawn: float
    """Mean samples per task in this run."""
    most: int
    """Maximum samples that the policy draws if none is accepted; 0: it draws none."""
    expected: float
    """Expected samples per task under the policy, by the fitted task types."""
    replayed: float
    """Samples per task when the policy is replayed on the stored candidates in order."""
    usd: float | None
    """US dollars that the replayed policy would have saved; None if no price is known."""
    accepted: float
    """Share of tasks in which it accepts a sample; it abstains on the others."""
    score: float | None
    """Share of tasks whose accepted sample is correct; None without verdicts."""


def saving(run: StoredRun, labels: Mapping[str, Sequence[Verdict]]) -> Saving | str:
    """What the policy would have saved, or why it cannot be estimated."""
    pool = list(run.evidence.values())
    names, estimated = estimate(pool, sources=False) if pool else ([], None)
    if estimated is None:
        return "fewer than three verifiers are informative, too few to estimate any"
    rated = [
        (tpr - fpr, n)
        for n, (tpr, fpr) in enumerate(zip(estimated.tpr, estimated.fpr, strict=True))
        if tpr is not None and fpr is not None and tpr > fpr
    ]
    if not rated:
        return "no verifier is estimated to be better than chance"
    best = max(rated)[1]
    name, tpr, fpr = names[best], estimated.tpr[best], estimated.fpr[best]
    assert tpr is not None and fpr is not None
    scales = scales_of(pool, sources=False)
    accepts = {e.task: [bool(row.get(name)) for row in verify(e, False, scales)] for e in pool}
    drawn = max(len(row) for row in accepts.values())
    policy = StopPolicy(types_of([(len(row), sum(row)) for row in accepts.values()], tpr, 1 - fpr), tpr, 1 - fpr)
    most = policy.best(drawn)
    first = {task: next((k for k, taken in enumerate(row[:most]) if taken), None) for task, row in accepts.items()}
    used = {task: min(len(accepts[task]), most) if k is None else k + 1 for task, k in first.items()}
    all_samples = sum(map(len, accepts.values()))
    spent = generation_cost(run)
    drawn_samples = sum(used.values())
    graded = [task for task in accepts if task in labels and None not in labels[task]]
    right = sum(bool(labels[task][k]) for task in graded if (k := first[task]) is not None)
    return Saving(
        *(name, tpr, 1 - fpr, all_samples / len(pool), most, policy.expected_samples(drawn), drawn_samples / len(pool)),
        usd=None if spent.usd is None else spent.usd * (1 - drawn_samples / all_samples),
        accepted=sum(k is not None for k in first.values()) / len(pool),
        score=right / len(graded) if graded else None,
    )


def generation_cost(run: StoredRun) -> Cost:
    """Cost of writing tests and edits."""
    total = Cost()
    for stage in GENERATION:
        total = total.plus(run.costs.get(stage, Cost()))
    return total
