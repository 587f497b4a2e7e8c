"""What models cost: litellm's price list, and registry files of the user's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadSettings
from codemonkeys.models.price import Price
from codemonkeys.models.price_entries import PRICES, REASONING, read_price
from codemonkeys.models.tokens import litellm_folder

REGISTRY_VARIABLE = "LITELLM_MODEL_REGISTRY_PATH"


def price_of(model: str, registry: Path | None = None) -> Price | None:
    """US dollars per token of a litellm model name; None if nobody knows.

    `registry`: a JSON file of {model: {input_cost_per_token, ...}} that is asked before litellm's list; without it the
    file that LITELLM_MODEL_REGISTRY_PATH names, if any. A missing cache price is taken as an upper bound.
    Raises BadSettings.
    """
    entry = entry_of(model, registry)
    return None if entry is None else read_price(model, entry)


def entry_of(model: str, registry: Path | None = None) -> Mapping[str, Any] | None:
    """What the registry file says of a model, else litellm's list; see `price_of`. Raises BadSettings."""
    path = registry_path(registry)
    return (find(model, read_registry(path)) if path else None) or find(model, shipped_prices())


def registry_path(registry: Path | None = None) -> Path | None:
    """The registry file that is given, else the one that the environment names, if any."""
    return registry or (Path(os.environ[REGISTRY_VARIABLE]) if os.environ.get(REGISTRY_VARIABLE) else None)


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
        for name, value in numbers_of(entry):
            if value is not None and not (type(value) in (int, float) and 0 <= value < float("inf")):
                raise BadSettings(f"{path}: {name} of {model!r} must be a number of US dollars, not {value!r}")
        tiers = entry.get("tiered_pricing") or []
        if not isinstance(tiers, list) or not all(isinstance(tier, dict) for tier in tiers):
            raise BadSettings(f"{path}: tiered_pricing of {model!r} must be a list of objects")
    return entries


def numbers_of(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each price of an entry, those of its tiers included."""
    tiers = entry.get("tiered_pricing")
    for part in (entry, *(tiers if isinstance(tiers, list) else ())):
        if isinstance(part, dict):
            yield from ((name, value) for name, value in part.items() if name.startswith((*PRICES, REASONING)))
