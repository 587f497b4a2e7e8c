"""Policies are pure, know no labels, are found by name, and decide as their papers have it."""

from __future__ import annotations

import typing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.compute.base import Allocation, Counts, PolicyInput
from codemonkeys.compute.beliefs import belief, count_supported, expected_gain, forecast_of, majority_belief, predicted
from codemonkeys.compute.first_finish import first_finish, most_agreeing
from codemonkeys.compute.marginal import least_gain, marginal
from codemonkeys.compute.particles import particles, resample, scores_of
from codemonkeys.compute.policies import POLICIES, check_policy, find_policy, name_of, policy_names
from codemonkeys.compute.solve_or_verify import solve_or_verify, verifications
from codemonkeys.errors import BadSettings, PolicyFailed
from codemonkeys.selection.evidence import Evidence, ScriptOutcome
from codemonkeys.selection.stop_policy import Decision
from codemonkeys.settings import ComputeSettings, GenerationSettings, SelectionSettings, load_settings

FIXED, PRESENT = ScriptOutcome.FIXED, ScriptOutcome.PRESENT
FORECAST = forecast_of(SelectionSettings())


def evidence(*rows: str, approved: str = "", classes: tuple[int, ...] = ()) -> Evidence:
    """Candidates by what each valid test says: `1` fixed, `0` not."""
    edited = tuple(tuple(FIXED if each == "1" else PRESENT for each in row) for row in rows)
    return Evidence(
        "task-1",
        tuple(f"patch {k}" for k in range(len(rows))),
        classes or tuple(range(len(rows))),
        original=(PRESENT,) * len(rows[0]),
        edited=edited if rows[0] else (),
        approved=tuple(each == "1" for each in approved or "1" * len(rows)),
    )


def input_of(found: Evidence | None = None, **given: object) -> PolicyInput:
    known = PolicyInput(
        evidence=found,
        drawn=len(found.patches) if found else 2,
        running=0,
        tests=0,
        spent=0.0,
        sample_cost=0.0,
        left=None,
        others=(),
        waiting=0,
        forecast=FORECAST,
        compute=ComputeSettings(),
        generation=GenerationSettings(samples=10, wave=2),
        selection=SelectionSettings(),
    )
    return replace(known, **given)  # type: ignore[arg-type]


def test_a_policy_is_given_evidence_numbers_and_settings_and_nothing_else() -> None:
    """Labels stay out of reach of policies, plugged-in ones too: no field leads to a task, a run or a journal."""
    seen: set[type] = set()

    def walk(annotation: object) -> None:
        for part in typing.get_args(annotation):
            walk(part)
        if isinstance(annotation, type) and annotation not in seen:
            seen.add(annotation)
            if is_dataclass(annotation) or issubclass(annotation, tuple):
                for named in typing.get_type_hints(annotation).values():
                    walk(named)

    for field in fields(PolicyInput):
        walk(typing.get_type_hints(PolicyInput)[field.name])
    ours = {each.__name__ for each in seen if each.__module__.startswith("codemonkeys")}
    sections = {"ComputeSettings", "GenerationSettings", "SelectionSettings"}
    assert ours == {"Evidence", "Match", "ScriptOutcome", "StopPolicy", "Counts", *sections}


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_decides_whatever_is_known_and_the_same_twice(name: str) -> None:
    for found in (None, evidence("1", "0"), evidence("11", "10", "00"), evidence("", "")):
        for drawn in (2, 10):
            known = input_of(found, drawn=drawn, left=1.0, sample_cost=0.1, others=(Counts(2, 0),), waiting=3)
            decided = POLICIES[name].decide(known)
            assert decided == POLICIES[name].decide(known)
            assert 0 <= decided.samples <= 8 and decided.tests >= 0
            if drawn == 10 and name != "solve-or-verify":
                assert decided.decision is not Decision.ANOTHER_WAVE


def test_gain_is_what_another_sample_adds_to_the_belief() -> None:
    # Before any sample the gain of one is the mean chance of a sample.
    assert expected_gain(FORECAST, 0, 0, 1) == pytest.approx(sum(p for _, p in FORECAST.types) / 10)
    assert expected_gain(FORECAST, 2, 1, 2) < expected_gain(FORECAST, 2, 0, 2) / 10
    # One of four: more of such a task are as likely to agree on what is wrong.
    assert belief(FORECAST, 4, 1) < 0.5 and expected_gain(FORECAST, 4, 1, 2) == 0.0
    gains = [expected_gain(FORECAST, drawn, 0, 2) for drawn in range(2, 10)]
    assert gains == sorted(gains, reverse=True) and gains[-1] > 0


@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 5))
def test_the_number_of_acceptances_to_come_is_a_distribution(drawn: int, accepted: int, more: int) -> None:
    chances = predicted(FORECAST, drawn, min(accepted, drawn), more)
    assert sum(chances) == pytest.approx(1.0) and min(chances) >= 0


@given(st.integers(1, 12), st.integers(0, 12))
def test_a_majority_is_as_good_as_one_of_few_and_better_of_many(drawn: int, accepted: int) -> None:
    accepted = min(drawn, accepted)
    assert 0 <= majority_belief(FORECAST, drawn, accepted) <= 1
    if accepted < 3:
        assert majority_belief(FORECAST, drawn, accepted) == belief(FORECAST, drawn, accepted)
    if accepted == drawn:
        assert majority_belief(FORECAST, drawn, accepted) >= belief(FORECAST, drawn, accepted) - 1e-9


def test_marginal_stops_at_an_acceptance_and_draws_on_without() -> None:
    priced = replace(FORECAST, cost=0.02)
    assert marginal(input_of(evidence("1", "0"), forecast=priced)).decision is Decision.STOP
    assert marginal(input_of(evidence("0", "0"), forecast=priced)).samples == 2
    assert marginal(input_of(None, forecast=priced)).samples == 2
    dear = input_of(None, forecast=replace(FORECAST, cost=0.3))
    assert marginal(dear).decision is Decision.STOP


def test_marginal_spends_what_is_left_where_it_gains_most() -> None:
    fresh, tried = Counts(2, 0), Counts(8, 0)
    poor = {"left": 0.3, "sample_cost": 0.1, "generation": GenerationSettings(samples=20, wave=2)}
    # A wave of the task that has been tried less gains more, and money is left for one only.
    assert marginal(input_of(None, drawn=2, others=(tried,), **poor)).decision is Decision.ANOTHER_WAVE
    assert marginal(input_of(None, drawn=8, others=(fresh,), **poor)).decision is Decision.STOP
    assert marginal(input_of(None, drawn=8, others=(fresh,), **{**poor, "left": 30.0})).samples == 2
    # Tasks that have not begun get their first wave before.
    assert marginal(input_of(None, drawn=2, others=(), waiting=2, **poor)).decision is Decision.STOP


@given(st.floats(0, 500), st.floats(0, 500))
def test_money_is_dearer_the_less_there_is(one: float, other: float) -> None:
    standing = {Counts(2, 0): 5, Counts(4, 0): 3, Counts(2, 1): 9}
    few, many = (least_gain(FORECAST, standing, 4, money, 2, 10) for money in sorted((one, other)))
    assert few >= many >= 0


def test_no_test_leaves_equal_candidates_to_speak_for_each_other() -> None:
    assert count_supported(None) == 0
    assert count_supported(evidence("", "", "", classes=(0, 0, 2))) == 2
    assert count_supported(evidence("", "", "")) == 0
    assert count_supported(evidence("1", "1", "0")) == 2


def test_first_finish_ends_once_enough_agree() -> None:
    alike = evidence("11", "11", "10", "11")
    assert most_agreeing(alike) == 3
    assert first_finish(input_of(alike)).decision is Decision.STOP
    assert first_finish(input_of(evidence("11", "11", "10"))).decision is Decision.ANOTHER_WAVE
    assert first_finish(input_of(evidence("00", "00", "00"))).decision is Decision.ANOTHER_WAVE
    # Where no test is valid, equivalent ones that were approved.
    bare = evidence("", "", "", "", approved="1101", classes=(0, 0, 0, 0))
    assert most_agreeing(bare) == 3
    assert first_finish(input_of(None, drawn=10)).decision is Decision.STOP


def test_verifications_grow_more_slowly_than_samples_and_not_before_they_pay() -> None:
    settings = ComputeSettings()
    # V = (S / 8) ** (0.39 / 0.57): 1, 1.61, 2.58, 4.15 at S = 8, 16, 32, 64.
    assert [verifications(s, settings) for s in (1, 7, 8, 16, 32, 64)] == [0, 0, 1, 1, 2, 4]
    assert verifications(10**9, settings) == 10
    early = solve_or_verify(input_of(None, drawn=2))
    assert (early.samples, early.tests) == (2, 0)
    later = solve_or_verify(input_of(None, drawn=6))
    assert (later.samples, later.tests) == (2, 1)
    end = solve_or_verify(input_of(None, drawn=10, tests=1))
    assert end.decision is Decision.STOP and end.votes == 2
    poor = input_of(None, drawn=8, tests=1, left=0.5, sample_cost=0.4, waiting=1)
    assert solve_or_verify(poor).decision is Decision.STOP


def test_particles_are_drawn_in_proportion_to_what_tests_say() -> None:
    found = evidence("11", "10", "00")
    assert scores_of(found) == [1.0, 0.5, 0.0]
    assert scores_of(replace(found, breaks=(1, 0, None))) == [0.5, 0.5, 0.0]
    # Weights e^4, e^2, 1 of 62.99: expectations 8.67, 1.17, 0.16 of ten.
    drawn = particles(input_of(found, generation=GenerationSettings(samples=20, wave=10)))
    assert drawn.parents == (0,) * 9 + (1,)
    assert particles(input_of(None)).parents == ()


@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=12), st.integers(1, 30))
def test_resampling_keeps_within_one_of_what_is_expected(weights: list[float], count: int) -> None:
    drawn = resample(weights, count)
    assert len(drawn) == count and list(drawn) == sorted(drawn)
    for position, weight in enumerate(weights):
        assert abs(drawn.count(position) - weight / sum(weights) * count) <= 1 + 1e-6


CODE = """
from codemonkeys.compute.base import Allocation, Policy
from codemonkeys.selection.stop_policy import Decision

def twice(given):
    '''Two waves.

    Because.'''
    return Allocation(Decision.ANOTHER_WAVE if given.drawn < 4 else Decision.STOP, given.next_wave)

EAGER = Policy("of my own", twice, needs_waves=False)
number = 5

def nothing(given): return None
def broken(given): return given.evidence.verdict
def orphan(given): return Allocation(Decision.ANOTHER_WAVE, 1, parents=(3,))
"""


def test_policies_of_others_are_found_by_name_and_their_answers_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    assert policy_names()[: len(POLICIES)] == list(POLICIES)
    assert find_policy("mine:twice").source == "Two waves."
    assert not find_policy("mine:EAGER").needs_waves
    assert find_policy("mine:twice").decide(input_of()) == Allocation(Decision.ANOTHER_WAVE, 2)
    for name, problem in (
        ("nothing", "it returned NoneType"),
        ("broken", "AttributeError"),
        ("orphan", "must be positions of the 2 candidates"),
    ):
        with pytest.raises(PolicyFailed, match=f"policy mine:{name} failed on task-1: .*{problem}"):
            find_policy(f"mine:{name}").decide(input_of(evidence("1", "0")))
    with pytest.raises(BadSettings, match="compute policy 'mine:number' cannot be loaded: .*neither a Policy nor"):
        find_policy("mine:number")
    with pytest.raises(BadSettings, match=r"compute.policy=greedy: no such policy; there are: fixed, stop, marginal"):
        find_policy("greedy")


def test_settings_that_leave_nothing_to_decide_are_refused() -> None:
    with pytest.raises(BadSettings, match="compute.policy=marginal decides after each wave"):
        check_policy(load_settings(["compute.policy=marginal"]))
    with pytest.raises(BadSettings, match="compute.policy=first-finish stops single trajectories"):
        check_policy(load_settings(["compute.policy=first-finish", "generation.branch=true"]))
    for more in ([], ["compute.policy=first-finish"], ["compute.policy=marginal", "generation.wave=2"]):
        check_policy(load_settings(more))
    # As before this section was there.
    older = load_settings(["selection.stop=true"])
    check_policy(older)
    assert name_of(older) == "stop" and name_of(load_settings()) == "fixed"
    with pytest.raises(BadSettings, match="compute.chances"):
        load_settings(["compute.chances=[0.5, 1.5]"])
