"""What every request and every response passes: loopback hosts only, reading only, and headers that forbid the rest."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from codemonkeys.view.characters import visible

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
METHODS = ("GET", "HEAD")


def guarded(app: App, own: Sequence[str]) -> App:
    """The application behind the guard. `own`: prefixes of the paths below `/-/` that are served; no other one is."""

    async def guard(scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            return
        refusal = refused(scope, own)
        if refusal is not None:
            await answer(send, *refusal)
        else:
            await app(scope, receive, Headed(send))

    return guard


def refused(scope: MutableMapping[str, Any], own: Sequence[str]) -> tuple[int, str] | None:
    """Status and reason for which a request is refused, or None."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    # A page of another site may reach this server by a name of its own that leads here; it cannot choose the header.
    if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):
        return 421, "This server answers to localhost only."
    if scope["method"] not in METHODS:
        return 405, "This server only reads."
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    if path.startswith("/-/") and not path.startswith(tuple(own)):
        return 404, "There is no such page."
    return None


async def answer(send: Send, status: int, text: str) -> None:
    """Answer with one line of plain text."""
    headed = Headed(send)
    await headed(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain; charset=utf-8")]}
    )
    await headed({"type": "http.response.body", "body": f"{text}\n".encode()})


class Headed:
    """Sends responses with our headers; in pages, hidden characters are made visible."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._page: list[bytes] | None = None

    async def __call__(self, message: Message) -> None:
        """Send one message of a response."""
        if message["type"] == "http.response.start":
            headers = [(name.lower(), value) for name, value in message.get("headers", [])]
            kept = [(name, value) for name, value in headers if name.decode() not in HEADERS and name != b"set-cookie"]
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            self._start = {**message, "headers": kept + added}
            if dict(headers).get(b"content-type", b"").startswith(b"text/html"):
                self._page = []
                return
            await self._send(self._start)
        elif self._page is None:
            await self._send(message)
        else:
            self._page.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._send_page(b"".join(self._page))

    async def _send_page(self, page: bytes) -> None:
        assert self._start is not None
        body = visible(page.decode("utf-8", "replace")).encode()
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        await self._send({**self._start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})
