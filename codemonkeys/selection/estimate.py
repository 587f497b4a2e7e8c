"""Accuracy of verifiers, estimated from their votes alone. Weaver, arXiv 2506.18203, with our own closed form.

Verifiers vote 0 or 1 on candidates, conditionally independently given whether the candidate is right. Then, with Youden
indices J = TPR - FPR, share p of right candidates, and deviations d from each verifier's mean,

    Cov(i, j) = J_i J_j p (1-p)        E[d_i d_j d_k] / sqrt(C_ij C_ik C_jk) = (1-2p) / sqrt(p (1-p))

from which J and p follow by medians over pairs and triples, assuming that most verifiers are better than chance.
Expectation maximisation (Dawid and Skene 1979) refines the moment estimates: it is more accurate on simulated
verifiers, and pseudo-counts of a typical verifier stabilise it where candidates are few.
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
"""For each candidate one vote per verifier; None for no vote."""

PSEUDO_COUNT = 10.0
"""Pseudo-count of right, and of wrong, candidates that a typical verifier has judged."""
TYPICAL_RATES = (0.65, 0.35)
"""TPR and FPR of a typical verifier."""
ROUNDS = 100
SCARCE = 0.2
"""Share of right candidates below which, and of wrong ones, strict or lenient verifiers alone count, as in Weaver."""
NEARLY_ALL = 0.1
"""Otherwise, verifiers that accept or refuse all but this share are left out."""
FEWEST_RATIOS = 4
"""Of other verifiers, in both orders, from which it is told what two should agree by: one alone could be of twins."""
TWINS, SIGMAS = 0.18, 4.0
"""Excess correlation from which two verifiers are twins, and how many of its standard errors that must be."""


@dataclass(frozen=True)
class Verifiers:
    """Estimated rates of verifiers."""

    share: float
    """Share of right candidates."""
    tpr: tuple[float | None, ...]
    """How often each verifier accepts a right candidate; None for an uninformative verifier, which is left out."""
    fpr: tuple[float | None, ...]
    """How often each accepts a wrong candidate."""
    twin_of: tuple[int | None, ...] = ()
    """For each verifier that errs together with another, the other one, with which it counts once."""

    def posterior(self, votes: Sequence[bool | None]) -> float:
        """Probability that a candidate with these votes is right."""
        logit = math.log(self.share / (1 - self.share))
        for vote, tpr, fpr in zip(with_twins(votes, self.twin_of), self.tpr, self.fpr, strict=True):
            if vote is not None and tpr is not None and fpr is not None:
                logit += math.log(tpr / fpr) if vote else math.log((1 - tpr) / (1 - fpr))
        return 1 / (1 + math.exp(-logit))


def estimate_verifiers(votes: Votes, refine: bool = True, merge: bool = True) -> Verifiers | None:
    """Rates of verifiers and share of right candidates, without labels; None with fewer than three informative ones.

    `votes`: pooled over tasks; rates are accurate to about 0.05 from a few hundred on.
    `refine`: continue with expectation maximisation from the closed form. `merge`: count twins once, and leave out
    verifiers that say the same of nearly all candidates.
    """
    import numpy as np

    table = np.array([[np.nan if vote is None else float(vote) for vote in row] for row in votes], dtype=float)
    used = _informative(table) if table.ndim == 2 else []
    twin_of: tuple[int | None, ...] = ()
    if merge and len(used) > 3:
        twin_of = find_twins(table, used)
        used = [n for n in used if twin_of[n] is None]
        merged = [with_twins(row, twin_of) for row in votes]
        table = np.array([[np.nan if vote is None else float(vote) for vote in row] for row in merged], dtype=float)
        used = _telling(table, used)
    if len(used) < 3:
        return None
    table = table[:, used]
    share, youden = closed_form(table)
    means = np.nanmean(table, axis=0)
    fpr = np.clip(means - youden * share, 0.01, 0.99)
    tpr = np.clip(fpr + youden, 0.01, 0.99)
    if refine:
        share, tpr, fpr = _maximise_expectation(table, share, tpr, fpr)
    rates = {column: (float(tpr[n]), float(fpr[n])) for n, column in enumerate(used)}
    found = [rates.get(column, (None, None)) for column in range(len(votes[0]))]
    return Verifiers(share, tuple(rate[0] for rate in found), tuple(rate[1] for rate in found), twin_of)


def with_twins(votes: Sequence[bool | None], twin_of: Sequence[int | None]) -> list[bool | None]:
    """Votes of which a verifier has those of its twins where it has none of its own."""
    told = list(votes)
    for twin, leader in enumerate(twin_of):
        if leader is not None and told[leader] is None:
            told[leader] = votes[twin]
    return told


def _telling(table: NDArray[Any], used: list[int]) -> list[int]:
    """Verifiers that neither accept nor refuse nearly all, by Weaver's rule; all of them if fewer than three are left.

    Where few candidates are right a strict verifier tells more, where most are right a lenient one.
    """
    import numpy as np

    if len(used) <= 3:
        return used
    share, _ = closed_form(table[:, used])
    means = dict(zip(used, np.nanmean(table[:, used], axis=0), strict=True))
    low, high = (0.0, 0.5) if share < SCARCE else (0.5, 1.0) if share > 1 - SCARCE else (NEARLY_ALL, 1 - NEARLY_ALL)
    kept = [n for n in used if low < means[n] < high]
    return kept if len(kept) >= 3 else used


def find_twins(table: NDArray[Any], used: Sequence[int]) -> tuple[int | None, ...]:
    """For each column the one of which it is a twin, if any.

    Given whether a candidate is right, votes of two verifiers should not depend on each other. Then, for any two others
    k and l, Cov(i, j) = Cov(i, k) Cov(j, l) / Cov(k, l); twins agree more often than that.
    """
    import numpy as np

    columns = table.shape[1]
    table = table[:, used]
    known = ~np.isnan(table)
    centred = np.where(known, table - np.nanmean(table, axis=0), 0)
    together = np.maximum(known.T.astype(float) @ known, 1)
    covariance = centred.T @ centred / together
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-9))
    found: list[tuple[float, int, int]] = []
    for i, j in combinations(range(len(used)), 2):
        others = [n for n in range(len(used)) if n not in (i, j)]
        between = covariance[np.ix_(others, others)]
        # What is no more than noise makes a ratio of anything.
        noise = 2 * np.outer(deviation[others], deviation[others]) / np.sqrt(together[np.ix_(others, others)])
        usable = (between > noise) & ~np.eye(len(others), dtype=bool)
        if usable.sum() < FEWEST_RATIOS:
            continue
        expected = np.outer(covariance[i, others], covariance[j, others])[usable] / between[usable]
        excess = float((covariance[i, j] - np.median(expected)) / (deviation[i] * deviation[j]))
        if excess >= TWINS and excess * math.sqrt(together[i, j]) >= SIGMAS:
            found.append((excess, i, j))
    twin_of: list[int | None] = [None] * columns
    leaders = set[int]()
    counts = known.sum(axis=0)
    for _, i, j in sorted(found, reverse=True):
        one, other = (i, j) if (i in leaders, counts[i]) >= (j in leaders, counts[j]) else (j, i)
        if twin_of[used[one]] is None and twin_of[used[other]] is None and other not in leaders:
            twin_of[used[other]] = used[one]
            leaders.add(one)
    return tuple(twin_of)


def _informative(table: NDArray[Any]) -> list[int]:
    """Columns of verifiers whose votes vary and correlate positively with those of the others."""
    import numpy as np

    known = ~np.isnan(table)
    counts = known.sum(axis=0)
    means = np.where(known, table, 0).sum(axis=0) / np.maximum(counts, 1)
    used = [n for n in range(table.shape[1]) if 0 < means[n] < 1]
    centred = np.where(known, table - means, 0)
    others = centred[:, used].sum(axis=1)
    return [n for n in used if (centred[:, n] * (others - centred[:, n])).sum() > 0]


def closed_form(table: NDArray[Any], known_share: float | None = None) -> tuple[float, NDArray[Any]]:
    """The share of right candidates and the verifiers' Youden indices, by the formulas above.

    `table`: shape (candidates, verifiers) of 0, 1 and NaN for no vote. `known_share`: in place of the estimate.
    """
    import numpy as np

    count = table.shape[1]
    known = ~np.isnan(table)
    centred = np.where(known, table - np.nanmean(table, axis=0), 0)
    together = known.T.astype(float) @ known
    covariance = centred.T @ centred / np.maximum(together, 1)
    skews, ratios = [], defaultdict(list)
    for i, j, k in combinations(range(count), 3):
        if min(covariance[i, j], covariance[i, k], covariance[j, k]) <= 0:
            continue  # noise, or a verifier no better than chance: uninformative
        all_known = (known[:, i] & known[:, j] & known[:, k]).sum()
        third_moment = (centred[:, i] * centred[:, j] * centred[:, k]).sum() / max(all_known, 1)
        skews.append(third_moment / np.sqrt(covariance[i, j] * covariance[i, k] * covariance[j, k]))
        for one, other, last in ((i, j, k), (j, i, k), (k, i, j)):
            ratios[one].append(covariance[one, other] * covariance[one, last] / covariance[other, last])
    skew = float(np.median(skews)) if skews else 0.0
    estimate = min(max((1 - skew / np.sqrt(4 + skew**2)) / 2, 0.02), 0.98)
    share = estimate if known_share is None else known_share
    squares = np.array([np.median(ratios[n]) if n in ratios else 0.0 for n in range(count)])
    return share, np.clip(np.sqrt(squares / (share * (1 - share))), 0, 1)


def _maximise_expectation(
    table: NDArray[Any], share: float, tpr: NDArray[Any], fpr: NDArray[Any]
) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """Expectation maximisation from these initial values."""
    import numpy as np

    known = ~np.isnan(table)
    accepted, refused = np.nan_to_num(table), np.where(known, 1 - np.nan_to_num(table), 0)
    for _ in range(ROUNDS):
        logit = np.log(share / (1 - share))
        logit = logit + accepted @ np.log(tpr / fpr) + refused @ np.log((1 - tpr) / (1 - fpr))
        right = 1 / (1 + np.exp(-logit))
        share = float(np.clip(right.mean(), 0.01, 0.99))
        tpr, fpr = (
            np.clip((belief @ accepted + PSEUDO_COUNT * typical) / (belief @ known + PSEUDO_COUNT), 0.01, 0.99)
            for belief, typical in zip((right, 1 - right), TYPICAL_RATES, strict=True)
        )
    return share, tpr, fpr
