"""What a model tells of its reasoning beside the answer, in the fields that providers have for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

TEXTS = ("thinking", "text", "summary")
"""Names under which a part of the reasoning may hold its text."""

SIGNATURES = ("signature", "encrypted_content")
"""Names under which a provider gives what it wants back unchanged."""


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The reasoning of an answer's message as text; empty if it has none, or none that can be read."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(said := message.get(name), str) and said:
            return said
    for name in ("thinking_blocks", "reasoning_details"):
        if texts := [text for part in parts(message.get(name)) if (text := text_of(part))]:
            return "\n\n".join(texts)
    return ""


def signed_thinking(message: Mapping[str, Any]) -> str:
    """Thinking blocks that the provider has signed, to be sent back unchanged, as JSON; empty without a signature."""
    blocks = parts(message.get("thinking_blocks"))
    signed = [block for block in blocks if any(map(block.get, SIGNATURES)) or block.get("type") == "redacted_thinking"]
    return json.dumps(blocks) if blocks and len(signed) == len(blocks) else ""


def parts(found: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; none of anything else."""
    return [part for part in found if isinstance(part, Mapping)] if isinstance(found, list) else []


def text_of(part: Mapping[str, Any]) -> str:
    """The text of a part of the reasoning."""
    return next((text for name in TEXTS if isinstance(text := part.get(name), str) and text), "")
