"""Counts tokens by a vocabulary that litellm ships: no network, and litellm itself is not imported."""

from __future__ import annotations

import os
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

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

    variable = "TIKTOKEN_CACHE_DIR"
    before = os.environ.get(variable)
    os.environ[variable] = str(litellm_folder() / "litellm_core_utils" / "tokenizers")
    try:
        return get_encoding("cl100k_base")
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def litellm_folder() -> Path:
    """Where litellm is installed; importing it takes seconds, this does not."""
    spec = find_spec("litellm")
    assert spec is not None and spec.origin is not None, "litellm is a dependency of codemonkeys"
    return Path(spec.origin).parent
