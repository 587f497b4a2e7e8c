"""What the reasons mean with which providers say that an answer ended, in the words of every interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Ending = Literal["stop", "length", "filtered", "refused", "error", "broken"]

ENDINGS: Mapping[Ending, frozenset[str]] = {
    "length": frozenset(
        """length max_tokens max_length max_output_tokens max_completion_tokens max_context_length model_length
        model_context_window_exceeded context_window_exceeded incomplete""".split()
    ),
    "filtered": frozenset(
        """content_filter content_filtered content_policy content_policy_violation safety prohibited_content blocklist
        spii recitation guardrail_intervened guardrails sensitive language image_safety""".split()
    ),
    "refused": frozenset({"refusal", "refused"}),
    "error": frozenset({"error"}),
    "broken": frozenset(
        """server_error engine_error network_error insufficient_system_resource failed cancelled abort aborted
        malformed_response""".split()
    ),
}
"""By what it means: `length`: cut at a limit; `broken`: the provider failed before the answer was whole, for a reason
that may pass; `error`: it was not whole, and nobody says why."""
ENDING_OF_WORD: Mapping[str, Ending] = {word: ending for ending, words in ENDINGS.items() for word in words}


def ending_of(reason: object) -> Ending:
    """What a reason means, whatever its spelling; `stop` for one that is unknown or missing."""
    return ENDING_OF_WORD.get(str(reason or "").lower().replace("-", "_"), "stop")


def reason_in(said: Mapping[str, Any]) -> object:
    """The reason that a provider's record gives in an interface other than chat completions; None without one."""
    if "stop_reason" in said or "stopReason" in said:  # Anthropic; Bedrock
        return said.get("stop_reason") or said.get("stopReason")
    if isinstance(details := said.get("incomplete_details"), Mapping):  # OpenAI's Responses API
        return details.get("reason") or "incomplete"
    if said.get("object") == "response":
        return said.get("status")
    candidates = said.get("candidates")  # Gemini
    if isinstance(candidates, list) and candidates and isinstance(candidates[0], Mapping):
        return candidates[0].get("finishReason")
    return None
