"""What stopping early would save: the policy of `selection.stopping`, fed with what is estimated without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import Cost, StoredRun
from codemonkeys.selection.stop_policy import StopPolicy, types_of
from codemonkeys.selection.weaver import estimate, verify
from codemonkeys.stages import ASKING

GENERATION = tuple(stage.name for stage in ASKING if stage.role == "writer")
"""Stages that a further sample costs."""


@dataclass(frozen=True)
class Saving:
    """Sampling until a verifier accepts, instead of drawing all samples."""

    verifier: str
    """The best one by the estimate."""
    completeness: float
    """Estimated share of right candidates that it accepts."""
    soundness: float
    """Estimated share of wrong ones that it refuses."""
    drawn: float
    """Samples of a task in this run, mean."""
    most: int
    """Samples that the policy draws at most, if none is accepted; 0: it would not begin."""
    expected: float
    """Samples of a task by the policy, as the fitted tasks have it."""
    replayed: float
    """The same, replayed on the stored candidates in their order."""
    usd: float | None
    """US dollars that the replayed policy would not have spent; None where no price is known."""
    accepted: float
    """Share of tasks with a sample that it accepts in time; of the others it abstains."""
    score: float | None
    """Share of tasks whose accepted sample is right; None without verdicts."""


def saving(run: StoredRun, labels: Mapping[str, Sequence[Verdict]]) -> Saving | str:
    """What the policy would have saved, or why that cannot be told."""
    pool = list(run.evidence.values())
    names, believed = estimate(pool, sources=False) if pool else ([], None)
    if believed is None:
        return "fewer than three verifiers tell something, so that none can be estimated"
    rated = [
        (tpr - fpr, n)
        for n, (tpr, fpr) in enumerate(zip(believed.tpr, believed.fpr, strict=True))
        if tpr is not None and fpr is not None and tpr > fpr
    ]
    if not rated:
        return "no verifier is better than chance by the estimate"
    best = max(rated)[1]
    name, tpr, fpr = names[best], believed.tpr[best], believed.fpr[best]
    assert tpr is not None and fpr is not None
    accepts = {e.task: [bool(row.get(name)) for row in verify(e, sources=False)] for e in pool}
    drawn = max(len(row) for row in accepts.values())
    policy = StopPolicy(types_of([(len(row), sum(row)) for row in accepts.values()], tpr, 1 - fpr), tpr, 1 - fpr)
    most = policy.best(drawn)
    first = {task: next((k for k, taken in enumerate(row[:most]) if taken), None) for task, row in accepts.items()}
    used = {task: min(len(accepts[task]), most) if k is None else k + 1 for task, k in first.items()}
    everything = sum(map(len, accepts.values()))
    spent = generation_cost(run)
    kept = sum(used.values())
    judged = [task for task in accepts if task in labels and None not in labels[task]]
    right = sum(bool(labels[task][k]) for task in judged if (k := first[task]) is not None)
    return Saving(
        *(name, tpr, 1 - fpr, everything / len(pool), most, policy.expected_samples(drawn), kept / len(pool)),
        usd=None if spent.usd is None else spent.usd * (1 - kept / everything),
        accepted=sum(k is not None for k in first.values()) / len(pool),
        score=right / len(judged) if judged else None,
    )


def generation_cost(run: StoredRun) -> Cost:
    """What writing tests and edits cost."""
    total = Cost()
    for stage in GENERATION:
        total = total.plus(run.costs.get(stage, Cost()))
    return total
