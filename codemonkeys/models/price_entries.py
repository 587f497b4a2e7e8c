"""Reads an entry of a price list, as litellm has it, into a Price."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from codemonkeys.models.billing import number
from codemonkeys.models.price import OffPeak, Price
from codemonkeys.models.providers import cache_write_factor, hour_write_factor

Entry = Mapping[str, Any]

PROMPT, COMPLETION = "input_cost_per_token", "output_cost_per_token"
CACHE_READ, CACHE_WRITE = "cache_read_input_token_cost", "cache_creation_input_token_cost"
PRICES = (PROMPT, COMPLETION, CACHE_READ, CACHE_WRITE)
REASONING = "output_cost_per_reasoning_token"
HOUR = "cache_creation_input_token_cost_above_1hr"
FIELDS = {
    PROMPT: "prompt",
    COMPLETION: "completion",
    CACHE_READ: "cache_read",
    CACHE_WRITE: "cache_write",
    REASONING: "reasoning",
}
SERVICES = ("flex", "priority", "balanced", "ultrafast", "batches")
"""Service tiers that have prices of their own."""
INCLUSIVE = frozenset({"xai"})
"""Providers whose higher price holds from the threshold on, not only beyond it."""
WINDOW = re.compile(r"\s*(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s*")


def read_price(model: str, entry: Entry) -> Price | None:
    """The price that an entry states; None if it lacks what a token costs. A missing cache price is an upper bound."""
    if isinstance(entry.get("tiered_pricing"), list):
        price = tiered(model, entry)
    else:
        price = long_prompts(entry, plain(model, entry), "")
    if price is None:
        return None
    services = tuple((name, dearer) for name in SERVICES if (dearer := service(entry, price, name)) is not None)
    factors = entry.get("provider_specific_entry")
    return replace(
        price,
        services=services,
        off_peak=off_peak(entry),
        factors=tuple(
            (str(name).lower(), factor)
            for name, value in (factors.items() if isinstance(factors, Mapping) else ())
            if (factor := number(value)) is not None
        ),
    )


def plain(model: str, entry: Entry) -> Price | None:
    """The price without any condition."""
    prompt, completion, cache_read, cache_write = (entry.get(name) for name in PRICES)
    if prompt is None or completion is None:
        return None
    provider, hour = entry.get("litellm_provider"), entry.get(HOUR)
    if cache_write is None:
        cache_write = prompt * cache_write_factor(model, provider)
    if hour is None and cache_write < prompt * hour_write_factor(model, provider):
        hour = prompt * hour_write_factor(model, provider)
    # litellm would take a missing price as 0: a gift that no provider makes.
    read = prompt if cache_read is None else cache_read
    return Price(prompt, completion, read, cache_write, reasoning=entry.get(REASONING), cache_write_hour=hour)


def long_prompts(entry: Entry, base: Price | None, suffix: str) -> Price | None:
    """A price with those that hold from a length of the prompt on, as litellm reads its list.

    A price that such a tier lacks is that of the tier before it; of the cache, as much dearer as that of the prompt.
    """
    if base is None:
        return None
    named = re.compile(rf"{PROMPT}_above_(\d+)(k?)_tokens(?:{suffix})?")
    found = {
        int(match[1]) * (1000 if match[2] else 1): f"_above_{match[1]}{match[2]}_tokens"
        for name in entry
        if (match := named.fullmatch(name)) and entry[name] is not None
    }
    tiers, before = [], base
    for threshold, ending in sorted(found.items()):
        given = {name: entry.get(name + ending + suffix, entry.get(name + ending)) for name in (*PRICES, HOUR)}
        before = step(before, given)
        tiers.append((threshold - (entry.get("litellm_provider") in INCLUSIVE), before))
    return replace(base, tiers=tuple(tiers))


def step(before: Price, given: Mapping[str, float | None]) -> Price:
    """A price after another one, of which it changes what is given."""
    prompt, completion, cache_read, cache_write, hour = (given.get(name) for name in (*PRICES, HOUR))
    prompt = before.prompt if prompt is None else prompt
    dearer = max(1.0, prompt / before.prompt if before.prompt else 1.0)
    output = before.completion if completion is None else completion
    louder = output / before.completion if before.completion else 1.0
    reasoning = given.get(REASONING)
    if reasoning is None and before.reasoning is not None:
        reasoning = before.reasoning * louder
    if hour is None and before.cache_write_hour is not None:
        hour = before.cache_write_hour * dearer
    return Price(
        prompt,
        output,
        before.cache_read * dearer if cache_read is None else cache_read,
        before.cache_write * dearer if cache_write is None else cache_write,
        reasoning=reasoning,
        cache_write_hour=hour,
    )


def service(entry: Entry, base: Price, name: str) -> Price | None:
    """The price of a service tier; None if the entry has none of its own."""
    suffix = f"_{name}"
    given = {each: entry.get(each + suffix) for each in (*PRICES, REASONING, HOUR)}
    if given[PROMPT] is None and given[COMPLETION] is None:
        return None
    prompt = given[PROMPT]
    if prompt is not None and base.prompt:
        # A cache price that no tier states follows the prompt's.
        for each, standard in ((CACHE_READ, base.cache_read), (CACHE_WRITE, base.cache_write)):
            if entry.get(each) is None and given[each] is None:
                given[each] = standard * prompt / base.prompt
    return long_prompts(entry, step(replace(base, tiers=()), given), suffix)


def tiered(model: str, entry: Entry) -> Price | None:
    """The price of `tiered_pricing`: the whole call costs what the tier says that its prompt ends in."""
    steps: list[tuple[int, Price]] = []
    for tier in entry["tiered_pricing"]:
        reach = tier.get("range")
        price = plain(model, {**{name: entry.get(name) for name in (COMPLETION, "litellm_provider")}, **tier})
        if price is None or not isinstance(reach, list) or len(reach) != 2:
            return None
        steps.append((round(reach[0]), price))
    if not steps:
        return None
    (_, base), *more = sorted(steps, key=lambda step: step[0])
    return replace(base, tiers=tuple(more))


def off_peak(entry: Entry) -> OffPeak | None:
    """When an entry has other prices, and which; None if it has none, or none that can be read."""
    block = entry.get("off_peak_pricing")
    if not isinstance(block, Mapping):
        return None
    rates = tuple((field, rate) for name, field in FIELDS.items() if (rate := number(block.get(name))) is not None)
    calendar = block.get("weekday_timezone") or "UTC"
    try:
        ZoneInfo(calendar)
    except (ValueError, KeyError, OSError, TypeError):
        return None
    rules = block.get("windows")
    windows = tuple(
        window
        for rule in (block, *(rules if isinstance(rules, list) else ()))
        if isinstance(rule, Mapping)
        for window in read_windows(rule)
    )
    return OffPeak(windows, rates, calendar) if windows and rates else None


def read_windows(rule: Entry) -> Iterator[tuple[frozenset[int] | None, int, int]]:
    """The windows of one rule; what cannot be read is none."""
    days, hours = rule.get("weekdays"), rule.get("hours_utc")
    for text in hours if isinstance(hours, list) else [hours]:
        if isinstance(text, str) and (days is None or isinstance(days, list)) and (match := WINDOW.fullmatch(text)):
            start, start_minute, end, end_minute = map(int, match.groups())
            chosen = None if days is None else frozenset(day for day in days if isinstance(day, int))
            yield chosen, start * 60 + start_minute, end * 60 + end_minute
