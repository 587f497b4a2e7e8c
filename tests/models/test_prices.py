"""What a model costs, and what a registry file may say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.models.base import Price, Usage
from codemonkeys.models.prices import price_of


@pytest.fixture(autouse=True)
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITELLM_MODEL_REGISTRY_PATH", raising=False)


@pytest.mark.parametrize(
    "name", ["anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "openai/gpt-4o", "gpt-4o", "gemini/gemini-2.5-pro"]
)
def test_shipped_prices(name: str) -> None:
    price = price_of(name)
    assert price is not None
    assert 0 < price.cache_read < price.prompt < price.completion
    assert price.cache_write >= price.prompt


@pytest.mark.parametrize("name", ["openai/no-such-model", "no-such-model", "openai/claude-sonnet-4-5", "openai/", ""])
def test_unknown_prices(name: str) -> None:
    assert price_of(name) is None


def write(folder: Path, content: object) -> Path:
    path = folder / "registry.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_missing_cache_prices_are_upper_bounds(tmp_path: Path) -> None:
    entry = {"input_cost_per_token": 4.0, "output_cost_per_token": 8}
    path = write(tmp_path, {"openai/own": entry, "anthropic/claude-own": entry, "half": {"input_cost_per_token": 1}})
    assert price_of("openai/own", path) == Price(4, 8, 4, 4)
    assert price_of("anthropic/claude-own", path) == Price(4, 8, 4, 5, cache_write_hour=8)
    assert price_of("half", path) is None


def test_a_registry_goes_before_the_shipped_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"gpt-4o": {"input_cost_per_token": 1, "output_cost_per_token": 2}})
    assert price_of("openai/gpt-4o", path) == Price(1, 2, 1, 1)
    monkeypatch.setenv("LITELLM_MODEL_REGISTRY_PATH", str(path))
    assert price_of("openai/gpt-4o") == Price(1, 2, 1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ([], "a model registry is an object"),
        ({"m": 1}, "the entry of 'm' must be an object"),
        ({"m": {"input_cost_per_token": "1"}}, "input_cost_per_token of 'm' must be a number"),
        ({"m": {"output_cost_per_token": -1}}, "output_cost_per_token of 'm' must be a number"),
        ({"m": {"cache_read_input_token_cost": True}}, "cache_read_input_token_cost of 'm' must be a number"),
        ('{"m": {"input_cost_per_token": NaN}}', "input_cost_per_token of 'm' must be a number"),
    ],
)
def test_bad_registries(tmp_path: Path, content: object, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(BadSettings) as caught:
        price_of("m", path)
    assert str(path) in str(caught.value) and message in str(caught.value)
    with pytest.raises(BadSettings, match="cannot be read"):
        price_of("m", tmp_path / "none.json")


def test_cost_counts_each_token_once() -> None:
    price = Price(prompt=1, completion=10, cache_read=0.1, cache_write=1.25)
    assert price.cost(Usage(2450, 30, 2000, 400)) == pytest.approx(50 + 200 + 500 + 300)


LONG = {
    "input_cost_per_token": 2e-6,
    "output_cost_per_token": 8e-6,
    "cache_read_input_token_cost": 2e-7,
    "cache_creation_input_token_cost": 2.5e-6,
    "input_cost_per_token_above_200k_tokens": 4e-6,
    "output_cost_per_token_above_200k_tokens": 12e-6,
    "cache_read_input_token_cost_above_200k_tokens": 4e-7,
    "cache_creation_input_token_cost_above_200k_tokens": 5e-6,
    "input_cost_per_token_above_512000_tokens": 8e-6,
    "litellm_provider": "openai",
    "mode": "chat",
}


@pytest.mark.parametrize("prompt", [10, 200_000, 200_001, 512_000, 700_000])
@pytest.mark.parametrize(("read", "written"), [(0, 0), (5, 3)])
def test_a_long_prompt_costs_what_litellm_says(tmp_path: Path, prompt: int, read: int, written: int) -> None:
    from codemonkeys.models.litellm_calls import load

    price = price_of("openai/long", write(tmp_path, {"openai/long": LONG}))
    assert price is not None
    if prompt <= 512_000 or not (read or written):  # Beyond, litellm takes the cache prices of a lower tier.
        litellm = load()
        litellm.register_model({"openai/long": LONG})
        usage = litellm.Usage(
            prompt_tokens=prompt,
            completion_tokens=7,
            total_tokens=prompt + 7,
            cache_read_input_tokens=read,
            cache_creation_input_tokens=written,
        )
        theirs = sum(litellm.cost_per_token("openai/long", usage_object=usage))
        assert price.cost(Usage(prompt, 7, read, written)) == pytest.approx(theirs)
    assert price.cost(Usage(prompt, 7, read, written)) <= price.at_most(prompt, 7) + 1e-12


def test_shipped_prices_know_long_prompts() -> None:
    price = price_of("gemini/gemini-2.5-pro")
    assert price is not None and price.of(200_001).prompt > price.of(200_000).prompt == price.prompt
