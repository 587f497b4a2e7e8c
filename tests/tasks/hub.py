"""A server for the part of the Hugging Face hub's protocol that loading a dataset needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef" * 2 + "01234567"


@dataclass
class Hub:
    """The hub's files, and the requests it received."""

    files: dict[str, dict[str, bytes]]
    """Repository to path to content."""
    address: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    """Authorization headers received."""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        words = path.strip("/").split("/")
        if words[:2] == ["api", "datasets"] and "/".join(words[2:4]) in self.files:
            return self._listing(self.files["/".join(words[2:4])], "/".join(words[2:4]), words[4:])
        held = self.files.get("/".join(words[1:3])) if words[0] == "datasets" else None
        if held is None or words[3:4] != ["resolve"]:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        name = "/".join(words[5:])
        if name not in held:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"{}"
        tag = hashlib.sha1(held[name]).hexdigest()
        return 200, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}, held[name]

    def _listing(self, held: dict[str, bytes], name: str, rest: list[str]) -> tuple[int, dict[str, str], bytes]:
        entries = [
            {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for path, data in held.items()
        ]
        if rest[:1] == ["tree"]:
            below = "/".join(rest[2:])
            if below and not any(str(entry["path"]).startswith(f"{below}/") for entry in entries):
                return 404, {"X-Error-Code": "EntryNotFound"}, b"{}"
            folders = {path.partition("/")[0] for path in held if "/" in path} if not below else set()
            entries += [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders]
            return 200, {}, json.dumps([e for e in entries if str(e["path"]).startswith(below)]).encode()
        siblings = [{"rfilename": path} for path in held]
        fixed = {"private": False, "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": []}
        return 200, {}, json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, **fixed}).encode()


@contextmanager
def serving(files: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """A hub with these repositories, for the duration of the context."""
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append(self.path)
            hub.tokens.add(self.headers.get("Authorization", ""))
            status, headers, body = hub.answer(unquote(urlsplit(self.path).path))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
