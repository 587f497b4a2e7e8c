"""Makes characters visible that would otherwise hide, reorder or colour what stands around them."""

from __future__ import annotations

import re

HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, direction marks and characters without a shape; tabs and line ends stay."""


def visible(text: str) -> str:
    """The text with hidden characters named: ESC as its symbol, a direction mark as `[U+202E]`. Adds no markup."""
    return HIDDEN.sub(_name, text)


def _name(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"
