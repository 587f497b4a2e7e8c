"""The parts of litellm that no public interface offers, and what is lost in a version without them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from importlib.metadata import version

from codemonkeys.errors import UnusableModel
from codemonkeys.wording import option

NEEDED = (
    "litellm:get_llm_provider",
    "litellm:validate_environment",
    "litellm:model_cost",
    "litellm.litellm_core_utils.exception_mapping_utils:exception_type",
    "litellm.litellm_core_utils.get_llm_provider_logic:get_llm_provider",
    "litellm.litellm_core_utils.litellm_logging:Logging.pre_call",
    "litellm.litellm_core_utils.litellm_logging:Logging.post_call",
    "litellm.litellm_core_utils.litellm_logging:Logging.success_handler",
    "litellm.litellm_core_utils.litellm_logging:Logging.failure_handler",
    "litellm.litellm_core_utils.litellm_logging:Logging.async_success_handler",
    "litellm.litellm_core_utils.litellm_logging:Logging.async_failure_handler",
    "litellm.litellm_core_utils.litellm_logging:Logging.should_run_prompt_management_hooks",
    "litellm.llms.azure.common_utils:BaseAzureLLM.initialize_azure_sdk_client",
    "litellm.llms.custom_httpx.http_handler:AsyncHTTPHandler.create_client",
    "litellm.llms.custom_httpx.http_handler:AsyncHTTPHandler.post",
    "openai:AsyncAzureOpenAI",
    "openai:AsyncOpenAI",
    "openai:organization",
)
"""module:attribute of what we subclass, replace in our own instances, or call past a decorator."""
TESTED = "1.106 and 1.110"
"""Versions of litellm with which all tests of models pass."""


def check() -> None:
    """Raise UnusableModel if the installed litellm lacks a part without which a request may go out twice, or unseen."""
    if lacking := missing(NEEDED):
        raise UnusableModel(
            f"litellm {version('litellm')} has no {', '.join(lacking)}: without, a request could be sent again unseen, "
            f"and be on no bill. Install a version that is known to work ({TESTED}), or name the model as openai/NAME "
            f"with {option('api_base')} if there is an address that speaks OpenAI's protocol: that needs no litellm"
        )


def missing(parts: Iterable[str]) -> list[str]:
    """Those that the installed packages lack."""
    found = [part for part in parts if not exists(part)]
    completion = getattr(importlib.import_module("litellm"), "completion", None)
    if completion is None or inspect.unwrap(completion) is completion:
        found.append("litellm:completion with a decorator to go past")
    return found


def exists(part: str) -> bool:
    """Whether a `module:attribute` can be imported."""
    module, _, names = part.partition(":")
    try:
        found: object = importlib.import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError):
        return False
    return True
