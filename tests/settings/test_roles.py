"""Which parameters hold for a model in a role."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.roles import call_parameters, longest_answer
from codemonkeys.runs.models import open_models
from codemonkeys.settings import load_settings
from codemonkeys.settings.roles import operation_of, parameters_of
from codemonkeys.stages import ASKING

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_opens_its_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{provider}_API_KEY", "canary-0123456789")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    (tmp_path / "mine.yaml").write_text(example)
    models = open_models(load_settings([str(tmp_path / "mine.yaml")]))
    assert [model.name for model in models.distinct()] == [
        "anthropic/claude-opus-4-5",
        "openai/gpt-5-mini",
        "openai/gpt-5",
    ]
    asked = {stage.name: models.parameters_of(stage.name, 0) for stage in ASKING}
    assert asked["rank"] == asked["edit"] == Parameters(thinking_tokens=8000)
    assert asked["relevance"] == Parameters("low", service_tier="flex")
    assert asked["ballot"] == Parameters("high", max_tokens=32_000, api="responses")


def test_the_page_names_every_parameter_and_every_stage_of_a_role() -> None:
    fields = load_settings(model="m", models={"m": {}}).models["m"].model_dump()
    assert all(f"`{name}`" in PAGE for name in fields)
    for stage in ASKING:
        assert re.search(rf"^\| `{stage.role}` \|.*`{stage.name}`", PAGE, re.M), stage


def test_connections_of_a_role_win_over_those_of_a_name_and_of_all() -> None:
    models = {"m": {"call_seconds": 5, "api_base": "http://name/v1"}, "judge": {"api_base": "http://role/v1"}}
    settings = load_settings(model="m", models=models, operation={"key_variable": "MY_KEY", "call_seconds": 9})
    judge, writer = operation_of(settings, "judge", "m"), operation_of(settings, "writer", "m")
    assert (judge.api_base, judge.call_seconds, judge.key_variable) == ("http://role/v1", 5, "MY_KEY")
    assert writer.api_base == "http://name/v1"
    assert parameters_of(settings, "judge", "m").given() == {"call_seconds": 5, "api_base": "http://role/v1"}
    assert call_parameters(settings, "judge", "m") == Parameters()


def test_the_longest_answer_of_a_role_is_that_of_its_longest_model() -> None:
    models = {"one": {"max_tokens": 100}, "two": {"thinking_tokens": 500}, "judge": {"max_tokens": 7}}
    settings = load_settings(
        model="m", models=models, generation={"models": ["one", "two"], "max_tokens": 1000}, context={"max_tokens": 90}
    )
    assert [longest_answer(settings, role) for role in ("scan", "primary", "writer", "judge")] == [90, 90, 1500, 7]


@pytest.mark.parametrize(
    ("pair", "name", "field", "value"),
    [
        ("models.openai/gpt-4.1.top_p=0.3", "openai/gpt-4.1", "top_p", 0.3),
        ("models.openai/gpt-4.1={top_p: 0.3}", "openai/gpt-4.1", "top_p", 0.3),
        ("models.openai/gpt-4.1.extra_body.top_k=5", "openai/gpt-4.1", "extra_body", {"top_k": 5}),
        ("models.judge.effort=high", "judge", "effort", "high"),
    ],
)
def test_a_name_with_dots_can_be_part_of_a_pair(pair: str, name: str, field: str, value: object) -> None:
    models = load_settings([pair]).models
    assert list(models) == [name] and models[name].given() == {field: value}


def test_limits_of_a_name_with_dots_can_be_given_too() -> None:
    limits = load_settings(["operation.models.openai/gpt-4.1.calls=3", "operation.models.openai/o3.calls=4"]).operation
    assert {name: of.calls for name, of in limits.models.items()} == {"openai/gpt-4.1": 3, "openai/o3": 4}
    with pytest.raises(BadSettings, match="effrt"):
        load_settings(["models.judge.effrt=high"])
