"""An endpoint that also speaks the batch APIs of OpenAI and Anthropic, and keeps a bill of all that it answers.

    endpoint = BatchEndpoint(responder)
    with serve_endpoint(endpoint):
        ...
    endpoint.bill(PRICES)

A batch is worked on when it is listed or shown while `released` is set; the calls in it are answered by the responder
that answers single calls, its 4xx and 5xx replies being results that are errors. Replies are chat completions:
Anthropic's calls are shown to the responder, and answered, in translation.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.models.endpoint import Endpoint, Reply, Responder, Seen

PASSED = {"completed", "expired", "cancelled"}


@dataclass
class HeldBatch:
    """A batch as it was submitted, and what came out."""

    id: str
    calls: list[tuple[str, dict[str, Any]]]
    """(custom id, body)."""
    metadata: Mapping[str, str]
    path: str
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: str = "in_progress"
    is_told: bool = False
    """Whether it was spoken of: it is worked on from the second time on."""
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    counts: Counter[str] = field(default_factory=Counter[str])


class BatchEndpoint(Endpoint):
    """A running endpoint with batches."""

    def __init__(self, responder: Responder, expires: Callable[[Seen], bool] = lambda seen: False) -> None:
        """`expires`: of which calls a batch says that it did not come to them."""
        super().__init__(self._billed(responder))
        self._expires = expires
        self.batches: dict[str, HeldBatch] = {}
        self.files: dict[str, bytes] = {}
        self.released = threading.Event()
        self.released.set()
        self.keeps_silent = False
        """Whether submissions are accepted but never answered."""
        self.dropped = 0
        """Of how many submissions that are accepted the connection breaks before the answer."""
        self.refused: str | None = None
        """Why batches are refused after they were accepted."""
        self.no_batches = False
        """Whether there is no batch API here."""
        self.polls = 0
        self.charged: Counter[str] = Counter()
        """Tokens by kind: `prompt`, `completion`, and both with ` in batches`."""

    def bill(self, prices: Mapping[str, float]) -> float:
        """What all that was answered costs, in US dollars."""
        prompt, completion = prices["input_cost_per_token"], prices["output_cost_per_token"]
        batched = self.charged["prompt in batches"] * prompt + self.charged["completion in batches"] * completion
        return self.charged["prompt"] * prompt + self.charged["completion"] * completion + batched / 2

    def _billed(self, responder: Responder, where: str = "") -> Responder:
        def respond(seen: Seen) -> Reply:
            reply = responder(in_chat(seen))
            if reply.status < 400:
                usage = json.loads(reply.body)["usage"]
                self.charged["prompt" + where] += usage["prompt_tokens"]
                self.charged["completion" + where] += usage["completion_tokens"]
            form = FORMS.get(seen.path)
            return form(reply) if form and reply.status < 400 else reply

        if not where:
            self._in_batch = self._billed(responder, " in batches")
        return respond

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/files", self._upload)
        router.add_get("/v1/files/{file}/content", self._content)
        router.add_post("/v1/batches", self._create)
        router.add_get("/v1/batches", self._list)
        router.add_get("/v1/batches/{id}", self._show)
        router.add_post("/v1/batches/{id}/cancel", self._cancel)
        router.add_post("/v1/messages/batches", self._create_messages)
        router.add_get("/v1/messages/batches", self._list)
        router.add_get("/v1/messages/batches/{id}", self._show)
        router.add_post("/v1/messages/batches/{id}/cancel", self._cancel)
        router.add_get("/v1/messages/batches/{id}/results", self._results)

    async def _upload(self, request: web.Request) -> web.Response:
        if self.no_batches:
            return web.json_response({"error": {"message": "no such path"}}, status=404)
        form = await request.post()
        assert form["purpose"] == "batch"
        id = f"file-{len(self.files) + 1}"
        self.files[id] = form["file"].file.read()  # type: ignore[union-attr]
        return web.json_response({"id": id, "object": "file", "purpose": "batch"})

    async def _create(self, request: web.Request) -> web.Response:
        given = await request.json()
        lines = [json.loads(line) for line in self.files[given["input_file_id"]].splitlines()]
        assert {(line["method"], line["url"]) for line in lines} == {("POST", given["endpoint"])}
        calls = [(line["custom_id"], line["body"]) for line in lines]
        return await self._accept(request, calls, given["metadata"], given["endpoint"])

    async def _create_messages(self, request: web.Request) -> web.Response:
        assert request.headers["x-api-key"] and request.headers["anthropic-version"]
        calls = [(each["custom_id"], each["params"]) for each in (await request.json())["requests"]]
        return await self._accept(request, calls, {}, "/v1/messages")

    async def _accept(
        self, request: web.Request, calls: list[tuple[str, dict[str, Any]]], metadata: Mapping[str, str], path: str
    ) -> web.Response:
        assert len({id for id, _ in calls}) == len(calls)
        batch = HeldBatch(f"batch_{len(self.batches) + 1}", calls, metadata, path)
        self.batches[batch.id] = batch
        if self.keeps_silent:
            await self._closing.wait()
        if self.dropped:
            self.dropped -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self._described(batch))

    def _work_on(self, batch: HeldBatch, status: str = "completed") -> None:
        """Answer what is in a batch, last call first."""
        batch.status = "failed" if self.refused else status
        for id, body in reversed(batch.calls if batch.status == "completed" else []):
            seen = Seen(-1, batch.path, {}, body)
            if self._expires(in_chat(seen)):
                batch.status = "expired"
                batch.counts["expired"] += 1
                batch.lines.append(expired(id, batch.path))
                continue
            reply = self._in_batch(seen)
            batch.counts["succeeded" if reply.status < 400 else "errored"] += 1
            batch.lines.append(result(id, reply, batch.path))

    async def _show(self, request: web.Request) -> web.Response:
        self.polls += 1
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return web.json_response({"error": {"message": "no such batch"}}, status=404)
        return web.json_response(self._described(batch))

    async def _list(self, request: web.Request) -> web.Response:
        after = request.query.get("after") or request.query.get("after_id")
        newest = list(reversed(self.batches.values()))
        begin = 1 + [batch.id for batch in newest].index(after) if after else 0
        page = newest[begin : begin + 1]  # Of one batch, so that others have to be asked for.
        more = {"has_more": begin + 1 < len(newest)}
        return web.json_response({"data": [self._described(batch) for batch in page], **more})

    async def _cancel(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        self._work_on(batch, "cancelled")
        return web.json_response(self._described(batch))

    async def _content(self, request: web.Request) -> web.Response:
        id, _, kind = request.match_info["file"].rpartition("-")
        lines = [line for line in self.batches[id].lines if (line["error"] is None) == (kind == "output")]
        return web.Response(text="".join(f"{json.dumps(line)}\n" for line in lines))

    async def _results(self, request: web.Request) -> web.Response:
        lines = self.batches[request.match_info["id"]].lines
        return web.Response(text="".join(f"{json.dumps(line)}\n" for line in lines))

    def _described(self, batch: HeldBatch) -> dict[str, Any]:
        if batch.status == "in_progress" and self.released.is_set() and batch.is_told:
            self._work_on(batch)
        batch.is_told = True
        ended = batch.status in PASSED
        done = sum(batch.counts.values())
        if batch.path == "/v1/messages":
            counts = {"processing": len(batch.calls) - done, **{kind: batch.counts[kind] for kind in KINDS}}
            status = "ended" if ended else "in_progress"
            created = batch.created.isoformat()
            return {"id": batch.id, "processing_status": status, "request_counts": counts, "created_at": created}
        files = {f"{kind}_file_id": f"{batch.id}-{kind}" for kind in ("output", "error") if ended}
        errors = {"data": [{"code": "token_limit_exceeded", "message": self.refused}]} if self.refused else None
        counts = {"total": len(batch.calls), "completed": batch.counts["succeeded"], "failed": batch.counts["errored"]}
        described = {"id": batch.id, "object": "batch", "status": batch.status, "request_counts": counts}
        created_at = int(batch.created.timestamp())
        return {**described, **files, "metadata": batch.metadata, "created_at": created_at, "errors": errors}


KINDS = ("succeeded", "errored", "canceled", "expired")


def result(id: str, reply: Reply, path: str) -> dict[str, Any]:
    """A line of results for a call that was answered, or refused."""
    body = json.loads(reply.body)
    if path != "/v1/messages":
        return {"custom_id": id, "response": {"status_code": reply.status, "body": body}, "error": None}
    if reply.status < 400:
        return {"custom_id": id, "result": {"type": "succeeded", "message": body}}
    kind = {400: "invalid_request_error", 529: "overloaded_error"}.get(reply.status, "api_error")
    error = {"type": "error", "error": {"type": kind, "message": body["error"]["message"]}}
    return {"custom_id": id, "result": {"type": "errored", "error": error}}


def expired(id: str, path: str) -> dict[str, Any]:
    """A line of results for a call that nobody came to."""
    if path == "/v1/messages":
        return {"custom_id": id, "result": {"type": "expired"}}
    return {"custom_id": id, "response": None, "error": {"code": "batch_expired", "message": "it expired"}}


def in_chat(seen: Seen) -> Seen:
    """A request as OpenAI's protocol has it."""
    if "messages" in seen.body and "system" not in seen.body:
        return seen
    system = seen.body.get("system") or seen.body.get("instructions")
    told = seen.body["messages"] if "messages" in seen.body else seen.body["input"]
    messages = [*([{"role": "system", "content": system}] if system else ()), *map(dict, told)]
    for message in messages:
        if isinstance(message["content"], list):
            message["content"] = "".join(part["text"] for part in message["content"])
    body = {**{name: value for name, value in seen.body.items() if name != "system"}, "messages": messages}
    return Seen(seen.number, seen.path, seen.headers, body)


def as_anthropic(reply: Reply) -> Reply:
    """A chat completion as a message of Anthropic's."""
    body = json.loads(reply.body)
    usage = {"input_tokens": body["usage"]["prompt_tokens"], "output_tokens": body["usage"]["completion_tokens"]}
    content = [{"type": "text", "text": body["choices"][0]["message"]["content"]}]
    told = {"id": "msg", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
    return Reply(body=json.dumps({**told, "content": content, "usage": usage}))


def as_response(reply: Reply) -> Reply:
    """A chat completion as an answer of OpenAI's Responses API."""
    body = json.loads(reply.body)
    prompt, completion = body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]
    usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    content = [{"type": "output_text", "text": body["choices"][0]["message"]["content"], "annotations": []}]
    message = {"type": "message", "id": "msg", "status": "completed", "role": "assistant", "content": content}
    told = {"id": "resp", "object": "response", "created_at": 1, "model": "test", "status": "completed"}
    return Reply(body=json.dumps({**told, "output": [message], "usage": usage}))


FORMS = {"/v1/messages": as_anthropic, "/v1/responses": as_response}
"""How answers look by path, where not as chat completions."""
