"""All knowledge about single providers: what each gets, which key it needs, and what its refusals mean."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from codemonkeys.errors import BadSettings, UnusableModel
from codemonkeys.models.base import Message, Request
from codemonkeys.models.litellm_calls import client_type, load, silent
from codemonkeys.models.parameter_arguments import (
    is_claude,
    leaves_temperature_to_the_model,
    parameter_arguments,
    thinks,
)
from codemonkeys.system.text import valid_text
from codemonkeys.wording import option

CACHE_BREAKPOINTS = {
    **dict.fromkeys(
        ("", "anthropic", "azure_ai", "databricks", "litellm_proxy", "openrouter", "snowflake", "vertex_ai"),
        ("claude",),
    ),
    "bedrock": ("claude", "nova"),
    "dashscope": ("qwen",),
    "minimax": ("minimax",),
}
"""Families of models that take Anthropic's cache breakpoints, by provider, as far as litellm passes them on.

Not Gemini: litellm would make a cache of it by a request of its own, whose storage is on no bill of ours.
"""
HOUR_CACHES = frozenset({"", "anthropic", "bedrock", "openrouter"})
"""Providers that can be asked to keep what is cached for an hour."""
KEYED_CACHES = frozenset({"fireworks_ai", "openai"})
"""Providers that send equal keys to one machine, which has the beginning of the prompt in its cache."""
CACHE_WRITE = 1.25
"""Price of a token that is written to a cache at a breakpoint, relative to an uncached one."""
HOUR_WRITE = 2.0
"""The same for a token that Anthropic's cache keeps for an hour."""
FETCH_TOKENS = frozenset(
    {"bedrock", "databricks", "gigachat", "github_copilot", "oci", "sagemaker_chat", "sap", "vertex_ai", "watsonx"}
)
"""Providers for which litellm may read credentials from the network while it prepares a request, and so block."""
NO_KEY = "none"
"""Sent to an endpoint of the user's own when there is no key: the client insists on one."""

ASKING = frozenset({"user", "tool"})
"""Roles of the messages that are ours."""

OWN_CLIENT = frozenset(
    """aiohttp_openai aleph_alpha amazon_nova anthropic_text cloudflare cohere cohere_chat custom gradient_ai maritalk
    nlp_cloud oobabooga petals predibase replicate sagemaker text-completion-codestral triton vllm""".split()
)
"""Providers that litellm asks through clients of its own. Some send a request again when a connection breaks."""

TOO_MANY = frozenset({429, 529})
"""Too many requests of ours, or, as Anthropic says it, of all customers together."""
CONCERNS_EVERY_CALL = frozenset({401, 402, 403, 404})
"""A wrong key, an empty account, a model that may not be used or does not exist."""
DRAINED = "insufficient_quota"
"""How OpenAI and its likes mark the 429 of an account without money: waiting fills no account."""
OVERLOADED = ("overloaded_error",)
"""How providers mark a request that they turn away because all customers together send too many."""
FILTERED = ("content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation")
"""How providers mark the 400 of a prompt that their content filter rejects."""


def provider_of(name: str) -> str:
    """Provider of a litellm model name. Raises BadSettings."""
    litellm = load()
    try:
        return str(silent("litellm.litellm_core_utils.get_llm_provider_logic").get_llm_provider(name)[1])
    except litellm.BadRequestError:
        raise BadSettings(
            f"model {name!r} names no provider that litellm knows: write PROVIDER/NAME, such as "
            f"anthropic/NAME, or openai/NAME with {option('api_base')} for an endpoint of your own"
        ) from None


def check_route(name: str, provider: str) -> None:
    """Raise UnusableModel where litellm would not send through the client that we give it."""
    litellm = load()
    mode = litellm.model_cost.get(name, {}).get("mode")
    on_responses = provider == "azure" and (mode == "responses" or name.startswith("azure/responses/"))
    if provider in OWN_CLIENT or on_responses:
        route = "the Responses API of Azure" if on_responses else f"the provider {provider}"
        raise UnusableModel(f"model {name!r}: {unbookable(route)}")


def unbookable(route: str) -> str:
    """Why a route cannot be used, and what can."""
    return (
        f"litellm reaches {route} through a client of its own, which may send a request again without saying so, and "
        "what is charged for that could be on no bill. Name the model through another provider, or as openai/NAME with "
        f"{option('api_base')} if there is an address that speaks OpenAI's protocol"
    )


def missing_keys(name: str) -> list[str]:
    """Environment variables that must hold a key of the model's provider, but are not set or empty."""
    own = f"{provider_of(name).upper()}_API_KEY"
    if os.environ.get(own) == "":
        return [own]
    return list(load().validate_environment(name)["missing_keys"])


def arguments(
    name: str, request: Request, api_base: str | None, timeout: float, key: str | None = None
) -> dict[str, Any]:
    """Keyword arguments of `litellm.completion` for one request: all that a provider gets.

    What a stage asks for and a model does not know is dropped by litellm. `timeout`: seconds. `key`: of the user's
    choice, where it is not the one that litellm looks for.
    """
    found: dict[str, Any] = {
        "model": name,
        "messages": messages(name, request),
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "timeout": timeout,
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": True,
    }
    if request.tools:
        found["tools"] = [tool.chat() for tool in request.tools]
    if request.parameters.given():
        if leaves_temperature_to_the_model(name, request.parameters):
            del found["temperature"]
        found |= parameter_arguments(name, request.parameters)
    if api_base is not None:
        found["api_base"] = api_base
    if (cache_key := cache_key_of(name, request, api_base)) is not None:
        found["prompt_cache_key"] = cache_key
    if (key := key or key_for_endpoint(name, api_base)) is not None:
        found["api_key"] = key
    return found


def key_for_endpoint(name: str, api_base: str | None) -> str | None:
    """Key for an OpenAI-compatible endpoint of the user's own; None where litellm looks for the provider's key."""
    if api_base is None or prefix(name) != "openai":
        return None
    return os.environ.get("OPENAI_API_KEY") or NO_KEY


def messages(name: str, request: Request) -> list[dict[str, Any]]:
    """A request's messages, with cache breakpoints where the model takes them."""
    # Others do not want to see them, nor does Claude when it does not think.
    signs = (thinks(request.parameters) and is_claude(name)) or request.parameters.api == "responses"
    marked: set[int] = set()
    mark = {"type": "ephemeral"}
    if request.cache_hour and prefix(name) in HOUR_CACHES:
        mark["ttl"] = "1h"
    if request.cache and takes_breakpoints(name):
        numbered = list(enumerate(request.messages))
        marked.update(number for number, message in numbered if message.role == "system")
        marked.update(ends_of_turns(request.messages)[-2:])
    return [
        {
            "role": message.role,
            "content": breakpoint_after(content, mark)
            if number in marked
            else content or (None if message.calls else ""),
            **({"thinking_blocks": json.loads(message.thinking)} if message.thinking and signs else {}),
            **({"tool_calls": [call.chat() for call in message.calls]} if message.calls else {}),
            **({"tool_call_id": message.call_id} if message.call_id else {}),
        }
        for number, message in enumerate(request.messages)
        for content in [valid_text(message.content)]  # Names of files may hold bytes that no request can.
    ]


def ends_of_turns(messages: Sequence[Message]) -> list[int]:
    """Positions of the messages that models answer: of several results of tool calls, the last."""
    roles = [*(message.role for message in messages), "assistant"]
    pairs = enumerate(pairwise(roles))
    return [number for number, (role, following) in pairs if role in ASKING and following not in ASKING]


def breakpoint_after(content: str, mark: dict[str, str]) -> list[dict[str, Any]]:
    """A message's content that ends with a cache breakpoint."""
    return [{"type": "text", "text": content, "cache_control": dict(mark)}]


def takes_breakpoints(name: str) -> bool:
    """Whether a model caches what stands before a breakpoint."""
    return any(family in name.lower() for family in CACHE_BREAKPOINTS.get(prefix(name), ()))


def cache_key_of(name: str, request: Request, api_base: str | None) -> str | None:
    """A key that calls with the same beginning share, those of one task and stage; None where it would not help."""
    if not request.cache or api_base is not None or prefix(name) not in KEYED_CACHES:
        return None
    return hashlib.sha256(f"{request.key.task} {request.key.stage}".encode("utf-8", "replace")).hexdigest()[:32]


def prefix(name: str) -> str:
    """What a model name has before the first slash; empty without one."""
    return name.partition("/")[0] if "/" in name else ""


def cache_write_factor(name: str, litellm_provider: str | None) -> float:
    """Price of a token written to the cache, relative to an uncached one, where a price list does not say."""
    return CACHE_WRITE if is_anthropic(name, litellm_provider) or takes_breakpoints(name) else 1.0


def hour_write_factor(name: str, litellm_provider: str | None) -> float:
    """The same for a token that the cache keeps for an hour; 0 where that costs no more than any other."""
    return HOUR_WRITE if is_anthropic(name, litellm_provider) else 0.0


def is_anthropic(name: str, litellm_provider: str | None) -> bool:
    """Whether Anthropic's prices hold for a model."""
    return "claude" in name.lower() or litellm_provider == "anthropic"


def open_client(name: str, api_base: str | None, timeout: float, key: str | None = None, transport: Any = None) -> Any:
    """A client for calls to one model in the running event loop; `await client.close()` closes its connections.

    Keys and addresses are found where litellm finds them, unless a `key` is given. `timeout`: seconds. `transport`: of
    httpx, where requests are not to go to the network.
    """
    litellm, read = load(), os.environ.get
    if prefix(name) == "azure":
        return client_type()(timeout, partial(azure, name, api_base, key))
    _, _, found, base = litellm.get_llm_provider(name, api_base=api_base)
    key = key or found or key_for_endpoint(name, api_base)
    return client_type()(
        timeout,
        partial(
            importlib.import_module("openai").AsyncOpenAI,
            api_key=key or litellm.api_key or litellm.openai_key or read("OPENAI_API_KEY") or NO_KEY,
            base_url=base or litellm.api_base or read("OPENAI_BASE_URL") or read("OPENAI_API_BASE"),
            organization=litellm.organization or read("OPENAI_ORGANIZATION"),
            max_retries=0,
        ),
        transport,
    )


def azure(name: str, api_base: str | None, key: str | None, timeout: float, http_client: Any) -> Any:
    """A client of OpenAI's for Azure."""
    from litellm.llms.azure.common_utils import BaseAzureLLM
    from openai import AsyncAzureOpenAI

    class Client(AsyncAzureOpenAI):
        """litellm keeps any client for Azure that it is given in its cache, unless that is too large.

        There, a host program's next call would find it, closed perhaps.
        """

        def __sizeof__(self) -> int:
            return sys.maxsize

    litellm, read = load(), os.environ.get
    found = BaseAzureLLM().initialize_azure_sdk_client(
        {"max_retries": 0, "timeout": timeout},
        key or litellm.api_key or litellm.azure_key or read("AZURE_OPENAI_API_KEY") or read("AZURE_API_KEY"),
        api_base or litellm.api_base or read("AZURE_API_BASE"),
        name,
        litellm.api_version or read("AZURE_API_VERSION"),
        is_async=True,
    )
    return Client(**{**found, "http_client": http_client})
