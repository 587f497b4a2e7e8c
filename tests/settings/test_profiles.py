"""Profiles are laid first, and what else is given counts over them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.settings import Settings, load_settings
from codemonkeys.settings.profiles import PROFILES, settings_of


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_a_valid_tree(name: str) -> None:
    load_settings(profile=name)


def test_balanced_is_what_the_defaults_are() -> None:
    assert load_settings(profile="balanced") == Settings()


def test_paper_is_the_papers_table_4() -> None:
    settings = load_settings(profile="paper")
    generation = settings.generation
    assert (generation.samples, generation.test_turns, generation.edit_turns) == (10, 8, 8)
    assert (settings.context.batch_tokens, settings.context.rankings, settings.selection.turns) == (0, 3, 10)


def test_what_is_given_counts_over_a_profile_and_leaves_it_as_it_was() -> None:
    before = settings_of("cheap")
    settings = load_settings(["generation.samples=7"], profile="cheap", generation={"edit_turns": 2})
    assert (settings.generation.samples, settings.generation.edit_turns, settings.generation.test_turns) == (7, 2, 4)
    assert settings_of("cheap") == before


def test_unknown_profile_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BadSettings, match="choose one of paper, balanced, cheap"):
        load_settings(profile="lavish")


@pytest.mark.parametrize(
    "name", ["sandbox.seconds", "operation.budget", "operation.call_seconds", "selection.wrong_worth"]
)
@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "inf", "nan"])
def test_numbers_are_finite(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=name):
        load_settings([f"{name}={value}"])


def test_a_pipe_is_no_file_of_settings(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for given in ([str(pipe)], [f"operation.prices={pipe}"], [f"context.digests={pipe}"]):
        with pytest.raises(BadSettings, match="not a regular file"):
            load_settings(given)
    assert load_settings([f"operation.prices={tmp_path / 'absent'}"]).operation.prices == tmp_path / "absent"


def test_names_and_values_in_messages_keep_their_spelling() -> None:
    """All of a message was once in lower case: `_KEY` as `_key`, which is another variable."""
    with pytest.raises(BadSettings, match="key_variable: only variables .* ends in _KEY or _TOKEN"):
        load_settings(models={"writer": {"key_variable": "MY_PASS_WORT"}})
    with pytest.raises(BadSettings, match="generation.samples: input should be greater than or equal to 1"):
        load_settings(["generation.samples=0"])


def test_a_single_setting_needs_no_list() -> None:
    assert load_settings("generation.samples=7", model="fake") == load_settings(["generation.samples=7"], model="fake")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("generation.smples=2", r"generation.smples: there is no such setting; did you mean samples\? \(given 2\)"),
        ("operation.prices.m=2", "operation.prices: "),
        ("genration={}", r"genration: there is no such setting; did you mean generation\?"),
        ("operation.generation=1", r"operation.generation: there is no such setting \(given 1\)"),
        ("xyz=1", r"xyz: there is no such setting \(given 1\)"),
        ("models.openai/x.y.nothing=1", "there is no such setting"),
    ],
)
def test_a_setting_that_there_is_not_is_named_with_the_nearest(given: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        load_settings([given])
