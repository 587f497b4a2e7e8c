"""Parameters of a model's calls: what shapes its answers, and how it is reached."""

from __future__ import annotations

import json
from typing import Any, Literal, cast

from pydantic import Field, field_validator

from codemonkeys.redact import SECRET_NAME
from codemonkeys.settings.section import Section

CONNECTION = ("call_seconds", "api_base", "key_variable")
"""Parameters that say how a model is reached, not what it answers: they may change when a run is resumed."""
FIXED_FIELDS = {
    "model": "selection.model or another setting that names a model",
    "messages": "a template",
    "input": "a template",
    "instructions": "a template",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "service_tier": "service_tier",
    "n": "generation.samples",
    "best_of": "generation.samples",
    "stream": "nothing: answers are read whole",
    "background": "nothing: answers are read whole",
}
"""Fields of a request that the budget or the journal relies on, and what sets them instead."""
KEY_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})


class ModelSettings(Section):
    """Parameters of one model or role; what is not given is left to the stage or the provider."""

    effort: str | None = Field(None, pattern=r"^[a-z]+$")
    """How hard a reasoning model thinks, as its provider names it: `low`, `medium`, `high`, ..."""
    thinking_tokens: int | None = Field(None, ge=1)
    """Maximum tokens to think with, where the provider takes a number; they are added to the stage's answer length."""
    temperature: float | None = Field(None, ge=0, le=2)
    """Sampling temperature, in place of that of the stage."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Share of the probability mass that tokens are sampled from."""
    max_tokens: int | None = Field(None, ge=1)
    """Maximum answer length in tokens, thinking included, in place of that of the stage."""
    service_tier: str | None = Field(None, min_length=1)
    """Service tier, as the provider names it, such as `flex` or `priority`."""
    api: Literal["chat", "responses"] | None = None
    """`chat`: chat completions, the default; `responses`: OpenAI's Responses API."""
    extra_body: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further fields of the request's body."""
    extra_headers: dict[str, str] = Field(default_factory=dict[str, str])
    """Further headers of the request; no keys, which belong into the environment."""
    call_seconds: float | None = Field(None, gt=0)
    """Timeout of one call in seconds, in place of operation.call_seconds."""
    api_base: str | None = None
    """Base URL of an OpenAI-compatible endpoint, in place of operation.api_base."""
    key_variable: str | None = None
    """Environment variable that holds the key, in place of operation.key_variable."""

    @field_validator("extra_body")
    @classmethod
    def _leaves_what_is_relied_on(cls, body: dict[str, Any]) -> dict[str, Any]:
        for name in body:
            if name in FIXED_FIELDS:
                raise ValueError(f"{name} cannot be set here; set {FIXED_FIELDS[name]} instead")
        try:
            # As JSON has it, which the run stores: keys of YAML may be none of its strings.
            return cast(dict[str, Any], json.loads(json.dumps(body, allow_nan=False)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"not JSON: {error}") from None

    @field_validator("extra_headers")
    @classmethod
    def _holds_no_key(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if name.lower() in KEY_HEADERS:
                raise ValueError(f"{name} would be stored with the run; name a variable in key_variable instead")
            if not (name.isascii() and name.isprintable() and value.isprintable()):
                raise ValueError("names and values of headers must be printable")
        return headers

    @field_validator("key_variable")
    @classmethod
    def _is_kept_secret(cls, name: str | None) -> str | None:
        return checked_variable(name)

    def given(self) -> dict[str, Any]:
        """The parameters that are given, by name, JSON-able."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value not in (None, {})}


def checked_variable(name: str | None) -> str | None:
    """The name of a variable for a key; raises ValueError if its value would not be kept out of what is stored."""
    if name is not None and not SECRET_NAME.search(name):
        raise ValueError(
            "only variables that are named like a secret are kept out of what is stored and shown: "
            "choose a name that ends in _KEY or _TOKEN"
        )
    return name


def decisive(models: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Stored parameters without those of connections: what must not change when a run is resumed."""
    found = {
        name: {key: value for key, value in of.items() if key not in CONNECTION and value not in (None, {})}
        for name, of in models.items()
    }
    return {name: of for name, of in found.items() if of}
