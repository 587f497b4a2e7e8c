"""Whether litellm is kept quiet in this process. Saying so loads nothing: most commands never load litellm."""

from __future__ import annotations

import sys
from types import ModuleType

TYPES_OF_LITELLM = "(Items?|Extra items) .*on TypedDict class .* using the .ReadOnly. qualifier"
"""Of this pydantic warns when it first reads them, in the middle of a call."""
_is_silenced = False


def silence() -> None:
    """Keep litellm quiet in this process. For our own command line; a program that imports us decides for itself."""
    global _is_silenced
    _is_silenced = True
    litellm = sys.modules.get("litellm")
    if litellm is not None:
        hush(litellm)


def hush(litellm: ModuleType | None = None) -> None:
    """Silence litellm if this process has chosen so. `litellm`: the module once it is loaded; else what is before."""
    if not _is_silenced:
        return
    import logging
    import warnings

    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", TYPES_OF_LITELLM, UserWarning)
    if litellm is not None:
        litellm.suppress_debug_info = True  # type: ignore[attr-defined]
