"""What models cost: litellm's price list, and registry files of the user's own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadSettings
from codemonkeys.models.base import Price
from codemonkeys.models.providers import cache_write_factor
from codemonkeys.models.tokens import litellm_folder

REGISTRY_VARIABLE = "LITELLM_MODEL_REGISTRY_PATH"
PRICES = (
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
)
LONG_PROMPT = re.compile(r"input_cost_per_token_above_(\d+)(k?)_tokens")
"""How litellm names what a token costs once the prompt is longer than so many."""


def price_of(model: str, registry: Path | None = None) -> Price | None:
    """US dollars per token of a litellm model name; None if nobody knows.

    `registry`: a JSON file of {model: {input_cost_per_token, ...}} that is asked before litellm's list; without it the
    file that LITELLM_MODEL_REGISTRY_PATH names, if any. A missing cache price is taken as an upper bound.
    Raises BadSettings.
    """
    path = registry or (Path(os.environ[REGISTRY_VARIABLE]) if os.environ.get(REGISTRY_VARIABLE) else None)
    entry = (find(model, read_registry(path)) if path else None) or find(model, shipped_prices())
    if entry is None:
        return None
    prompt, completion, cache_read, cache_write = (entry.get(name) for name in PRICES)
    if prompt is None or completion is None:
        return None
    if cache_write is None:
        cache_write = prompt * cache_write_factor(model, entry.get("litellm_provider"))
    # litellm would take a missing price as 0: a gift that no provider makes.
    base = Price(prompt, completion, prompt if cache_read is None else cache_read, cache_write)
    return replace(base, tiers=tuple(tiers_of(entry, base)))


def tiers_of(entry: Mapping[str, Any], base: Price) -> Iterator[tuple[int, Price]]:
    """(tokens, price) for each length of prompt from which on another price holds, as litellm reads its list.

    A price that a tier lacks is that of the tier before it; of the cache, scaled as that of the prompt.
    """
    found = [match for name in entry if (match := LONG_PROMPT.fullmatch(name)) and entry[name] is not None]
    before = base
    for match in sorted(found, key=threshold):
        ending = match.group().removeprefix("input_cost_per_token")
        prompt, completion, cache_read, cache_write = (entry.get(name + ending) for name in PRICES)
        assert prompt is not None
        dearer = prompt / before.prompt if before.prompt else 1.0
        before = Price(
            prompt,
            before.completion if completion is None else completion,
            before.cache_read * dearer if cache_read is None else cache_read,
            before.cache_write * dearer if cache_write is None else cache_write,
        )
        yield threshold(match), before


def threshold(match: re.Match[str]) -> int:
    """Tokens of the prompt that a name in litellm's list speaks of."""
    return int(match[1]) * (1000 if match[2] else 1)


def find(model: str, entries: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The entry of a model: under its whole name, or without the provider if the entry is that provider's."""
    if model in entries:
        return entries[model]
    provider, _, name = model.partition("/")
    entry = entries.get(name)
    if entry is not None and str(entry.get("litellm_provider", provider)).startswith(provider):
        return entry
    return None


@cache
def shipped_prices() -> Mapping[str, Mapping[str, Any]]:
    """The price list inside the installed litellm."""
    path = litellm_folder() / "model_prices_and_context_window_backup.json"
    entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def read_registry(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Read and check a registry file. Raises BadSettings with the path and what is wrong."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{path}: the model registry cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"{path}: the model registry is not JSON: {error}") from None
    if not isinstance(entries, dict):
        raise BadSettings(f'{path}: a model registry is an object {{"MODEL": {{"input_cost_per_token": ...}}}}')
    for model, entry in entries.items():
        if not isinstance(entry, dict):
            raise BadSettings(f"{path}: the entry of {model!r} must be an object with {', '.join(PRICES)}")
        for name in [name for name in entry if name in PRICES or name.startswith(tuple(f"{p}_above_" for p in PRICES))]:
            value = entry[name]
            if value is not None and not (type(value) in (int, float) and 0 <= value < float("inf")):
                raise BadSettings(f"{path}: {name} of {model!r} must be a number of US dollars, not {value!r}")
    return entries
