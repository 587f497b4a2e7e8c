"""How the engine is reached: what of the user's Docker configuration goes along."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandboxes.engine import open_engine

LOGIN = {"auth": base64.b64encode(b"me:secret").decode()}


class Engine(BaseHTTPRequestHandler):
    """As much of an engine as a build needs."""

    builds: list[Any]

    def do_GET(self) -> None:
        self.answer({"ApiVersion": "1.41"} if self.path == "/version" else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        sent = self.headers.get("X-Registry-Config", "")
        self.builds.append(json.loads(base64.urlsafe_b64decode(sent) or "{}"))
        self.answer({"stream": "built"})

    def answer(self, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What each build sends as credentials."""
    found: list[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Engine,), {"builds": found}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
    for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({}, []),
        ({"credsStore": "none-here"}, []),
        ({"credHelpers": {"registry.example.org": "none-here"}}, []),
        ({"auths": {"registry.example.org": LOGIN}, "credsStore": "none-here"}, ["registry.example.org"]),
        ({"credsStore": "here", "credHelpers": {"other.example.org": "none-here"}}, ["registry.example.org"]),
    ],
)
def test_a_credential_helper_that_is_not_installed_stops_no_build(
    builds: list[Any], config: dict[str, Any], kept: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    helper = tmp_path / "docker-credential-here"
    helper.write_text(
        '#!/bin/sh\n[ "$1" = list ] && echo \'{"registry.example.org": "me"}\' '
        '|| echo \'{"Username": "me", "Secret": "secret"}\'\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    engine = open_engine(timeout=20)
    try:
        assert [*engine.api.build(fileobj=io.BytesIO(b"context"), custom_context=True, decode=True)] == [
            {"stream": "built"}
        ]
    finally:
        engine.close()
    (sent,) = builds
    assert [registry for registry, login in sent.items() if login] == kept
    assert all("secret" in json.dumps(sent[registry]) for registry in kept), "credentials that can be had are sent"
