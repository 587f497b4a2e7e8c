"""Counts tokens by a vocabulary that litellm ships: no network, and litellm itself is not imported."""

from __future__ import annotations

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

_loading = threading.Lock()


def count_tokens(text: str) -> int:
    """Tokens of a text in the cl100k vocabulary: an estimate for any model, text of special tokens included."""
    encoding = vocabulary()
    return sum(len(encoding.encode_ordinary(text[at : at + PIECE])) for at in range(0, len(text), PIECE))


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
