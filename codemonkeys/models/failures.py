"""Tells failures that may pass from those that stay, by what litellm raises or what stands in place of an answer."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping

from codemonkeys.errors import AccessRefused, FilteredAnswer, ModelError, PromptTooLong, RejectedRequest
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Usage
from codemonkeys.models.providers import CONCERNS_EVERY_CALL, DRAINED, FILTERED, OVERLOADED, TOO_MANY
from codemonkeys.models.retry import Passing, retry_after
from codemonkeys.redact import redact
from codemonkeys.stages import STAGES, base_stage
from codemonkeys.wording import option

PASSING = frozenset({408, 409, 425, 429, 498, 499})
"""Below 500: timeout, conflict with another request, too early, too many, no capacity (Groq), and a gateway that gave
up on the provider behind it. All from 500 on may pass too."""
TOO_LARGE = 413
TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|request_too_large|prompt is too long"
    r"|maximum (?:context|model) length|model's (?:maximum )?context (?:length|limit)|maximum number of tokens allowed"
    r"|`inputs` tokens \+ `max_new_tokens` must be|exceeds? the (?:available )?context (?:size|window|length)",
    re.I,
)
"""How providers and servers refuse a prompt that is longer than the model takes."""
STATUS_OF = {
    400: "bad_request invalid_request invalid_request_error invalid_argument context_length_exceeded",
    401: "authentication_error invalid_api_key unauthorized unauthenticated",
    402: "billing_error insufficient_balance payment_required",
    403: "permission_error permission_denied forbidden",
    404: "not_found not_found_error model_not_found",
    413: "request_too_large",
    429: "rate_limit_exceeded rate_limit_error rate_limited rate_limit too_many_requests resource_exhausted throttled "
    "throttling throttlingexception insufficient_quota",
    500: "server_error internal_server_error internal_error internal api_error",
    503: "service_unavailable service_unavailable_error unavailable",
    504: "timeout gateway_timeout timeout_error deadline_exceeded",
    529: "overloaded overloaded_error engine_overloaded engine_overloaded_error",
}
"""HTTP statuses, and the codes and types of errors that say the same in the body of a success."""
UNREACHED = (ConnectionRefusedError, socket.gaierror)
BEFORE_ANY_WORK = frozenset({401, 402, 403, 404, 409, 425, 429, 503, 529})
"""A provider that answers so has not begun to work on the request, and charges nothing."""
UNCONNECTED = frozenset({"ConnectTimeout", "PoolTimeout", "ClientConnectorError", "ConnectionTimeoutError"})
"""Names of exceptions of HTTP libraries by which no connection was made, so that no request was sent."""
LONGEST_MESSAGE = 600


def judge(error: Exception, key: StepKey, model: str, status: int | None = None) -> Passing | ModelError:
    """What an exception of litellm means for a call.

    Passing, AccessRefused, RejectedRequest, PromptTooLong or FilteredAnswer.
    `status`: the HTTP status as it came, where litellm may have made another of it.
    Every message is redacted: litellm repeats what the provider says, which may be the key.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    given = getattr(error, "status_code", None)
    status = given if status is None or status < 400 else status
    said = f"{error} {getattr(error, 'body', None) or ''}"
    words = redact(shorten(str(error) or type(error).__name__))
    message = f"{key}: {model}: {words}"
    if "ContextWindowExceededError" in kinds or is_too_long(status, said):
        return too_long(message, status, key.stage)
    if "ContentPolicyViolationError" in kinds or (status == 400 and any(word in said for word in FILTERED)):
        return FilteredAnswer(f"{message}. Another model may answer")
    if (unreached := next((cause for cause in causes(error) if isinstance(cause, UNREACHED)), None)) is not None:
        # litellm makes a 500 of it, though no server has said anything.
        said = f"nothing answers at the endpoint ({unreached.strerror})"
        return Passing(said, status=type(unreached).__name__, charged=False)
    if is_passing(error, status) and not (status == 429 and DRAINED in said):
        headers = headers_of(error)
        wait = retry_after(headers.get("retry-after"), headers.get("date"))
        overloaded = any(word in said for word in OVERLOADED)
        kind_of_failure = "529" if overloaded else str(status or type(error).__name__)
        too_many = overloaded or status in TOO_MANY
        return Passing(words, wait, too_many, kind_of_failure, may_be_charged(error, status, said))
    return refusal(message, status, said)


def judge_error(error: object, what: str, usage: Usage | None = None) -> Passing | ModelError:
    """What an error means that stands in the body of a success, in place of an answer; as `judge`.

    `what`: the call, in messages. Without a code that says otherwise it is transient, as the provider promised success.
    """
    said = json.dumps(error, default=str)
    words = redact(shorten(str((error.get("message") if isinstance(error, Mapping) else None) or said)))
    status = status_in(error)
    message = f"{what}: {words}"
    if is_too_long(status, said):
        return too_long(message, status, "", usage)
    if status in {None, 400} and any(word in said for word in FILTERED):
        return FilteredAnswer(f"{message}. Another model may answer", usage=usage)
    if status is None or ((status in PASSING or status >= 500) and not (status == 429 and DRAINED in said)):
        charged = status not in BEFORE_ANY_WORK or usage is not None
        return Passing(words, too_many=status in TOO_MANY, status=str(status or "none"), charged=charged, usage=usage)
    return refusal(message, status, said)


def status_in(error: object) -> int | None:
    """The HTTP status that an error object speaks of, by number or by name; None if it does not."""
    if not isinstance(error, Mapping):
        return None
    for name in ("code", "status", "status_code", "type"):
        word = str(error.get(name) or "").strip().lower().replace("-", "_")
        if word.isascii() and word.isdigit() and 400 <= int(word) < 600:
            return int(word)
        for status, words in STATUS_OF.items():
            if word and word in words.split():
                return status
    return None


def is_too_long(status: object, said: str) -> bool:
    """Whether a prompt was refused for its length."""
    return status == TOO_LARGE or (status in {None, 400, 422} and TOO_LONG.search(said) is not None)


def too_long(message: str, status: object, stage: str, usage: Usage | None = None) -> PromptTooLong:
    """The error of a prompt that was refused for its length; a request that is too large is not even read."""
    charged = None if usage is not None or status != TOO_LARGE else False
    words = f"{message}. The prompt is longer than the model takes: {how_to_shorten(stage)}"
    return PromptTooLong(words, charged, usage=usage)


def refusal(message: str, status: object, said: str) -> ModelError:
    """The error of a request that no retry can help."""
    kind = AccessRefused if status in CONCERNS_EVERY_CALL or status == 429 else RejectedRequest
    return kind(f"{message}. {advice(status, said)}")


def wants_completion_length(error: Exception, status: int | None = None) -> bool:
    """Whether a model refused `max_tokens`, unpaid, because it wants `max_completion_tokens`."""
    status = status or getattr(error, "status_code", None)
    return status == 400 and "max_completion_tokens" in f"{error} {getattr(error, 'body', None) or ''}"


def how_to_shorten(stage: str) -> str:
    """What a user can do about a prompt of a stage that is too long."""
    stage = base_stage(stage)
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
            return f"Check the model's name and {option('api_base')}"
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
