"""When to stop: against the vectors of the formulas, and against simulated runs."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.selection.stop_policy import Decision, StopPolicy, types_of

TYPES = ((0.58, 0.87), (0.42, 0.13))
EXAMPLE = StopPolicy(TYPES, completeness=1.0, soundness=0.75)


@pytest.mark.parametrize(
    ("wrong", "cost", "best", "value"),
    [
        (-0.7, 0.0, 3, 0.5246),
        (-1.0, 0.0, 2, 0.4724),
        (-2.0, 0.0, 1, 0.3388),
        (-4.0, 0.0, 1, 0.1184),
        (-0.7, 0.02, 2, 0.4973),
        (-0.7, 0.10, 2, 0.3908),
    ],
)
def test_vectors(wrong: float, cost: float, best: int, value: float) -> None:
    policy = replace(EXAMPLE, wrong=wrong, cost=cost)
    assert policy.best(500) == best
    assert policy.value(best) == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize(("wrong", "best"), [(-0.5, 3), (-1.0, 2), (-2.0, 1)])
def test_vectors_of_an_imperfect_verifier(wrong: float, best: int) -> None:
    assert StopPolicy(TYPES, 0.9633, 0.6696, wrong=wrong).best(500) == best


def test_without_a_price_of_errors_it_never_stops() -> None:
    assert replace(EXAMPLE, wrong=0.0).best(300) == 300


def test_nothing_is_drawn_where_the_first_sample_does_not_pay() -> None:
    policy = replace(EXAMPLE, wrong=-9.0)
    assert policy.best(10) == 0 and policy.expected_samples(10) == 0.0
    assert policy.decide(best=0.0, drawn=0, wave=1, limit=10) is Decision.ABSTAIN


def test_decisions() -> None:
    policy = replace(EXAMPLE, wrong=-1.0)
    assert policy.trusted == 0.5
    assert policy.decide(best=0.6, drawn=1, wave=1, limit=10) is Decision.STOP
    assert policy.decide(best=0.0, drawn=0, wave=1, limit=10) is Decision.ANOTHER_WAVE
    assert policy.decide(best=0.4, drawn=1, wave=1, limit=10) is Decision.ANOTHER_WAVE
    assert policy.decide(best=0.4, drawn=2, wave=1, limit=10) is Decision.ABSTAIN
    assert policy.decide(best=0.4, drawn=1, wave=1, limit=1) is Decision.ABSTAIN


CHANCE = st.floats(0.01, 0.99)


@given(st.lists(st.tuples(CHANCE, CHANCE), min_size=1, max_size=4), CHANCE, CHANCE)
def test_trust_in_an_acceptance_falls_with_every_refusal(
    weights: list[tuple[float, float]], completeness: float, soundness: float
) -> None:
    total = sum(weight for weight, _ in weights)
    types = tuple((weight / total, chance) for weight, chance in weights)
    policy = StopPolicy(types, completeness, soundness)
    if completeness + soundness > 1:
        found = [policy.precision(sample) for sample in range(1, 8)]
        assert all(later <= earlier + 1e-9 for earlier, later in zip(found, found[1:], strict=False))
    assert policy.reach(1) == pytest.approx(1.0)


@given(CHANCE, CHANCE, CHANCE)
def test_of_one_type_no_number_of_samples_gains_trust(chance: float, completeness: float, soundness: float) -> None:
    """Only a sounder verifier can pass c r / (c r + (1 - s) (1 - r))."""
    policy = StopPolicy(((1.0, chance),), completeness, soundness)
    ceiling = completeness * chance / (completeness * chance + (1 - soundness) * (1 - chance))
    assert [policy.precision(sample) for sample in (1, 2, 30)] == pytest.approx([ceiling] * 3)


def test_values_and_samples_are_those_of_simulated_runs() -> None:
    policy = StopPolicy(TYPES, 0.9, 0.7, wrong=-0.6, cost=0.03)
    limit = policy.best(50)
    dice = random.Random(0)
    worth, samples, runs = 0.0, 0, 40_000
    for _ in range(runs):
        chance = TYPES[0][1] if dice.random() < TYPES[0][0] else TYPES[1][1]
        for _ in range(limit):
            samples += 1
            worth -= policy.cost
            right = dice.random() < chance
            if dice.random() < (policy.completeness if right else 1 - policy.soundness):
                worth += policy.right if right else policy.wrong
                break
    assert worth / runs == pytest.approx(policy.value(limit), abs=0.02)
    assert samples / runs == pytest.approx(policy.expected_samples(50), abs=0.02)


def test_types_are_what_acceptances_say_less_the_verifiers_errors() -> None:
    types = types_of([(10, 10), (10, 2), (10, 2), (0, 0), (10, 1)], completeness=1.0, soundness=0.8)
    assert types == ((0.75, 0.0), (0.25, 1.0))
    with pytest.raises(ValueError, match="nothing follows"):
        types_of([(10, 5)], 0.5, 0.5)
