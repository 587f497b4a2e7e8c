"""Parameters of models in words, as a stored run has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from codemonkeys.redact import redact


def stored_parameters(settings: Mapping[str, Any]) -> list[str]:
    """A line for each role or model with parameters in the settings of a stored run."""
    models: Mapping[str, Mapping[str, Any]] = settings.get("models") or {}
    return [f"Parameters of {name}: {in_words(given)}" for name, given in models.items()]


def in_words(parameters: Mapping[str, Any]) -> str:
    """Parameters as `name=value, ...`, without secrets."""
    return redact(", ".join(f"{name}={shown(value)}" for name, value in parameters.items()))


def shown(value: Any) -> str:
    """A value as a setting would be written."""
    return value if isinstance(value, str) else json.dumps(value)
