"""Counts tokens by a vocabulary that litellm ships: no network, and litellm itself is not imported."""

from __future__ import annotations

import re
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from codemonkeys.models.environment import environment

if TYPE_CHECKING:
    from tiktoken import Encoding

PIECE = 10_000
"""Characters encoded at once: the work grows faster than the length of a text without spaces."""

BLOCK = re.compile(r"\n(?=\S)")
"""No token has a line break and more of the next line than its indentation: what begins there is counted by itself."""
MOST_BLOCKS = 2**17
"""Counts kept: tens of megabytes."""

_loading = threading.Lock()
_counts: dict[tuple[int, int], int] = {}
"""Tokens of blocks by hash and length: prompts repeat files, and tasks repeat most of a repository. Not by hash alone,
which is that of a string's memory: U+200B has the bytes of U+000B and a blank."""


def count_tokens(text: str) -> int:
    """Tokens of a text in the cl100k vocabulary: an estimate for any model, text of special tokens included."""
    encoding = vocabulary()
    if len(_counts) > MOST_BLOCKS:
        _counts.clear()
    total = 0
    for at in range(0, len(text), PIECE):
        for block in blocks(text[at : at + PIECE]):
            key = hash(block), len(block)
            count = _counts.get(key)
            if count is None:
                count = _counts[key] = len(encoding.encode_ordinary(block))
            total += count
    return total


def blocks(text: str) -> list[str]:
    """A text cut before each line that is not indented."""
    first, *others = BLOCK.split(text)
    # The break belongs to the block before; where it stands in a token decides how many there are.
    return [first, *others] if not others else [f"{first}\n", *(f"{block}\n" for block in others[:-1]), others[-1]]


def vocabulary() -> Encoding:
    """The cl100k vocabulary, loaded once."""
    with _loading:
        return _load()


@cache
def _load() -> Encoding:
    from tiktoken import get_encoding

    with environment(TIKTOKEN_CACHE_DIR=str(vocabulary_folder())):
        return get_encoding("cl100k_base")


def vocabulary_folder() -> Path:
    """The vocabularies that litellm ships."""
    return litellm_folder() / "litellm_core_utils" / "tokenizers"


def litellm_folder() -> Path:
    """Where litellm is installed; importing it takes seconds, this does not."""
    spec = find_spec("litellm")
    assert spec is not None and spec.origin is not None, "litellm is a dependency of codemonkeys"
    return Path(spec.origin).parent
