"""A model of your own: an endpoint that speaks OpenAI's protocol, asked with the standard library alone.

    codemonkeys solve TASKS -m model:open_model --api-base http://localhost:8000/v1    # called in this folder

litellm reaches such an endpoint too (`-m openai/NAME`); take this where it does not reach yours.
"""

import asyncio
import json
import time
import urllib.error
import urllib.request
from typing import Any

from codemonkeys.errors import BadSettings, NoAnswer, RejectedRequest, RetriesExhausted
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.settings import OperationSettings


class Endpoint:
    """What `codemonkeys.models.base.Model` asks for; `complete` is awaited many times at once."""

    name = "endpoint"
    price = Price(prompt=0.5e-6, completion=1.5e-6)
    """US dollars per token; None if nobody knows it, and then a budget is refused."""

    def __init__(self, api_base: str, seconds: float, attempts: int) -> None:
        self._url = f"{api_base.rstrip('/')}/chat/completions"
        self._seconds = seconds
        self._attempts = attempts

    def count_tokens(self, text: str) -> int:
        """An estimate, never far too low: budgets rest on it."""
        return len(text.encode()) // 3 + 1

    async def complete(self, request: Request) -> Completion:
        """Answer one request; a transient failure is retried."""
        started = time.monotonic()
        for attempt in range(1, self._attempts + 1):
            try:
                answer = await asyncio.to_thread(self._post, request)
                break
            except urllib.error.HTTPError as error:
                if error.code != 429 and error.code < 500:
                    raise RejectedRequest(f"{request.key}: {self._url} answered {error.code}") from error
                failure, charged = str(error), error.code not in (429, 503)
            except OSError as error:
                failure, charged = str(error), not isinstance(getattr(error, "reason", error), ConnectionRefusedError)
            if attempt < self._attempts:
                await asyncio.sleep(min(2.0**attempt, 60.0))
                if charged:
                    await request.book_attempt(failure)  # It stays on the bill, and another one may be too much.
        else:
            raise RetriesExhausted(f"{request.key}: {self._attempts} attempts failed, the last one: {failure}", charged)
        choice, usage = answer["choices"][0], answer.get("usage")
        text = choice["message"]["content"] or ""
        if not text.strip():
            raise NoAnswer(f"{request.key}: {self.name} answered without text")
        tokens = usage and Usage(usage["prompt_tokens"], usage["completion_tokens"], raw=usage)
        return Completion(text, choice["finish_reason"], tokens, answer["model"], time.monotonic() - started, attempt)

    async def close(self) -> None:
        """No connection is kept."""

    def _post(self, request: Request) -> dict[str, Any]:
        body = {
            "model": "default",
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
        }
        call = urllib.request.Request(self._url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(call, timeout=self._seconds) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


def open_model(spec: str, operation: OperationSettings) -> Endpoint:
    """`spec` is the name as it was given. Refuse here what cannot work: nothing has been spent yet."""
    if operation.api_base is None:
        raise BadSettings(f"{spec}: give the endpoint's address with --api-base")
    return Endpoint(operation.api_base, operation.call_seconds, operation.attempts)
