"""Prices that depend on the answer: by its service tier, place, speed, time, length, and what the provider charged."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.models.answers import read_answer
from codemonkeys.models.base import Price, Usage
from codemonkeys.models.billing import reported_cost
from codemonkeys.models.price import cost_of
from codemonkeys.models.prices import price_of, shipped_prices

PEAK = datetime(2026, 11, 27, 2, 30, tzinfo=UTC)  # A Friday.


def priced(tmp_path: Path, **entry: Any) -> Price:
    path = tmp_path / "registry.json"
    path.write_text(json.dumps({"m": {"input_cost_per_token": 1.0, "output_cost_per_token": 10.0, **entry}}))
    price = price_of("m", path)
    assert price is not None
    return price


def test_the_service_tier_that_answered_is_paid(tmp_path: Path) -> None:
    rates = {"input_cost_per_token_priority": 2, "output_cost_per_token_priority": 20, "input_cost_per_token_flex": 0.5}
    price = priced(tmp_path, **rates, output_cost_per_token_flex=5)
    costs = {
        tier: price.cost(Usage(3, 1, raw={"service_tier": tier})) for tier in ("default", "priority", "fast", "flex")
    }
    assert costs == {"default": 13, "priority": 26, "fast": 26, "flex": 6.5}
    # Whoever leaves the tier to the provider may be served at any; flex may not be had, priority not be asked for.
    bounds = {tier: price.at_most(3, 1, tier) for tier in (None, "auto", "default", "flex", "priority")}
    assert bounds == {None: 26, "auto": 26, "default": 13, "flex": 13, "priority": 26}


def test_the_tier_that_openai_tells_beside_the_usage_is_read(tmp_path: Path) -> None:
    choice = {"finish_reason": "stop", "message": {"content": "Hello."}}
    record = {"choices": [choice], "service_tier": "priority", "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    usage = read_answer(record, "call", "m", 0.0).usage
    price = priced(tmp_path, input_cost_per_token_priority=2, output_cost_per_token_priority=20)
    assert usage is not None and price.cost(usage) == 26


def test_a_region_and_a_speed_multiply_the_whole_call() -> None:
    price = price_of("claude-opus-5")
    assert price is not None
    plain = price.cost(Usage(1_000, 100))
    assert price.cost(Usage(1_000, 100, raw={"inference_geo": "us"})) == pytest.approx(1.1 * plain)
    assert price.cost(Usage(1_000, 100, raw={"inference_geo": "global", "speed": "fast"})) == pytest.approx(2 * plain)
    most = price.at_most(1_000, 100, caches=False)
    assert most >= 1.1 * plain and price.at_most(1_000, 100, caches=False, fast=True) == pytest.approx(2 * most)


@pytest.mark.parametrize(
    ("moment", "is_cheap"),
    [
        (PEAK, False),
        (PEAK.replace(hour=4, minute=0), True),
        (PEAK.replace(hour=6, minute=0), False),
        (PEAK.replace(hour=23), True),
        (PEAK.replace(hour=0, minute=59), True),
        (PEAK + timedelta(days=1), True),
    ],
)
def test_off_peak_is_by_the_time_of_the_answer(moment: datetime, is_cheap: bool) -> None:
    price = price_of("deepseek/deepseek-v4-pro")
    assert price is not None
    dear = price.cost(Usage(1_000, 100))
    assert price.cost(Usage(1_000, 100), moment) == pytest.approx(dear / 2 if is_cheap else dear)
    zone = moment.astimezone(datetime.now().astimezone().tzinfo)
    assert price.cost(Usage(1_000, 100), zone) == price.cost(Usage(1_000, 100), moment)
    assert price.at_most(1_000, 100) >= dear


def test_weekdays_are_those_of_the_providers_calendar(tmp_path: Path) -> None:
    """At 17 o'clock UTC on a Friday it is Saturday in Shanghai."""
    window = {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}
    block = {"input_cost_per_token": 0.5, "windows": [window], "weekday_timezone": "Asia/Shanghai"}
    price = priced(tmp_path, off_peak_pricing=block)
    assert [price.cost(Usage(2), PEAK.replace(hour=hour)) for hour in (15, 17)] == [2, 1]


@pytest.mark.parametrize(
    "block",
    [1, {}, {"hours_utc": "never"}, {"hours_utc": 3, "weekdays": 4}, {"windows": 5}, {"weekday_timezone": "X/Y"}],
)
def test_off_peak_prices_that_cannot_be_read_are_none(tmp_path: Path, block: Any) -> None:
    if isinstance(block, dict):
        block = {"input_cost_per_token": 0.5, **block}
    assert priced(tmp_path, off_peak_pricing=block).cost(Usage(2), PEAK) == 2


def test_the_whole_prompt_costs_what_the_tier_says_that_it_ends_in(tmp_path: Path) -> None:
    price = price_of("dashscope/qwen3-coder-plus")
    assert price is not None
    assert [price.of(tokens).prompt for tokens in (32_000, 32_001, 128_001, 2_000_000)] == [1e-6, 1.8e-6, 3e-6, 6e-6]
    assert price.of(200_000).cache_read == 3e-7 and price.of(200_000).completion == 1.5e-5
    tiers = [{"input_cost_per_token": "1", "output_cost_per_token": 1, "range": [0, 9]}]
    with pytest.raises(BadSettings, match="input_cost_per_token of 'm' must be a number"):
        priced(tmp_path, tiered_pricing=tiers)
    with pytest.raises(BadSettings, match="tiered_pricing of 'm' must be a list"):
        priced(tmp_path, tiered_pricing={"a": 1})


def test_hardly_a_chat_model_of_the_list_is_of_unknown_price() -> None:
    tiered = {name: e for name, e in shipped_prices().items() if "tiered_pricing" in e and e.get("mode") == "chat"}
    assert len(tiered) > 40 and all(price_of(name) is not None for name in tiered)


def test_reasoning_has_a_price_of_its_own() -> None:
    price = price_of("dashscope/qwen-plus-2025-07-28")
    assert price is not None
    assert price.cost(Usage(0, 100, reasoning_tokens=60)) == pytest.approx(40 * 1.2e-6 + 60 * 4e-6)
    assert price.at_most(0, 100) == pytest.approx(100 * 4e-6)


def test_what_the_cache_keeps_for_an_hour_costs_more() -> None:
    price = price_of("anthropic/claude-opus-4-6")
    assert price is not None
    raw = {"cache_creation": {"ephemeral_1h_input_tokens": 60, "ephemeral_5m_input_tokens": 40}}
    assert price.cost(Usage(100, 0, 0, 100, raw)) == pytest.approx(60 * 1e-5 + 40 * 6.25e-6)
    assert price.at_most(100, 0, caches=False) < price.at_most(100, 0) == pytest.approx(1.1 * 100 * 1e-5)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.3}, 0.3),
        ({"cost": 0.3, "cost_details": {"upstream_inference_cost": 0.3}, "is_byok": False}, 0.3),
        ({"cost": 0.01, "cost_details": {"upstream_inference_cost": 0.2}, "is_byok": True}, 0.21),
        ({"cost": 0.01, "is_byok": True}, None),
        ({"cost": 0, "cost_details": {"upstream_inference_cost": None}}, 0.0),
        ({"cost": 0}, None),
        ({"cost": {"total_cost": 0.4, "input_tokens_cost": 0.1}}, 0.4),
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ({"cost": "0.3"}, None),
        ({"cost": True}, None),
        ({"cost": float("nan")}, None),
        ({"cost": -1}, None),
        ({}, None),
    ],
)
def test_what_the_provider_says_it_charged(usage: dict[str, Any], cost: float | None) -> None:
    assert reported_cost(usage) == (None if cost is None else pytest.approx(cost))
    booked = Price(1.0).cost(Usage(7, raw=usage))
    assert booked == (7.0 if cost is None else pytest.approx(cost))
    assert cost_of(None, Usage(7, raw=usage), PEAK) == (None if cost is None else pytest.approx(cost))


@pytest.mark.slow
def test_costs_are_those_of_litellm_wherever_its_list_has_every_price() -> None:
    """Where a price of the cache is missing, litellm takes less, or the lower tier's."""
    from codemonkeys.models.litellm_calls import load

    litellm = load()
    from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token

    draw, compared = random.Random(1), 0
    special = ("tiered_pricing", "off_peak_pricing", "output_cost_per_reasoning_token")
    for name, entry in shipped_prices().items():
        ends = ("_flex", "_priority", "_above_1hr", *special)
        if entry.get("mode") not in ("chat", "responses") or not any(key.endswith(ends) for key in entry):
            continue
        price = price_of(name)
        if price is None:
            assert "input_cost_per_token" not in entry, name
            continue
        tier = draw.choice([None, "flex", "priority"])
        prompt = draw.choice([1_000, 128_000, 128_001, 200_001, 272_001, 600_000])
        read, written, reasoning = draw.randrange(prompt // 3), draw.randrange(prompt // 3), draw.randrange(500)
        kept = {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": written}
        ended = PEAK + timedelta(minutes=draw.randrange(14 * 24 * 60))
        theirs = sum(
            generic_cost_per_token(
                model=name,
                usage=litellm.Usage(
                    prompt_tokens=prompt,
                    completion_tokens=500,
                    total_tokens=prompt + 500,
                    cache_read_input_tokens=read,
                    cache_creation_input_tokens=written,
                    prompt_tokens_details={"cached_tokens": read, "cache_creation_token_details": kept},
                    completion_tokens_details={"reasoning_tokens": reasoning},
                ),
                custom_llm_provider=entry["litellm_provider"],
                service_tier=tier,
                current_time=ended,
            )
        )
        ours = price.by_tokens(Usage(prompt, 500, read, written, {"service_tier": tier}, reasoning), ended)
        assert theirs <= ours * (1 + 1e-9) or "tiered_pricing" in entry, (name, tier, prompt)
        assert ours <= price.at_most(prompt, 500, tier) * (1 + 1e-9), (name, tier, prompt)
        compared += theirs == pytest.approx(ours, rel=1e-9)
    assert compared > 250
