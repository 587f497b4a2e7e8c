"""Images come from a mirror if one is set, and a registry that is busy is asked again."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from codemonkeys.tasks import images, preflight, pulling
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.preflight import disk_notices
from codemonkeys.tasks.pulling import mirror_name, pull


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme/anvil:1", "m:5000/acme/anvil:1"),
        ("docker.io/acme/anvil", "m:5000/acme/anvil"),
        ("python:3.11", "m:5000/library/python:3.11"),
        ("ghcr.io/acme/anvil:1", None),
        ("localhost:1/acme/anvil:1", None),
        ("localhost/anvil", None),
        ("sha256:" + "0" * 64, None),
        ("Odd Name", None),
    ],
)
def test_only_images_of_the_hub_have_a_name_on_its_mirror(name: str, expected: str | None) -> None:
    assert mirror_name(name, "m:5000/") == expected and mirror_name(name, " ") is None


class Registry(BaseHTTPRequestHandler):
    """Serves one image under every name, once it has refused as often as it has to."""

    refusals = 0
    asked: ClassVar[list[str]] = []
    blobs: ClassVar[dict[str, bytes]] = {}
    manifest = b""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if parts == ["v2"]:
            return self._answer(200, b"{}", "application/json")
        Registry.asked.append(self.path)
        if parts[-2] == "manifests" and Registry.refusals:
            Registry.refusals -= 1
            busy = {"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]}
            return self._answer(429, json.dumps(busy).encode(), "application/json")
        if parts[-2] == "manifests":
            return self._answer(200, self.manifest, "application/vnd.docker.distribution.manifest.v2+json")
        return self._answer(200, self.blobs[parts[-1]], "application/octet-stream")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry on this machine, to which engines speak without encryption."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        entry = tarfile.TarInfo(f"{uuid.uuid4()}.txt")
        archive.addfile(entry, io.BytesIO())
    packed = gzip.compress(layer.getvalue(), mtime=0)
    about = {"architecture": "amd64", "os": "linux", "config": {}, "history": [{}]}
    config = json.dumps({**about, "rootfs": {"type": "layers", "diff_ids": [_digest(layer.getvalue())]}}).encode()
    kinds = ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip")
    listed = [
        {"mediaType": kind, "size": len(data), "digest": _digest(data)}
        for kind, data in zip(kinds, (config, packed), strict=True)
    ]
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": listed[0], "layers": [listed[1]]}
    Registry.manifest = json.dumps(manifest).encode()
    Registry.blobs = {_digest(data): data for data in (config, packed)}
    Registry.asked.clear()
    Registry.refusals = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.docker
def test_what_is_still_to_be_pulled_is_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [Task(f"a-{n}", "a/b", "HEAD", "x", image=f"codemonkeys-test/absent:{n % 2}") for n in range(3)]
    (line,) = disk_notices(tasks)
    assert line.startswith("2 images are not on the engine yet: they can take about 8 GiB of the ")
    (line,) = disk_notices(tasks, 0, 1)
    assert line.startswith("2 images are not on the engine yet: they, 1 at a time, can take about 4 GiB of the ")
    monkeypatch.setattr(preflight, "IMAGE_BYTES", 1 << 50)
    assert "that is not enough: keep fewer with " in disk_notices(tasks)[0]
    assert disk_notices([]) == []
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert disk_notices(tasks) == []


@pytest.mark.docker
def test_a_busy_mirror_is_asked_again_and_the_image_has_its_own_name(
    registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pulling.MIRROR, registry)
    monkeypatch.setattr(pulling, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(pulling, "PULL_BYTES", 0)
    name = "codemonkeys-test/mirrored:1"
    Registry.refusals = 2
    with images.engine() as client:
        try:
            assert pull(client, name) is None
            assert images.get(client, name) is not None and Registry.asked and not Registry.refusals
        finally:
            for made in (name, f"{registry}/{name}"):
                if images.get(client, made):
                    client.images.remove(made, force=True)
        Registry.refusals = 9
        refused = pull(client, f"{registry}/{name}") or ""
        assert "rate limit" in refused and Registry.refusals > 0
