"""An OpenAI-compatible endpoint with faults on demand, for tests: in a thread of its own, or as a process.

    with serve(in_turn(status(429, {"Retry-After": "1"}), answer("Hello."))) as endpoint:
        model = HostedModel("openai/test", api_base=endpoint.url)

    python -m tests.models.endpoint --port 0 --answers rules.json --fail-429 0.05 --cut 0.01

The process prints its address and serves until it is stopped. rules.json is a list of [regular expression over all
text of the messages, answer] pairs, of which the first that matches answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, TypeVar

from aiohttp import web


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    number: int
    """From 0, in the order of arrival."""
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """All text of all messages."""
        contents = [message["content"] for message in self.body["messages"]]
        return "\n".join(c if isinstance(c, str) else "\n".join(part["text"] for part in c) for c in contents)


@dataclass(frozen=True)
class Reply:
    """What the endpoint does with a request."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: bool = False
    """Announce more than the body and break the connection after it."""
    reset: bool = False
    """Reset the connection instead of answering."""
    hang: bool = False
    """Never answer."""
    seconds: float = 0.0
    """Answer so much later."""


Responder = Callable[[Seen], Reply]
Serving = TypeVar("Serving", bound="Endpoint")


def answer(
    text: str | None, usage: Mapping[str, Any] | None = None, finish_reason: str = "stop", seconds: float = 0.0
) -> Reply:
    """A chat completion."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
    counted = usage if usage is not None else {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    content = {
        "id": "test", "object": "chat.completion", "created": 1, "model": "test", "choices": [choice], "usage": counted
    }  # fmt: skip
    return Reply(body=json.dumps(content), seconds=seconds)


def status(number: int, headers: Mapping[str, str] | None = None, **error: Any) -> Reply:
    """An error as OpenAI words it."""
    content = {"error": {"message": f"the endpoint was told to answer {number}", "type": None, "code": None, **error}}
    return Reply(number, json.dumps(content), headers or {})


def in_turn(*replies: Reply) -> Responder:
    """Each request gets the next reply; when they run out, the last one again."""
    return lambda seen: replies[min(seen.number, len(replies) - 1)]


def by_rules(rules: list[tuple[str, str]]) -> Responder:
    """The answer of the first rule whose regular expression is found in the messages; 404 if there is none."""
    compiled = [(re.compile(pattern, re.S), text) for pattern, text in rules]

    def respond(seen: Seen) -> Reply:
        text = seen.text
        for pattern, found in compiled:
            if pattern.search(text):
                words = {"prompt_tokens": len(text) // 4, "completion_tokens": len(found) // 4}
                return answer(found, {**words, "total_tokens": sum(words.values())})
        return status(404)

    return respond


def with_faults(responder: Responder, rates: Mapping[str, float], seed: int) -> Responder:
    """Let requests fail by chance; `rates` has the probabilities of `fail_429`, `fail_500`, `cut` and `hang`."""
    faults = {
        "fail_429": status(429, {"Retry-After": "0"}),
        "fail_500": status(500),
        "cut": Reply(body='{"id": "cut", "choi', cut=True),
        "hang": Reply(hang=True),
    }
    random_numbers = random.Random(seed)

    def respond(seen: Seen) -> Reply:
        draw = random_numbers.random()
        for name, rate in rates.items():
            if draw < rate:
                return faults[name]
            draw -= rate
        return responder(seen)

    return respond


class Endpoint:
    """A running endpoint: where it is and what it has seen."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._in_flight = 0
        self._closing = asyncio.Event()
        self.url = ""
        """The address to give as `api_base`."""
        self.requests: list[Seen] = []
        self.most_in_flight = 0

    async def start(self, port: int) -> web.AppRunner:
        """Listen on a port of this machine; 0 takes a free one."""
        app = web.Application(client_max_size=1 << 28)
        self.add_routes(app.router)
        app.router.add_post("/{path:.*}", self._respond)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what goes before the route of all other requests."""

    async def stop(self, runner: web.AppRunner) -> None:
        """Let go of requests that hang, and of the port."""
        self._closing.set()
        await runner.cleanup()

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(len(self.requests), request.path, headers, body)
        self.requests.append(seen)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            return await self._send(request, self._responder(seen))
        finally:
            self._in_flight -= 1

    async def _send(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.hang:
            await self._closing.wait()
        await asyncio.sleep(reply.seconds)
        if reply.reset:
            assert request.transport is not None
            socket = request.transport.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
            return web.Response()
        if not reply.cut:
            return web.Response(
                status=reply.status, text=reply.body, headers=reply.headers, content_type="application/json"
            )
        length = str(len(reply.body) + 1000)
        response = web.StreamResponse(
            status=reply.status, headers={"Content-Type": "application/json", "Content-Length": length, **reply.headers}
        )
        await response.prepare(request)
        await response.write(reply.body.encode())
        assert request.transport is not None
        request.transport.close()
        return response


@contextmanager
def serve(responder: Responder) -> Iterator[Endpoint]:
    """Run an endpoint in a thread, on a free port, for the length of a `with` block."""
    with serve_endpoint(Endpoint(responder)) as endpoint:
        yield endpoint


@contextmanager
def serve_endpoint(endpoint: Serving) -> Iterator[Serving]:
    """Run one that is made."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="endpoint")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(endpoint.start(0), loop).result(60)
        try:
            yield endpoint
        finally:
            asyncio.run_coroutine_threadsafe(endpoint.stop(runner), loop).result(120)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    for fault in ("fail-429", "fail-500", "cut", "hang"):
        parser.add_argument(f"--{fault}", type=float, default=0.0)
    chosen = parser.parse_args()
    rates = {name: getattr(chosen, name) for name in ("fail_429", "fail_500", "cut", "hang")}
    responder = by_rules(json.loads(chosen.answers.read_text(encoding="utf-8")))
    endpoint = Endpoint(with_faults(responder, rates, chosen.seed))
    await endpoint.start(chosen.port)
    print(endpoint.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
