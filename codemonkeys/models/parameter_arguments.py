"""What parameters of a model become in a request of litellm, and whether litellm knows them for that model."""

from __future__ import annotations

import inspect
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from codemonkeys.errors import BadSettings
from codemonkeys.models.litellm_calls import load
from codemonkeys.models.parameters import Parameters
from codemonkeys.wording import option

SPREAD = frozenset({"anthropic", "bedrock", "vertex_ai", ""})
"""Prefixes under which litellm takes further fields of a Claude model's body as arguments of their own."""
THINKING = "thinking"
NAMES = {
    "effort": "reasoning_effort",
    "thinking_tokens": THINKING,
    "temperature": "temperature",
    "top_p": "top_p",
    "service_tier": "service_tier",
}
"""Parameters by name, and what litellm calls them."""


def parameter_arguments(name: str, parameters: Parameters) -> dict[str, Any]:
    """Keyword arguments of `litellm.completion` for the parameters of a model that are given."""
    found = {argument: getattr(parameters, own) for own, argument in NAMES.items()}
    if parameters.thinking_tokens is not None:
        found[THINKING] = {"type": "enabled", "budget_tokens": parameters.thinking_tokens}
    found = {argument: value for argument, value in found.items() if value is not None}
    if parameters.extra_headers:
        found["extra_headers"] = dict(parameters.extra_headers)
    if parameters.extra_body:
        body = dict(parameters.extra_body)
        found.update(body if is_spread(name) else {"extra_body": body})
    return found


def leaves_temperature_to_the_model(name: str, parameters: Parameters) -> bool:
    """Whether a stage's temperature is not sent: Claude refuses any while it thinks."""
    return thinks(parameters) and parameters.temperature is None and is_claude(name)


def thinks(parameters: Parameters) -> bool:
    """Whether the model is asked to think."""
    return parameters.thinking_tokens is not None or parameters.effort not in (None, "none")


def is_spread(name: str) -> bool:
    """Whether litellm takes further fields of a model's body as arguments of their own."""
    return is_claude(name) and (name.partition("/")[0] if "/" in name else "") in SPREAD


def is_claude(name: str) -> bool:
    """Whether a model is one of Anthropic's, wherever it is hosted."""
    return "claude" in name.lower()


def check_known(name: str, provider: str, parameters: Parameters, max_tokens: int) -> None:
    """Raise BadSettings for a parameter that litellm would drop for this model, or refuse.

    `max_tokens`: of an answer, thinking included.
    """
    litellm: Any = load()
    asked = parameter_arguments(name, parameters)
    bare = name.removeprefix(f"{provider}/")
    known = frozenset(litellm.get_supported_openai_params(bare, custom_llm_provider=provider) or ())
    for own, argument in NAMES.items():
        if argument in asked and argument not in known:
            raise unknown(name, own)
    if is_spread(name) and (taken := sorted(own_arguments() & parameters.extra_body.keys())):
        raise BadSettings(
            f"settings: models: {name}: extra_body cannot hold {', '.join(taken)} here, which litellm takes for itself"
        )
    mapped = {
        argument: asked[argument] for argument in ("reasoning_effort", THINKING, "temperature") if argument in asked
    }
    if not mapped:
        return
    try:
        sent = litellm.get_optional_params(
            model=bare, custom_llm_provider=provider, max_tokens=max_tokens, drop_params=True, **mapped
        )
    except litellm.BadRequestError as error:
        raise BadSettings(f"settings: models: {name}: {error.message}") from None
    if "temperature" in mapped and "temperature" not in sent:
        raise unknown(name, "temperature")
    budget = sent.get(THINKING)
    most = budget.get("budget_tokens") if isinstance(budget, dict) else None
    if isinstance(most, int) and most >= max_tokens:
        raise BadSettings(
            f"settings: models: {name} thinks with up to {most} tokens at this effort, but an answer has at most "
            f"{max_tokens}, thinking included: raise max_tokens, such as to {most + max_tokens}, or lower effort"
        )


def unknown(name: str, parameter: str) -> BadSettings:
    """The error for a parameter that would be dropped."""
    return BadSettings(
        f"settings: models: {name} takes no such {parameter}, as far as litellm {version('litellm')} knows: leave it "
        "out for this model, or give the field that its provider has for it in extra_body"
    )


def check_chat(name: str, provider: str) -> None:
    """Raise BadSettings for a model that litellm asks by the Responses API, as it would by a client of its own."""
    litellm: Any = load()
    bare = name.removeprefix(f"{provider}/")
    mode = None
    with suppress(Exception):  # litellm raises a bare one for a model that it does not know
        mode = litellm.get_model_info(bare, custom_llm_provider=provider).get("mode")
    if mode == "responses":
        raise BadSettings(
            f"settings: models: {name} answers by the Responses API only: set api to responses for it, such as "
            f"{option('config')} 'models={{{name}: {{api: responses}}}}'"
        )


def check_takes_tools(name: str, provider: str) -> None:
    """Raise BadSettings for a model to which litellm sends no tools."""
    litellm: Any = load()
    known = litellm.get_supported_openai_params(name.removeprefix(f"{provider}/"), custom_llm_provider=provider) or ()
    if "tools" not in known:
        raise BadSettings(
            f"settings: agent.calls=tools: {name} takes no tools, as far as litellm {version('litellm')} knows: set "
            "agent.calls to text, or leave it at auto"
        )


def own_arguments() -> frozenset[str]:
    """Names of arguments that litellm does not send as they are."""
    from litellm.types.utils import all_litellm_params

    return frozenset({*inspect.signature(inspect.unwrap(load().completion)).parameters, *all_litellm_params})
