"""Whether settings are those that a run, or a named choice, was begun with, and where they differ."""

from __future__ import annotations

from reprlib import repr as brief
from typing import Any

from codemonkeys.settings.model_settings import decisive

NEW_SECTIONS = frozenset({"agent", "compute", "search"})
"""Sections of the settings that earlier versions did not have; a run of theirs goes on without them."""


def difference(stored: dict[str, Any], given: dict[str, Any]) -> str | None:
    """What differs, as a phrase with both values; None if a session may go on with these settings."""
    was, now_asked = deciding(stored), deciding(given)
    names = {*was, *now_asked} - (NEW_SECTIONS - was.keys())
    differing = sorted(k for k in names if not same(k, was.get(k), now_asked.get(k)))
    if not differing:
        return None
    where, before, after = first_difference(differing[0], was.get(differing[0]), now_asked.get(differing[0]))
    return f"a different {', '.join(differing)} ({where} was {brief(before)}, is now {brief(after)})"


def deciding(settings: dict[str, Any]) -> dict[str, Any]:
    """What of a run's settings decides its results, and so must not change."""
    kept = {name: value for name, value in settings.items() if name != "operation"}
    return {**kept, "models": decisive(settings.get("models") or {})}


def same(name: str, stored: Any, asked: Any) -> bool:
    """Whether a setting is as it was; each parameter of a model counts, also one that was not given then."""
    return bool(stored == asked) if name == "models" else agrees(stored, asked)


def first_difference(where: str, stored: Any, asked: Any) -> tuple[str, Any, Any]:
    """The innermost setting that differs, with both values, to keep the message short."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        names = [name for name in {**stored, **asked} if not agrees(stored.get(name), asked.get(name))]
        if names:
            return first_difference(f"{where}.{names[0]}", stored.get(names[0]), asked.get(names[0]))
    if isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked):
        number = next(n for n, (one, other) in enumerate(zip(stored, asked, strict=True)) if one != other)
        return first_difference(f"{where}.{number + 1}", stored[number], asked[number])
    return where, stored, asked


def agrees(stored: Any, asked: Any) -> bool:
    """Whether settings match those a run was started with; settings that its version did not have are ignored."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        return all(agrees(value, asked.get(name)) for name, value in stored.items())
    return bool(stored == asked)
