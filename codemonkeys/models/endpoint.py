"""OpenAI-compatible endpoints of the user's own, asked without litellm, which takes many times the CPU time."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic_core import from_json, to_json

from codemonkeys.models.base import Request
from codemonkeys.models.parameter_arguments import leaves_temperature_to_the_model
from codemonkeys.models.prices import find, shipped_prices
from codemonkeys.models.providers import messages, prefix
from codemonkeys.wording import option

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

KEYS = {
    "openai": "OPENAI_API_KEY",
    "custom_openai": "OPENAI_API_KEY",
    "hosted_vllm": "HOSTED_VLLM_API_KEY",
    "litellm_proxy": "LITELLM_PROXY_API_KEY",
    "llamafile": "LLAMAFILE_API_KEY",
    "lm_studio": "LM_STUDIO_API_KEY",
}
"""Providers to which litellm sends OpenAI's chat completions and nothing else, and the variable with the key."""
KNOWN_TO_LITELLM = re.compile(r"[^/]+/(?:responses/|.*gpt-5)")
"""Names by which litellm picks another interface, or renames and drops parameters."""
CONNECT_SECONDS = 60.0
KEPT_ALIVE_SECONDS = 4.0
"""Servers that close idle connections do so after 5 s or more (uvicorn, and with it vLLM: 5); a request that crosses
with that is lost, and may be on the bill."""
LARGEST_ANSWER = 64 * 2**20
"""Bytes: hundreds of times the longest answer of any model."""


class EndpointError(Exception):
    """A response that is no answer. Its attributes are named as those of litellm's exceptions."""

    def __init__(self, message: str, response: ClientResponse, body: object = None) -> None:
        super().__init__(message)
        self.status_code = response.status
        self.body = body
        self.litellm_response_headers = dict(response.headers)


def is_plain(name: str, api_base: str | None) -> bool:
    """Whether a model can be asked without litellm: it is at the user's own address, which gets what we would send."""
    if api_base is None or prefix(name) not in KEYS or KNOWN_TO_LITELLM.match(name):
        return False
    # OpenAI's own models behind a gateway: litellm knows which parameters each takes.
    if prefix(name) in {"openai", "custom_openai"} and find(name, shipped_prices()) is not None:
        return False
    return can_be_reached(api_base)


class Endpoint:
    """Chat completions of one model of an endpoint. Keys come from the environment alone."""

    def __init__(self, name: str, api_base: str, timeout: float, key_variable: str | None = None) -> None:
        """`timeout`: seconds a call may take, which the caller sees to; no connection is waited for longer.

        `key_variable`: environment variable that holds the key, if not the usual one.
        """
        self._key_variable = key_variable or KEYS[prefix(name)]
        self._name = name
        self._api_base = api_base
        self._connect_seconds = min(timeout, CONNECT_SECONDS)
        self._sessions: dict[asyncio.AbstractEventLoop, ClientSession] = {}

    async def ask(self, request: Request, completion_length: bool = False) -> Mapping[str, Any]:
        """The record that the endpoint answers with. Raises EndpointError, OSError.

        One request is sent, to this address alone: nothing is repeated, no redirect is followed. `completion_length`:
        name the length of the answer `max_completion_tokens`.
        """
        try:
            async with self._session().post(
                f"{self._api_base.rstrip('/')}/chat/completions",
                data=encode(body(self._name, request, completion_length)),
                headers={**self._key(), **request.parameters.extra_headers},
                allow_redirects=False,
            ) as response:
                return read(response, await content(response))
        except connection_errors() as error:  # Asked for only if there is an error.
            raise ConnectionError(f"the connection failed: {error}") from error

    def _key(self) -> dict[str, str]:
        key = os.environ.get(self._key_variable)
        # A login in the address takes its place, as in all clients.
        return {"Authorization": f"Bearer {key}"} if key and urlsplit(self._api_base).username is None else {}

    def _session(self) -> ClientSession:
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            for ended in [other for other in self._sessions if other.is_closed()]:
                abandon(self._sessions.pop(ended))
            self._sessions[loop] = open_session(self._api_base, self._connect_seconds)
        return self._sessions[loop]

    async def close(self) -> None:
        """Close the connections in this event loop; a later call opens new ones."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()


def connection_errors() -> tuple[type[Exception], ...]:
    """What says that a connection could not be made, or broke."""
    from aiohttp import ClientConnectionError, ClientPayloadError, ServerTimeoutError

    return ClientConnectionError, ClientPayloadError, ServerTimeoutError


def open_session(address: str, connect_seconds: float) -> ClientSession:
    """A session of the running event loop. How many connections it has is up to the caller."""
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    return ClientSession(
        # Not trust_env: aiohttp would read ~/.netrc too, before each call.
        proxy=proxy_of(address),
        connector=TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE_SECONDS, ssl=certificates(address)),
        timeout=ClientTimeout(total=None, sock_connect=connect_seconds),
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "codemonkeys"},
        cookie_jar=DummyCookieJar(),
    )


def abandon(session: ClientSession) -> None:
    """Close a session whose event loop has ended: nothing is left to wait for."""
    try:
        session.close().send(None)
    except StopIteration:
        pass


def certificates(address: str) -> ssl.SSLContext | bool:
    """What to check the endpoint's certificate by: variables are those that litellm reads."""
    if urlsplit(address).scheme != "https":
        return True
    verify = os.environ.get("SSL_VERIFY", "")
    if verify.lower() == "false":
        return False
    chosen = [path for path in (verify, os.environ.get("SSL_CERT_FILE", "")) if os.path.exists(path)]
    context = ssl.create_default_context(cafile=chosen[0] if chosen else None)
    if not chosen:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def proxy_of(address: str) -> str | None:
    """The proxy that the environment names for an address."""
    url = urlsplit(address)
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return None if not proxy or proxy_bypass(url.hostname or "") else proxy


def can_be_reached(address: str) -> bool:
    """Whether aiohttp can: not through a SOCKS proxy."""
    try:
        proxy = proxy_of(address)
    except ValueError:
        return True  # Which is said where addresses are checked.
    return proxy is None or urlsplit(proxy).scheme in {"http", "https"}


def body(name: str, request: Request, completion_length: bool = False) -> dict[str, Any]:
    """The body of a chat completion. What is not given is left out, for the endpoint to choose."""
    given = request.parameters
    chosen = {
        "temperature": request.temperature if given.temperature is None else given.temperature,
        "max_completion_tokens" if completion_length else "max_tokens": request.max_tokens,
        "top_p": given.top_p,
        "reasoning_effort": given.effort,
        "service_tier": given.service_tier,
        "tools": [tool.chat() for tool in request.tools] or None,
    }
    if leaves_temperature_to_the_model(name, given):
        del chosen["temperature"]
    return {
        "model": name.partition("/")[2],
        "messages": messages(name, request),
        **{field: value for field, value in chosen.items() if value is not None},
        **given.extra_body,
    }


def encode(record: Mapping[str, Any]) -> bytes:
    """A record as JSON."""
    try:
        return to_json(record)  # Takes a fifth of the time of Python's own, or less: prompts are long.
    except ValueError:
        return json.dumps(record).encode()  # It escapes half a surrogate pair, which UTF-8 cannot hold.


def decode(data: bytes) -> Any:
    """What JSON holds. Raises ValueError, RecursionError."""
    try:
        return from_json(data)
    except ValueError:
        # Python's own takes half a surrogate pair, and names the place of an error.
        return json.loads(data.decode("utf-8", "replace"))


def as_json_error(error: Exception) -> json.JSONDecodeError:
    """What is wrong with JSON, as Python's own reader says it."""
    return error if isinstance(error, json.JSONDecodeError) else json.JSONDecodeError(str(error), "", 0)


async def content(response: ClientResponse) -> bytes:
    """The body of a response. Raises EndpointError for one that is too large."""
    chunks, size = [], 0
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise EndpointError(f"the endpoint answered with more than {LARGEST_ANSWER // 2**20} MiB", response)
    return b"".join(chunks)


def read(response: ClientResponse, data: bytes) -> Mapping[str, Any]:
    """The record in a response. Raises EndpointError."""
    is_answer = 200 <= response.status < 300
    try:
        record = decode(data)
        if not isinstance(record, dict):
            raise json.JSONDecodeError("not an object", "", 0)
    except (ValueError, RecursionError) as error:
        if is_answer:
            # Its cause has no name here, which would hold the request in a cycle until Python looks for garbage.
            raise EndpointError("the endpoint's answer is not a JSON object", response) from as_json_error(error)
        record = {}
    if is_answer:
        return record
    said = record.get("error") or record.get("detail") or record.get("message") or data.decode("utf-8", "replace")
    words = str(said.get("message") or said) if isinstance(said, dict) else str(said)
    if response.status in range(300, 400):
        words = (
            f"it redirects to {response.headers.get('Location')}, which is not followed: correct {option('api_base')}"
        )
    raise EndpointError(f"HTTP {response.status}: {words}", response, said)
