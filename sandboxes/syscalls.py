"""Calls of the kernel that Python has no function for."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Iterable

libc = ctypes.CDLL(None, use_errno=True)

# From <linux/sched.h>, <linux/mount.h>, <linux/prctl.h>, <linux/keyctl.h>, <linux/sockios.h>.
NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000  # ns uts ipc user pid net
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 8192, 16384, 1 << 18
MNT_DETACH = 2
SYS_MOUNT_SETATTR = 442
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_SET_PDEATHSIG, PR_SET_NAME, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 15, 24, 38
_CAPABILITY_VERSION = 0x20080522
SYS_KEYCTL = {"x86_64": 250, "ppc64le": 271, "s390x": 280, "armv7l": 311}.get(os.uname().machine, 219)
KEYCTL_JOIN_SESSION_KEYRING = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def check(result: int, doing: str) -> None:
    """Raise OSError if a call of libc failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = MS_BIND | MS_REC, data: str = "") -> None:
    """mount(2); without a file system type, a recursive bind mount."""
    arguments = (source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    check(libc.mount(*arguments), f"mount {kind or 'bind'} {source} on {target}")


def restrict(target: str, attributes: int, recursive: bool = True) -> None:
    """mount_setattr(2): add attributes to a mount, by default recursively."""
    settings = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    check(
        libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, target.encode(), flags, settings, len(settings)), f"restrict {target}"
    )


def pivot(new: str, old: str) -> None:
    """pivot_root(2), and change to the new root."""
    check(libc.pivot_root(new.encode(), old.encode()), f"pivot_root to {new}")
    os.chdir("/")


def detach(target: str) -> None:
    """Lazily unmount (umount2) a mount and all below it."""
    check(libc.umount2(target.encode(), MNT_DETACH), f"detach {target}")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def drop_capabilities(kept: Iterable[int]) -> None:
    """Keep only these capabilities; what this process executes has none, and never gets any."""
    number = 0
    while libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:  # until there is no capability of that number
        number += 1
    if (failed := ctypes.get_errno()) != errno.EINVAL:
        raise OSError(failed, f"drop capabilities: {os.strerror(failed)}")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs")
    held = sum(1 << capability for capability in kept)
    low, high = held & 0xFFFFFFFF, held >> 32
    header, sets = struct.pack("Ii", _CAPABILITY_VERSION, 0), struct.pack("6I", low, low, 0, high, high, 0)
    check(libc.capset(header, sets), "drop capabilities")
