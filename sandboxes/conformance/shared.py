"""What the kernel keeps for all programs of a machine is not shared with scripts: keys, locks, terminals."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
import threading
import uuid
from pathlib import Path

from sandboxes.base import Environment, Execution, Reason, Sandbox
from sandboxes.conformance.common import exited, python
from sandboxes.syscalls import SYS_KEYCTL

_ADD_KEY = {"x86_64": 248, "ppc64le": 269, "s390x": 278, "armv7l": 309}.get(os.uname().machine, 217)
_SESSION, _SEARCH, _UNLINK = -3, 10, 9
_KEYS = f"""
import ctypes
libc = ctypes.CDLL(None)
def add(name): return libc.syscall({_ADD_KEY}, b"user", name, b"harmless", 8, {_SESSION})
def found(name): return libc.syscall({SYS_KEYCTL}, {_SEARCH}, {_SESSION}, b"user", name, 0) > 0
"""


def no_key_of_the_kernel_is_found(sandbox: Sandbox, environment: Environment) -> None:
    """Neither one of our session keyring, nor one that an earlier script has added.

    The check is strongest if the key is added before the sandbox is opened.
    """
    libc = ctypes.CDLL(None)
    names = [f"codemonkeys-conformance-{uuid.uuid4()}".encode() for _ in range(2)]
    key = libc.syscall(_ADD_KEY, b"user", names[0], b"harmless", 8, _SESSION)
    try:
        text = f"{_KEYS}\nprint([found(name) for name in {names!r}], add({names[1]!r}) and None)"
        for _ in range(2):
            assert exited(python(sandbox, environment, text)) == "[False, False] None\n"
    finally:
        if key > 0:
            libc.syscall(SYS_KEYCTL, _UNLINK, key, _SESSION)


def no_lock_is_shared(sandbox: Sandbox, environment: Environment) -> None:
    """A lock or lease on any file that a script sees is held in its own run only."""
    mark = uuid.uuid4().hex
    text = f"""
import fcntl, os, sys, time
held = []
for path in "/usr/bin/env", "/etc/ld.so.cache", os.path.realpath(sys.executable), os.__file__, "a.txt", "{mark}":
    if os.path.exists(path):
        file = open(path, "rb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError: pass
        try: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError: pass
        held.append(file)
        print(path, flush=True)
time.sleep(2)
"""
    results: list[Execution] = []

    def run() -> None:
        results.append(python(sandbox, environment, text))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    delayed: set[str] = set()
    while any(thread.is_alive() for thread in threads):
        delayed |= _locked_here("/usr/bin/env", "/etc/ld.so.cache", os.path.realpath(sys.executable), os.__file__)
        threads[0].join(0.1)
    assert not delayed, delayed
    first, second = (exited(done) for done in results)  # neither met a lock of the other
    assert first == second and "a.txt" in first, results


def _locked_here(*paths: str) -> set[str]:
    """Those files of this machine on which somebody holds a lock."""
    found = set()
    for path in filter(os.path.exists, paths):
        with open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # another check of this may look at the same moment
            except OSError:
                found.add(path)
            seen = os.fstat(file.fileno())
            place = f" {os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino} "
            leases = [line for line in Path("/proc/locks").read_text().splitlines() if "LEASE" in line]
            found |= {line for line in leases if place in line}
    return found


def terminals_are_limited(sandbox: Sandbox, environment: Environment) -> None:
    """Those of the machine are few; a script gets some, not all."""
    text = """
import os, time
opened = []
try:
    while len(opened) < 400: opened.append(os.openpty())
except OSError: pass
print(len(opened), flush=True)
time.sleep(0.5 if len(opened) > 200 else 0)
"""
    done = python(sandbox, environment, text)
    if done.reason is not Reason.KILLED:  # as where the number is watched from inside
        assert 1 <= int(exited(done)) <= 200, done
    assert exited(python(sandbox, environment, "import os\nprint(len(os.openpty()))")) == "2\n"
