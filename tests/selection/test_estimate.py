"""Verifiers are estimated from their votes alone: against the vectors of the formulas, and against known verifiers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import mean

import numpy as np
import pytest

from codemonkeys.selection.estimate import Verifiers, closed_form, estimate_verifiers

KNOWN = Verifiers(0.45, (0.9, 0.8, 0.7, 0.95, 0.6), (0.3, 0.2, 0.1, 0.5, 0.25))


def simulated(count: int, seed: int, known: Verifiers = KNOWN) -> list[list[bool | None]]:
    """Votes of verifiers that err independently, on candidates of which so many are right as is told."""
    dice = random.Random(seed)
    rows: list[list[bool | None]] = []
    for _ in range(count):
        right = dice.random() < known.share
        rates: Sequence[float | None] = known.tpr if right else known.fpr
        rows.append([dice.random() < (rate or 0.0) for rate in rates])
    return rows


def errors(found: Verifiers | None, known: Verifiers = KNOWN) -> tuple[float, float]:
    """Of the share, and the mean one of all rates."""
    assert found is not None
    pairs = zip((*found.tpr, *found.fpr), (*known.tpr, *known.fpr), strict=True)
    return abs(found.share - known.share), mean(abs((one or 0.0) - (other or 0.0)) for one, other in pairs)


@pytest.mark.parametrize(
    ("votes", "posterior"), [("11111", 0.9968), ("11010", 0.7683), ("01100", 0.1486), ("00000", 0.0005)]
)
def test_posterior_vectors(votes: str, posterior: float) -> None:
    assert KNOWN.posterior([vote == "1" for vote in votes]) == pytest.approx(posterior, abs=5e-5)


def test_a_vote_that_is_missing_changes_nothing() -> None:
    assert KNOWN.posterior([None] * 5) == pytest.approx(0.45)


def test_closed_form_is_exact_where_the_moments_are() -> None:
    """On a table with every row as often as it is expected, nothing is left to chance."""
    rates = np.array([(0.9, 0.3), (0.8, 0.2), (0.7, 0.1), (0.6, 0.2)])
    rows = []
    for bits in range(16):
        row = [bits >> n & 1 for n in range(4)]
        for share, side in ((0.4, 0), (0.6, 1)):
            chance = share * np.prod([rates[n, side] if bit else 1 - rates[n, side] for n, bit in enumerate(row)])
            rows += [row] * round(chance * 1e5)
    share, indexes = closed_form(np.array(rows, dtype=float))
    assert share == pytest.approx(0.4, abs=2e-3)
    assert indexes == pytest.approx(rates[:, 0] - rates[:, 1], abs=2e-3)


@pytest.mark.parametrize(
    ("count", "share", "youden"),
    [(50, 0.107, 0.135), (100, 0.071, 0.090), (200, 0.053, 0.069), (500, 0.033, 0.041), (1_000, 0.023, 0.029)],
)
def test_error_of_the_closed_form_is_what_was_simulated(count: int, share: float, youden: float) -> None:
    """Of the share of right candidates, and of the Youden indices if that is known: means over 200 simulated pools."""
    true = np.subtract(KNOWN.tpr, KNOWN.fpr)  # type: ignore[arg-type]
    tables = [np.array(simulated(count, seed), dtype=float) for seed in range(200)]
    assert mean(abs(closed_form(table)[0] - KNOWN.share) for table in tables) == pytest.approx(share, abs=0.01)
    found = [float(np.abs(closed_form(table, KNOWN.share)[1] - true).mean()) for table in tables]
    assert mean(found) == pytest.approx(youden, abs=0.01)


def sharing_luck(seed: int) -> list[list[bool | None]]:
    """Votes of which the first two verifiers share three fifths of their luck."""

    def votes(dice: random.Random) -> list[bool | None]:
        rates: Sequence[float | None] = KNOWN.tpr if dice.random() < KNOWN.share else KNOWN.fpr
        luck = [dice.random() for _ in rates]
        luck[1] = luck[0] if dice.random() < 0.6 else luck[1]
        return [one < (rate or 0.0) for one, rate in zip(luck, rates, strict=True)]

    dice = random.Random(seed)
    return [votes(dice) for _ in range(1_000)]


def test_verifiers_that_share_their_errors_look_better_than_they_are_unless_they_count_once() -> None:
    """Two that share three fifths of their luck come out at 0.97 and 0.86, not 0.9 and 0.8; merged, at 0.9."""
    found = [estimate_verifiers(sharing_luck(seed), merge=False) for seed in range(10)]
    first, second = (mean((verifiers.tpr[n] or 0.0) if verifiers else 0.0 for verifiers in found) for n in (0, 1))
    assert first == pytest.approx(0.965, abs=0.015) and second == pytest.approx(0.865, abs=0.015)
    merged = [estimate_verifiers(sharing_luck(seed)) for seed in range(10)]
    assert sum(one is not None and one.twin_of == (None, 0, None, None, None) for one in merged) >= 8
    counted_once = [one for one in merged if one and one.twin_of[1] == 0]
    assert mean(one.tpr[0] or 0.0 for one in counted_once) == pytest.approx(0.9, abs=0.02)
    assert mean(one.share for one in counted_once) == pytest.approx(KNOWN.share, abs=0.02)
    alone = [estimate_verifiers(simulated(1_000, seed)) for seed in range(10)]
    assert not any(one and any(twin is not None for twin in one.twin_of) for one in alone)


def test_a_twin_speaks_where_its_other_half_is_silent() -> None:
    known = Verifiers(0.5, (0.9, None), (0.2, None), (None, 0))
    assert known.posterior([None, True]) == known.posterior([True, None]) == known.posterior([True, False])
    assert known.posterior([None, None]) == pytest.approx(0.5)


def test_verifiers_that_accept_nearly_all_are_left_out() -> None:
    dice = random.Random(5)
    rows = [[*row, dice.random() < 0.97 if row[0] else dice.random() < 0.93] for row in simulated(1_000, 6)]
    found = estimate_verifiers(rows)
    assert found is not None and found.tpr[5] is None and all(rate is not None for rate in found.tpr[:5])


@pytest.mark.parametrize("count", [200, 400, 1000])
@pytest.mark.slow
def test_simulated_verifiers_are_found_within_a_twentieth(count: int) -> None:
    found = [errors(estimate_verifiers(simulated(count, seed))) for seed in range(30)]
    shares, rates = (mean(column) for column in zip(*found, strict=True))
    assert shares < 0.05 and rates < 0.05


def test_more_candidates_tell_more_and_refinement_helps() -> None:
    def error(count: int, refine: bool) -> float:
        return mean(errors(estimate_verifiers(simulated(count, seed), refine))[1] for seed in range(20))

    assert error(1000, True) < error(200, True) < error(200, False)


def test_a_coin_and_a_liar_and_a_constant_are_told_from_verifiers() -> None:
    votes = simulated(1000, 1)
    dice = random.Random(2)
    rows = [[*row, dice.random() < 0.5, not row[0], True] for row in votes]
    found = estimate_verifiers(rows)
    assert found is not None
    assert found.tpr[6] is None and found.tpr[7] is None
    if found.tpr[5] is not None and found.fpr[5] is not None:
        assert abs(found.tpr[5] - found.fpr[5]) < 0.1
    assert errors(Verifiers(found.share, found.tpr[:5], found.fpr[:5]))[1] < 0.05


def test_missing_votes_are_no_votes() -> None:
    dice = random.Random(3)
    rows = [[None if dice.random() < 0.3 else vote for vote in row] for row in simulated(1500, 4)]
    assert max(errors(estimate_verifiers(rows))) < 0.05


def test_fewer_than_three_verifiers_tell_nothing() -> None:
    assert estimate_verifiers([]) is None
    assert estimate_verifiers([[True, False]] * 300) is None
    assert estimate_verifiers([row[:2] for row in simulated(300, 5)]) is None
    assert estimate_verifiers([[None] * 5] * 10) is None
