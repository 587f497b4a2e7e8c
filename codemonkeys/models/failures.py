"""Tells failures that may pass from those that stay, by what litellm raises."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

from codemonkeys.errors import AccessRefused, FilteredAnswer, ModelError, PromptTooLong, RejectedRequest
from codemonkeys.keys import StepKey
from codemonkeys.models.providers import CONCERNS_EVERY_CALL, DRAINED, FILTERED, OVERLOADED, TOO_MANY
from codemonkeys.models.retry import Passing, retry_after
from codemonkeys.redact import redact
from codemonkeys.stages import STAGES

PASSING = frozenset({408, 409, 425, 429})
"""Below 500: timeout, conflict with another request, too early, too many. All from 500 on may pass too."""
UNREACHED = (ConnectionRefusedError, socket.gaierror)
BEFORE_ANY_WORK = frozenset({401, 402, 403, 404, 409, 425, 429, 503, 529})
"""A provider that answers so has not begun to work on the request, and charges nothing."""
UNCONNECTED = frozenset({"ConnectTimeout", "PoolTimeout", "ClientConnectorError", "ConnectionTimeoutError"})
"""Names of exceptions of HTTP libraries by which no connection was made, so that no request was sent."""
LONGEST_MESSAGE = 600


def judge(error: Exception, key: StepKey, model: str) -> Passing | ModelError:
    """What an exception of litellm means for a call.

    Passing, AccessRefused, RejectedRequest, PromptTooLong or FilteredAnswer.
    Every message is redacted: litellm repeats what the provider says, which may be the key.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(error, "status_code", None)
    said = f"{error} {getattr(error, 'body', None) or ''}"
    words = redact(shorten(str(error) or type(error).__name__))
    message = f"{key}: {model}: {words}"
    if "ContextWindowExceededError" in kinds:
        return PromptTooLong(f"{message}. The prompt is longer than the model takes: {how_to_shorten(key.stage)}")
    if "ContentPolicyViolationError" in kinds or (status == 400 and any(word in said for word in FILTERED)):
        return FilteredAnswer(f"{message}. Another model may answer")
    if (unreached := next((cause for cause in causes(error) if isinstance(cause, UNREACHED)), None)) is not None:
        # litellm makes a 500 of it, though no server has said anything.
        said = f"nothing answers at the endpoint ({unreached.strerror})"
        return Passing(said, status=type(unreached).__name__, charged=False)
    if is_passing(error, status) and not (status == 429 and DRAINED in said):
        headers = headers_of(error)
        wait = retry_after(headers.get("retry-after"), headers.get("date"))
        kind_of_failure = str(status or type(error).__name__)
        return Passing(words, wait, status in TOO_MANY, kind_of_failure, may_be_charged(error, status, said))
    kind = AccessRefused if status in CONCERNS_EVERY_CALL or status == 429 else RejectedRequest
    return kind(f"{message}. {advice(status, said)}")


def how_to_shorten(stage: str) -> str:
    """What a user can do about a prompt of a stage that is too long."""
    settings = STAGES[stage].shortened_by if stage in STAGES else ()
    lower = f"lower {' or '.join(settings)} in a new run, or " if settings else ""
    return f"{lower}choose a model with a larger window"


def may_be_charged(error: Exception, status: object, said: str) -> bool:
    """Whether the provider may charge for an attempt that ended so: not if it was never reached, or refused at once."""
    if status in BEFORE_ANY_WORK or any(word in said for word in OVERLOADED):
        return False
    for cause in (error, *causes(error)):
        names = {kind.__name__ for kind in type(cause).__mro__}
        if isinstance(cause, UNREACHED) or names & UNCONNECTED:
            return False
    return True


def is_passing(error: Exception, status: object) -> bool:
    """Whether asking again can help."""
    if not isinstance(status, int):
        return isinstance(error, OSError)  # TimeoutError and ConnectionError are such.
    # Half a body has a status of success, which litellm makes 422 for some providers.
    is_half_a_body = status in {200, 422} and any(isinstance(cause, json.JSONDecodeError) for cause in causes(error))
    return status in PASSING or status >= 500 or is_half_a_body


def advice(status: object, said: str) -> str:
    """What a user can do about a refused request."""
    match status:
        case 401:
            return "The API key is wrong or has expired: export a valid one"
        case 403:
            return "The API key may not use this model"
        case 404:
            return "Check the model's name and --api-base"
        case 402:
            return "The account has no money left"
        case 429 if DRAINED in said:
            return "The account has no money left: waiting will not help"
        case _:
            return "Asking again cannot help"


def headers_of(error: Exception) -> dict[str, str]:
    """The answer's headers, names in lower case; litellm keeps them apart from the response it makes up."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    return {str(name).lower(): str(value) for name, value in dict(headers).items()}


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that led to this one."""
    seen: set[int] = set()
    at = error.__cause__ or error.__context__
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def shorten(message: str) -> str:
    """An error message in one line of bearable length."""
    line = " ".join(message.split("Traceback (most recent call last)")[0].split())
    return line if len(line) <= LONGEST_MESSAGE else line[:LONGEST_MESSAGE] + "…"
