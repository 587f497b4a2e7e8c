"""The first process of a run in a `local` sandbox: new Linux namespaces, a new root, then supervisor.py.

All of this happens in a process that zygote.py has forked. See plans.py for what they are given.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import signal
import socket
import struct
from typing import Any, BinaryIO, NoReturn

from sandboxes import roots, supervisor, unaccounted, upper
from sandboxes.syscalls import (
    IFF_UP,
    KEYCTL_JOIN_SESSION_KEYRING,
    NEW_NAMESPACES,
    SIOCSIFFLAGS,
    SYS_KEYCTL,
    check,
    libc,
)


def unshare() -> None:
    """Move to new namespaces, mapping this user only; the process namespace takes effect with the next child."""
    user, group = os.getuid(), os.getgid()
    check(libc.unshare(NEW_NAMESPACES), "unshare")
    roots.write("/proc/self/setgroups", "deny")
    roots.write("/proc/self/uid_map", f"0 {user} 1")
    roots.write("/proc/self/gid_map", f"0 {group} 1")


def enter_by_bubblewrap(ground: dict[str, Any], task: dict[str, Any], refusing: ctypes.CDLL | None) -> NoReturn:
    """Execute bubblewrap, with programs and libraries of the old root, to enter the new root and run the command.

    It adds a nested process namespace, so that the command is process 1 as it is without bubblewrap. The remaining
    capabilities let process 1 drop them all for the script with setpriv, and keep it out of the script's reach.
    """
    words = ["--unshare-pid", "--as-pid-1", "--new-session", "--die-with-parent", "--cap-drop", "ALL"]
    for capability in ("CAP_SETPCAP", "CAP_DAC_OVERRIDE"):
        words += ["--cap-add", capability]
    words += ["--dev-bind", "/new", "/", "--proc", "/proc", "--remount-ro", "/proc", "--chdir", "/"]
    for name, value in task["variables"].items():
        words += ["--setenv", name, value]
    os.mkdir("/tmp")  # bubblewrap builds there
    for name in os.listdir("/old"):
        if not os.path.lexists(f"/{name}"):
            os.symlink(f"old/{name}", f"/{name}")
    # In a file their length is unlimited, and they do not show up in the host's list of processes.
    arguments = os.memfd_create("arguments", 0)
    os.write(arguments, b"".join(os.fsencode(word) + b"\0" for word in words))
    os.lseek(arguments, 0, os.SEEK_SET)
    if refusing:
        unaccounted.refuse(refusing)
    # Python ignores these signals, and an ignored signal stays ignored across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execve(ground["bubblewrap"], ["bwrap", "--args", str(arguments), "--", *task["command"]], {})


def loopback_up() -> None:
    """Bring up the loopback network, the only one; many test suites use servers on 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", IFF_UP)
        check(libc.ioctl(any_socket.fileno(), SIOCSIFFLAGS, request), "bring up the loopback network")


def leave_keyring() -> None:
    """Join a session keyring that is new and empty: no key of ours is found, and none is left to the next run."""
    # Where the kernel has no keys, or lets nobody use them, there are none to leave.
    if libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) < 0:
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EPERM):
            raise OSError(number, f"join a new session keyring: {os.strerror(number)}")


def settle() -> None:
    """Set up process 1 of the new process namespace as far as possible without a ground."""
    os.setsid()
    os.umask(0o022)
    supervisor.disguise()
    leave_keyring()
    loopback_up()
    check(libc.sethostname(b"sandbox", 7), "sethostname")


def become_first_process(given: BinaryIO, parent: socket.socket) -> NoReturn:
    """Read the ground and build it, then read the task and carry it out.

    `parent`: is handed the folders with what a session changes.
    """
    ground = marshal.load(given)
    refusing = None
    if ground["unaccounted"]:
        unaccounted.keep_sockets_small()
        refusing = unaccounted.library()  # of this machine, not of the root that will be entered
    folders = roots.prepare(ground)
    task = marshal.load(given)
    places = roots.build(ground, task, folders)
    gathered = task["gathered"]
    opened = upper.open_all(places, task["most"], whole=gathered == "patch") if gathered else None
    if opened and gathered == "all":
        upper.hand_over(parent, opened)
    if gathered != "patch":
        os.close(upper.OUTPUT)
        opened = None
    supervisor.limit(ground["rlimits"])
    if ground["bubblewrap"]:
        enter_by_bubblewrap(ground, task, refusing)
    roots.enter_root()
    if refusing:
        unaccounted.refuse(refusing)
    os.dup2(parent.fileno(), 0, inheritable=False)  # in the place of what it was told on
    parent.close()
    parent = socket.socket(fileno=0)
    supervisor.supervise(task["supervised"], task["variables"], parent, opened)
