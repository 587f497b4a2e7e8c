"""One container: started ahead, it waits for a script, runs it, and ends when its connection closes."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from sandboxes import inside
from sandboxes.base import Environment, Execution, Limits, SandboxError, Script
from sandboxes.engine import Stream, remove
from sandboxes.layers import EMPTY, MOST_BYTES, MOST_ENTRIES, Entry, Layer
from sandboxes.ready import PROGRAM, Ready

_START_SECONDS = 120.0
"""Timeout for a container to fill its scratch folders."""
_GRACE = 45.0
"""Seconds after the time limit when a script is stopped from outside, should the inside have failed to."""
_OWNERS = (65533, 65532)
"""User ids that may own the folder of scripts: the first one that is not the image's own user."""
_CAPABILITIES = ["CHOWN", "KILL", "SETGID", "SETPCAP", "SETUID"]
"""Capabilities of process 1, which drops all of them for the script. A script has none and can gain none."""
_OURS = 2
"""Our own processes in a container: process 1 and inside.pl."""


@dataclass(frozen=True)
class Kind:
    """What a container is started with; containers of equal kinds are interchangeable."""

    environment: Environment
    memory_mb: int
    processes: int
    disk_mb: int
    cpus: float

    @classmethod
    def of(cls, environment: Environment, limits: Limits) -> Kind:
        return cls(environment, limits.memory_mb, limits.processes, limits.disk_mb, limits.cpus)


class Container:
    """A container that is ready for a script. Its process 1 is container.pl; `close` ends it."""

    def __init__(self, identity: str, stream: Stream) -> None:
        self.identity = identity
        self._stream = stream
        self.holds = EMPTY.id
        """The layer of the session whose files it has."""

    @classmethod
    def start(
        cls, engine: Any, ready: Ready, kind: Kind, labels: dict[str, str], *, once: bool, wait: float
    ) -> Container:
        """Start a container for one script (`once`) or for many; it exits after `wait` seconds without one.

        Raises SandboxError, OSError and errors of docker-py.
        """
        identity = _create(engine, ready, kind, labels, once, wait)
        stream = None
        try:
            stream = Stream(engine.api.attach_socket(identity, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}))
            engine.api.start(identity)
            container = cls(identity, stream)
            if why := container.fault():
                raise SandboxError(f"a container of {kind.environment.name} did not start: {why}")
            return container
        except BaseException:
            if stream:
                stream.close()
            remove(engine, identity)
            raise

    def fault(self) -> str:
        """Wait until it is ready for a script; returns why it is not, or an empty string."""
        told = self._stream.read_until(b"codemonkeys: ready\n", b"", time.monotonic() + _START_SECONDS)[1]
        return "" if told.endswith("codemonkeys: ready\n") else told.strip() or "it ended without a word"

    def alive(self) -> bool:
        """Whether it still waits for a script: the connection is open, and it has said nothing."""
        return self._stream.silent()

    def run(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None = None
    ) -> tuple[Execution, bytes]:
        """Run a script, with a layer as a command of a session: the result, and what has changed, packed.

        Raises OSError (TimeoutError included) when the connection fails.
        """
        word = uuid.uuid4().hex.encode()
        arguments = inside.command(environment, script, patch, limits)[3:]
        files = inside.files(script, patch)
        lay = b"" if layer is None or layer.id == self.holds else packed_layer(layer)
        job = [word, b"%d" % (limits.seconds + 1), script.name.encode(), files[script.name], files.get(".patch", b"")]
        job += [b"" if layer is None else b"1", lay]
        self._stream.send(_packed([*job, *(argument.encode(errors="surrogateescape") for argument in arguments)]))
        deadline = time.monotonic() + limits.seconds + _GRACE
        last = word if layer is None else b"%s end" % word
        output, told = self._stream.read_until(b"codemonkeys: over %s\n" % word, last, deadline)
        if not output.endswith(last):
            return inside.failed(told.strip() or "the container ended in the middle", output), b""
        output, _, changed = output.partition(word)
        return inside.execution(output, told), changed.removesuffix(last)

    def interrupt(self) -> None:
        """Abort a call of `run` in another thread."""
        self._stream.shut()

    def close(self) -> None:
        """Close the connection: the container ends with all that runs in it, and the engine removes it."""
        self._stream.close()


def packed_layer(layer: Layer) -> bytes:
    """A layer, as layers.pl reads it."""
    parts: list[bytes] = []
    for path, kind, mode, content, changed in layer.entries:
        name = path.encode("utf-8", "surrogateescape")
        head = b"%s %d %d %d %d\n" % (kind.encode(), mode, changed // 10**9, len(name), len(content))
        parts += [head, name, content]
    return b"".join([*parts, b"end 0 0 0 0\n"])


def unpacked_layer(packed: bytes) -> Layer | str:
    """The layer that layers.pl wrote, or why there is none."""
    entries: list[Entry] = []
    at = 0
    try:
        while True:
            end = packed.index(b"\n", at)
            kind, mode, seconds, of_path, of_content = packed[at:end].split()
            if kind == b"much":
                return f"the command left more than {MOST_BYTES >> 20} MiB or {MOST_ENTRIES} files"
            if kind == b"end":
                return Layer.of(entries)
            path, at = packed[end + 1 : end + 1 + int(of_path)], end + 1 + int(of_path) + int(of_content)
            content = packed[end + 1 + int(of_path) : at]
            name: Any = kind.decode()
            entries.append(
                Entry(path.decode("utf-8", "surrogateescape"), name, int(mode), content, int(seconds) * 10**9)
            )
    except ValueError as error:
        return f"what the command left cannot be kept ({error})"


def _packed(words: list[bytes]) -> bytes:
    return b"%d\n" % len(words) + b"".join(b"%d\n%s" % (len(word), word) for word in words)


def _create(engine: Any, ready: Ready, kind: Kind, labels: dict[str, str], once: bool, wait: float) -> str:
    """Create a container without network, privileges or a writable root; returns its id."""
    uid = ready.user.partition(":")[0]
    owner = next(owner for owner in _OWNERS if str(owner) != uid)
    settings = map(str, (int(once), max(int(wait), 1), ready.user, owner, MOST_BYTES, MOST_ENTRIES))
    command = ["perl", PROGRAM, *settings, *(word for place in ready.places for word in place)]
    memory, period = (kind.memory_mb + ready.size_mb) << 20, 100_000
    scratch = {}
    for path, template in ready.places:
        mode = "1777" if not template else "0755"
        size = kind.disk_mb + (ready.size_mb if template else 0)
        scratch[path] = f"size={size}m,mode={mode},rw,exec,nosuid,nodev"
    scratch[inside.FOLDER] = "size=160m,mode=0755,rw,noexec,nosuid,nodev"
    shared = scratch.pop("/dev/shm", None)
    made = engine.api.create_container(
        ready.image,
        entrypoint=command[:2],
        command=command[2:],
        environment={"HOME": ready.home, **dict(kind.environment.variables)},
        working_dir="/",
        hostname="sandbox",
        user="root",
        labels=labels,
        stdin_open=True,
        stop_signal="SIGKILL",
        # Otherwise the engine sets up a network, if only an empty one, which takes half of the start-up time.
        network_disabled=True,
        healthcheck={"test": ["NONE"]},
        host_config=engine.api.create_host_config(
            auto_remove=True,
            read_only=True,
            network_mode="none",
            ipc_mode="private",
            cap_drop=["ALL"],
            cap_add=_CAPABILITIES,
            security_opt=["no-new-privileges:true"],
            mem_limit=memory,
            memswap_limit=memory,
            pids_limit=kind.processes + _OURS,
            cpu_period=period,
            cpu_quota=int(kind.cpus * period),
            shm_size=kind.disk_mb << 20 if shared else None,
            tmpfs=scratch,
            ulimits=[{"Name": "core", "Soft": 0, "Hard": 0}],
            log_config={"Type": "none"},
        ),
    )
    return str(made["Id"])
