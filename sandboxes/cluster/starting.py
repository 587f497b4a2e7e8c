"""A cluster of this machine alone: started for a sandbox, ended with the process that started it, however that ends."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from sandboxes.base import SandboxError
from sandboxes.processes import pid_namespace, process_start

PREFIX = "cm-ray-"
"""Begins the names of their folders."""
RAYS = "r"
"""The part of such a folder that Ray gets, which lets everybody read it: the folder itself does not."""
OWNER = "owner"
"""File in such a folder: the id of the process whose cluster it is, when that was started, and its namespace."""
SECONDS = 300.0
"""In which a cluster has to start."""
ATTEMPTS = 3
"""To start one."""
OBJECTS = 150_000_000
"""Bytes of its object store; environments lie on the same machine and are not sent."""
PASSED_ON = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "CODEMONKEYS_HOME", "XDG_CACHE_HOME") + (
    *("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "SSH_AUTH_SOCK"),
)
"""Environment variables of its processes; no keys."""

RAY = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
"""Program of Ray's command line, which needs no PATH."""

# Ray's processes end with `ray start --block`, and that ends with this one, which ends with its owner.
_GUARD = """\
import ctypes, os, shutil, subprocess, sys, threading, time
folder, words = sys.argv[1], sys.argv[2:]
with open(folder + "/log", "wb") as log:
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                               preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9))
def watch():
    process.wait()
    open(folder + "/ended", "w").close()
threading.Thread(target=watch, daemon=True).start()
sys.stdin.read()
process.terminate()
try: process.wait(8)
except subprocess.TimeoutExpired: process.kill()
mark = ("RAY_TMPDIR=" + folder + "/").encode()
def left():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(pid) != os.getpid() and mark in open("/proc/" + pid + "/environ", "rb").read():
                os.kill(int(pid), 9)
                yield pid
        except OSError: pass
for _ in range(100):  # what still ends would write into the folder
    if not list(left()): break
    time.sleep(0.1)
shutil.rmtree(folder, ignore_errors=True)
os._exit(0)
"""


def start(cores: int | None = None) -> OwnCluster:
    """Start a cluster, again where Ray's own half minute for a node to start was not enough: a busy machine is slow.

    Raises SandboxError if it does not start.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(_Slow):
            return OwnCluster(cores)
    return OwnCluster(cores)


class _Slow(SandboxError):
    """Ray has given up too early."""


class OwnCluster:
    """A cluster of one node that only this process can reach: it listens on the loopback and asks for a token."""

    def __init__(self, cores: int | None = None) -> None:
        """Raises SandboxError if it does not start."""
        # Sockets lie deep below it, and their names must not grow longer than a hundred characters.
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place()))
        owner = os.getpid()
        (self.folder / OWNER).write_text(f"{owner} {process_start(owner)} {pid_namespace()}")
        token = self.folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _GUARD, str(self.folder), *_start(self.folder, cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables(self.folder),
            cwd="/",
            start_new_session=True,
        )
        try:
            self.address = self._started()
        except BaseException:
            self.close()
            raise

    def _started(self) -> str:
        said, end = self.folder / RAYS / "ray_current_cluster", time.monotonic() + SECONDS
        while time.monotonic() < end:
            with suppress(OSError):
                if address := said.read_text().strip():
                    return address
            if (self.folder / "ended").exists() or self._process.poll() is not None:
                break
            time.sleep(0.05)
        log = ""
        with suppress(OSError):
            log = (self.folder / "log").read_text(errors="replace").strip()[-2000:]
        kind = _Slow if "timed out during startup" in log else SandboxError
        raise kind(f"no Ray cluster could be started on this machine: {log or 'it took too long'}")

    def close(self) -> None:
        """End its processes and remove its files."""
        with suppress(OSError):
            self._process.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)  # where it did not start


def variables(folder: Path) -> dict[str, str]:
    """The environment of the processes of a cluster of this machine: no keys, nothing reported to anybody."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder / RAYS),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        # Ray's name for: this machine's address is the loopback's.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


def _start(folder: Path, cores: int | None) -> list[str]:
    return [
        *(sys.executable, "-I", "-c", RAY, "start", "--head", "--block"),
        *("--node-ip-address=127.0.0.1", "--port=0", f"--temp-dir={folder / RAYS}"),
        *(f"--num-cpus={cores or len(os.sched_getaffinity(0))}", "--num-gpus=0", f"--object-store-memory={OBJECTS}"),
        *("--include-dashboard=false", "--include-log-monitor=false", "--no-monitor", "--disable-usage-stats"),
    ]


def place() -> Path:
    """Where the folders of clusters are."""
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= 20 else "/tmp")
