"""Text from outside that may be none."""

from __future__ import annotations

import re

HALF = re.compile("[\ud800-\udfff]")


def valid_text(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which neither UTF-8 nor a database can hold.

    A cut emoji in JSON leaves one, and so does each byte of a command line that is not UTF-8.
    """
    return text if text.isascii() else HALF.sub("\ufffd", text)
