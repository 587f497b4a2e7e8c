"""OpenAI's Responses API through litellm, read as if a chat completion had answered.

Goes past `litellm.aresponses`, whose decorator would price the call and show it to callbacks, and which needs a package
that litellm does not install. As in `litellm_calls`, no global is set, and each request is one of our client's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from codemonkeys.errors import BadSettings
from codemonkeys.models.litellm_calls import load, log_type, silent

RENAMED = {"max_tokens": "max_output_tokens", "messages": "input"}
SENT = ("temperature", "top_p", "service_tier", "max_output_tokens")
USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
"""Fields of a chat completion's usage, and what they are called here."""


def check_responses(name: str, provider: str) -> None:
    """Raise BadSettings where litellm does not reach a model by the Responses API."""
    try:
        config = config_of(name, provider)
        handler_of()
    except ImportError as error:
        what = error.name or str(error)
        raise BadSettings(
            f"settings: models: {name}: litellm {version('litellm')} lacks {what} for the Responses API: install "
            f"{what.partition('.')[0]}, or leave api=responses out"
        ) from None
    if config is None:
        raise BadSettings(
            f"settings: models: {name}: litellm {version('litellm')} knows no Responses API of {provider}: leave "
            "api=responses out"
        )


def config_of(name: str, provider: str) -> Any:
    """What litellm knows of a provider's Responses API; None if it has none. Raises ImportError."""
    load()
    from litellm.types.utils import LlmProviders
    from litellm.utils import ProviderConfigManager

    known: Any = ProviderConfigManager
    return known.get_provider_responses_api_config(
        provider=LlmProviders(provider), model=name.removeprefix(f"{provider}/")
    )


def handler_of() -> tuple[Any, Any]:
    """What sends litellm's requests, and the type of its further parameters. Raises ImportError."""
    load()
    from litellm.llms.custom_httpx.llm_http_handler import BaseLLMHTTPHandler
    from litellm.types.router import GenericLiteLLMParams

    return BaseLLMHTTPHandler(), GenericLiteLLMParams


async def call_responses(arguments: Mapping[str, Any], provider: str, client: Any) -> dict[str, Any]:
    """What a provider answers, as the record of a chat completion. Raises what litellm makes of a failure.

    `arguments`: those of `litellm.completion`. `client`: a `litellm_calls.client_type()`.
    """
    asked = {RENAMED.get(field, field): value for field, value in arguments.items()}
    name, config = asked["model"], config_of(asked["model"], provider)
    handler, further = handler_of()
    bare = name.removeprefix(f"{provider}/")
    fields = {field: asked[field] for field in SENT if field in asked}
    if "reasoning_effort" in asked:
        fields["reasoning"] = {"effort": asked["reasoning_effort"]}
    if "tools" in asked:
        fields["tools"] = [{"type": "function", "strict": False, **tool["function"]} for tool in asked["tools"]]
        if asked.get("reasoning_effort") not in (None, "none"):
            # What was thought before a call goes back with it, and is not kept by the provider.
            fields["include"] = ["reasoning.encrypted_content"]
    # Chat completions are not kept by the provider; neither are these, unless the user says so.
    fields["store"] = False
    try:
        answer = await handler.async_response_api_handler(
            model=bare,
            input=[item for message in asked["input"] for item in items_of(message)],
            responses_api_provider_config=config,
            response_api_optional_request_params=config.map_openai_params(
                response_api_optional_params=fields, model=bare, drop_params=True
            ),
            custom_llm_provider=provider,
            litellm_params=further(api_base=asked.get("api_base"), api_key=asked.get("api_key")),
            logging_obj=log_type()(name, [], False, "aresponses", datetime.now(UTC), "", ""),
            extra_headers=asked.get("extra_headers"),
            extra_body=asked.get("extra_body"),
            timeout=asked["timeout"],
            client=client,
        )
    except Exception as error:
        mapping = silent("litellm.litellm_core_utils.exception_mapping_utils")
        raise mapping.exception_type(name, error, provider) from error
    return as_chat(answer.model_dump(mode="json"))


def items_of(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A message of chat completions as items of a response's input."""
    if message["role"] == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
        return
    yield from message.get("thinking_blocks", ())
    if message["content"]:
        yield {"role": message["role"], "content": message["content"]}
    for call in message.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def as_chat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A response as the record of a chat completion."""
    output = [item for item in record.get("output") or [] if isinstance(item, dict)]
    thoughts = [part for item in output if item.get("type") == "reasoning" for part in parts_of(item)]
    said = [part for item in output if item.get("type") == "message" for part in parts_of(item)]
    texts = [part.get("text") for part in said if part.get("type") == "output_text"]
    refusals = [part.get("refusal") for part in said if part.get("type") == "refusal"]
    cut = (record.get("incomplete_details") or {}).get("reason")
    finish = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(str(cut), "stop")
    message = {
        "role": "assistant",
        "content": joined(texts) or None,
        "refusal": joined(refusals) or None,
        "reasoning_content": "\n\n".join(text for part in thoughts if (text := part.get("text"))) or None,
        "thinking_blocks": [without_status(item) for item in output if item.get("encrypted_content")],
        "tool_calls": [
            {"id": item.get("call_id"), "function": {name: item.get(name) for name in ("name", "arguments")}}
            for item in output
            if item.get("type") == "function_call"
        ],
    }
    failed = record.get("status") in ("failed", "cancelled")
    usage = record.get("usage")
    return {
        "id": record.get("id"),
        "model": record.get("model"),
        "service_tier": record.get("service_tier"),
        "choices": [] if failed else [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": usage and {**usage, **{chat: usage.get(own) for chat, own in USAGE.items()}},
        **({"error": record.get("error") or {"message": str(record["status"])}} if failed else {}),
    }


def without_status(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of the output as it goes back."""
    return {name: value for name, value in item.items() if value is not None and name != "status"}


def parts_of(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of an item of the output: of a thought, its summary before its content."""
    found = [*(item.get("summary") or []), *(item.get("content") or [])]
    return [part for part in found if isinstance(part, dict)]


def joined(texts: list[Any]) -> str:
    """The texts one after another."""
    return "".join(text for text in texts if isinstance(text, str))
