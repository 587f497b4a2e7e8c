"""A socket between a test and the Docker engine, which the test can close."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest


class Relay:
    """A socket that passes everything on to the engine until it is cut."""

    @classmethod
    def of_engine(cls, path: Path, monkeypatch: pytest.MonkeyPatch, unanswered: bytes = b"") -> Relay:
        """One through which this test reaches the engine from now on."""
        address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if not address.startswith("unix://"):
            pytest.skip("the relay speaks to an engine on a Unix socket")
        relay = cls(path, address.removeprefix("unix://"), unanswered)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        return relay

    def __init__(self, path: Path, target: str, unanswered: bytes = b"") -> None:
        """`unanswered`: requests with this in them end their connection."""
        self._target, self._unanswered = target, unanswered
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._is_cut = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._pairs.append((near, far))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()
                if self._is_cut:  # after this one was taken, and before it was among the pairs
                    self.drop()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if self._unanswered and self._unanswered in data:
                    self._end(one)
                    break
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End all connections, and take no more."""
        self._is_cut = True
        self._end(self._server)
        self.drop()

    def drop(self) -> None:
        """End the connections that there are."""
        for end in (end for pair in self._pairs for end in pair):
            self._end(end)

    @staticmethod
    def _end(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
