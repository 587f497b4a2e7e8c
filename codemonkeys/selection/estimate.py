"""How good verifiers are, estimated from their votes alone. Weaver, arXiv 2506.18203, with a closed form of our own.

Verifiers vote 0 or 1 on candidates, independently of each other once it is given whether the candidate is right. Then
with Youden indexes J = TPR - FPR, share p of right candidates and deviations d from each verifier's mean

    Cov(i, j) = J_i J_j p (1-p)        E[d_i d_j d_k] / sqrt(C_ij C_ik C_jk) = (1-2p) / sqrt(p (1-p))

from which J and p follow by medians over pairs and triples, up to the assumption that most verifiers are better than
chance. Expectation maximisation (Dawid and Skene 1979) refines what the moments give: on simulated verifiers it is the
more exact, and a few imagined candidates of usual verifiers keep it steady where there are few real ones.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Votes = Sequence[Sequence[bool | None]]
"""For each candidate one vote of each verifier; None where it has none."""

IMAGINED = 10.0
"""Right candidates, and wrong ones, that are imagined to have been judged by usual verifiers."""
USUAL = (0.65, 0.35)
"""TPR and FPR of a usual verifier."""
ROUNDS = 100


@dataclass(frozen=True)
class Verifiers:
    """What is believed of some verifiers."""

    share: float
    """Of candidates that are right."""
    tpr: tuple[float | None, ...]
    """For each verifier how often it accepts a right candidate; None for one that is left out, as it tells nothing."""
    fpr: tuple[float | None, ...]
    """How often it accepts a wrong one."""

    def posterior(self, votes: Sequence[bool | None]) -> float:
        """How likely a candidate with these votes is right, from 0 to 1."""
        logit = math.log(self.share / (1 - self.share))
        for vote, tpr, fpr in zip(votes, self.tpr, self.fpr, strict=True):
            if vote is not None and tpr is not None and fpr is not None:
                logit += math.log(tpr / fpr) if vote else math.log((1 - tpr) / (1 - fpr))
        return 1 / (1 + math.exp(-logit))


def estimate_verifiers(votes: Votes, refine: bool = True) -> Verifiers | None:
    """The verifiers' rates and the share of right candidates, without a label; None with fewer than three of use.

    `votes`: pooled over tasks, at least a few hundred if the rates are to be believed to a twentieth.
    `refine`: go on by expectation maximisation from the closed form.
    """
    import numpy as np

    table = np.array([[np.nan if vote is None else float(vote) for vote in row] for row in votes], dtype=float)
    used = _of_use(table) if table.ndim == 2 else []
    if len(used) < 3:
        return None
    table = table[:, used]
    share, indexes = closed_form(table)
    means = np.nanmean(table, axis=0)
    fpr = np.clip(means - indexes * share, 0.01, 0.99)
    tpr = np.clip(fpr + indexes, 0.01, 0.99)
    if refine:
        share, tpr, fpr = _maximised(table, share, tpr, fpr)
    rates = {column: (float(tpr[n]), float(fpr[n])) for n, column in enumerate(used)}
    found = [rates.get(column, (None, None)) for column in range(len(votes[0]))]
    return Verifiers(share, tuple(rate[0] for rate in found), tuple(rate[1] for rate in found))


def _of_use(table: NDArray[Any]) -> list[int]:
    """Verifiers that tell something, and agree more than not with the others."""
    import numpy as np

    known = ~np.isnan(table)
    counts = known.sum(axis=0)
    means = np.where(known, table, 0).sum(axis=0) / np.maximum(counts, 1)
    used = [n for n in range(table.shape[1]) if 0 < means[n] < 1]
    moved = np.where(known, table - means, 0)
    others = moved[:, used].sum(axis=1)
    return [n for n in used if (moved[:, n] * (others - moved[:, n])).sum() > 0]


def closed_form(table: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """The share of right candidates and the verifiers' Youden indexes, by the formulas above.

    `table`: candidates by verifiers, 0 and 1, NaN where there is no vote.
    """
    import numpy as np

    count = table.shape[1]
    known = ~np.isnan(table)
    moved = np.where(known, table - np.nanmean(table, axis=0), 0)
    together = known.T.astype(float) @ known
    covariance = moved.T @ moved / np.maximum(together, 1)
    thirds, ratios = [], defaultdict(list)
    for i, j, k in combinations(range(count), 3):
        if min(covariance[i, j], covariance[i, k], covariance[j, k]) <= 0:
            continue  # by chance, or no better than chance: nothing follows from it
        all_known = (known[:, i] & known[:, j] & known[:, k]).sum()
        third = (moved[:, i] * moved[:, j] * moved[:, k]).sum() / max(all_known, 1)
        thirds.append(third / np.sqrt(covariance[i, j] * covariance[i, k] * covariance[j, k]))
        for one, other, last in ((i, j, k), (j, i, k), (k, i, j)):
            ratios[one].append(covariance[one, other] * covariance[one, last] / covariance[other, last])
    skew = float(np.median(thirds)) if thirds else 0.0
    share = min(max((1 - skew / np.sqrt(4 + skew**2)) / 2, 0.02), 0.98)
    squares = np.array([np.median(ratios[n]) if n in ratios else 0.0 for n in range(count)])
    return share, np.clip(np.sqrt(squares / (share * (1 - share))), 0, 1)


def _maximised(
    table: NDArray[Any], share: float, tpr: NDArray[Any], fpr: NDArray[Any]
) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """Expectation maximisation from a start."""
    import numpy as np

    known = ~np.isnan(table)
    accepted, refused = np.nan_to_num(table), np.where(known, 1 - np.nan_to_num(table), 0)
    for _ in range(ROUNDS):
        logit = np.log(share / (1 - share))
        logit = logit + accepted @ np.log(tpr / fpr) + refused @ np.log((1 - tpr) / (1 - fpr))
        right = 1 / (1 + np.exp(-logit))
        share = float(np.clip(right.mean(), 0.01, 0.99))
        tpr, fpr = (
            np.clip((belief @ accepted + IMAGINED * usual) / (belief @ known + IMAGINED), 0.01, 0.99)
            for belief, usual in zip((right, 1 - right), USUAL, strict=True)
        )
    return share, tpr, fpr
