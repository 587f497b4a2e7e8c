"""Settings that an ensemble cannot follow are told before anything is spent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import codemonkeys
from codemonkeys.ensembles.without_effect import OF_DRAWING
from codemonkeys.errors import BadSettings
from codemonkeys.settings import Settings
from tests.tiny_task import GOLD, ID, WRONG, make_task_repository


def notes_of(folder: Path, *configs: str) -> list[str]:
    """What an ensemble of two submissions tells beside its choice."""
    folder.mkdir()
    members = [folder / f"{name}.json" for name in ("one", "two")]
    for member, patch in zip(members, (GOLD, WRONG), strict=True):
        member.write_text(json.dumps({ID: {"model_patch": patch}}))
    source, told = make_task_repository(folder / "tasks"), list[codemonkeys.Event]()
    settings = codemonkeys.load_settings(["selection.rule=agreement", *configs])
    asyncio.run(codemonkeys.ensemble(members, source, settings, runs=folder / "runs", name="r", notify=told.append))
    return [event.text for event in told if event.kind == "note"]


def test_settings_of_policy_layers_and_search_are_told_to_have_no_effect(tmp_path: Path) -> None:
    given = ["compute.policy=stop", "search.contexts=2", "generation.layers=[generate,fuse]", "selection.stop=true"]
    (told,) = notes_of(tmp_path / "some", *given)
    assert told.startswith("generation.layers, compute.policy, search.contexts, selection.stop have no effect here")
    assert notes_of(tmp_path / "one", "generation.wave=2")[0].startswith("generation.wave has no effect here")
    assert notes_of(tmp_path / "none", "generation.samples=3", "selection.turns=2") == []


def test_a_model_that_is_not_asked_is_told(tmp_path: Path) -> None:
    (told,) = notes_of(tmp_path / "one", "model=openai/some")
    assert told == "openai/some is not asked: the rule agreement goes by the patches alone"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("selection.test_runner=none", "there is no test runner 'none'"),
        ("selection.shortlist=judge", "selection.shortlist=judge asks a model"),
    ],
)
def test_what_solving_refuses_is_refused(tmp_path: Path, given: str, why: str) -> None:
    with pytest.raises(BadSettings, match=why):
        notes_of(tmp_path / "one", given)


def test_the_settings_without_effect_are_settings() -> None:
    for section, names in OF_DRAWING.items():
        assert set(names) <= set(type(getattr(Settings(), section)).model_fields)
