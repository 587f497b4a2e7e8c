"""The first process of a run in a `local` sandbox: new Linux namespaces, a new root, then supervisor.py.

All of this happens in a process that zygote.py has forked. A plan is a dictionary, see `make_plan` in local.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from sandboxes import supervisor, unaccounted, upper
from sandboxes.syscalls import (
    ATTR_NODEV,
    ATTR_NOSUID,
    ATTR_RDONLY,
    IFF_UP,
    KEYCTL_JOIN_SESSION_KEYRING,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    NEW_NAMESPACES,
    SIOCSIFFLAGS,
    SYS_KEYCTL,
    check,
    detach,
    libc,
    mount,
    pivot,
    restrict,
)
from sandboxes.upper import Place

TERMINALS = 64
"""Pseudo terminals that a run may open; the kernel has a few thousand for all."""


def show(source: str, path: str, attributes: int) -> None:
    """Bind-mount a file or folder of the first root at a path of the new one."""
    target = place(path, os.path.isdir(source))
    mount(source, target)
    restrict(target, attributes)


def memory(path: str, options: str, flags: int = 0) -> str:
    """Mount an empty tmpfs at a path of the new root; returns where that is now."""
    target = place(path)
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | flags, options)
    return target


def write(path: str, text: str) -> None:
    """Write to a file of the kernel."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def unshare() -> None:
    """Move to new namespaces, mapping this user only; the process namespace takes effect with the next child."""
    user, group = os.getuid(), os.getgid()
    check(libc.unshare(NEW_NAMESPACES), "unshare")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")


def place(path: str, folder: bool = True) -> str:
    """Where a path of the new root is now; created as an empty file or folder if it does not exist.

    Links are not followed, as those of an image would lead out of the new root.
    """
    here = "/new"
    names = path.strip("/").split("/")
    for count, name in enumerate(names, 1):
        here += f"/{name}"
        if os.path.islink(here):
            raise OSError(errno.ELOOP, "a symbolic link", here)
        if count < len(names) or folder:
            if not os.path.isdir(here):
                os.mkdir(here)
        elif not os.path.exists(here):
            os.close(os.open(here, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    return here


def put(path: str, data: bytes) -> None:
    """Write a read-only file."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444), "wb") as file:
        file.write(data)


def encoded(text: str) -> bytes:
    """The bytes of a text; surrogate escapes stand for bytes that are not UTF-8."""
    return text.encode(errors="surrogateescape")


def make_first_root(plan: dict[str, Any]) -> None:
    """Move to a root with the old one at /old, the new one at /new, and all that a run may write in /scratch."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    write("/proc/sys/user/max_user_namespaces", "0")
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name in ("old", "new", "scratch"):
        os.mkdir(f"/tmp/{name}")
    pivot("/tmp", "/tmp/old")
    mount("tmpfs", "/scratch", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=755,size={plan['disk_mb']}m")


def make_root(plan: dict[str, Any]) -> list[Place]:
    """Build the new root at /new, except /proc, which belongs to the process namespace that is entered later.

    Returns the folders that can be written, with what a plan's layer has changed in them.
    """
    places = [""] * bool(plan["root"]) + [*plan["scratch"], *(path for path, _ in plan["folders"])]
    laid: list[Place] = []

    def fill(path: str, held: str, lower: str = "") -> None:
        laid.append(Place(path, held, lower))
        if plan["layer"]:
            upper.lay(plan["layer"], laid[-1], places)

    if plan["root"]:
        lay(plan["root"], "/new", plan["writable"], partial(fill, ""))
    else:
        mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        for path, target in plan["links"].items():
            os.makedirs(os.path.dirname(f"/new{path}"), exist_ok=True)
            os.symlink(target, f"/new{path}")
        for path in plan["copied"]:
            with open(f"/old{path}", "rb") as file:
                put(f"/new{path}", file.read())
        os.mkdir("/empty")
        for path in plan["read_only"]:
            lay_read_only(path, place(path))
        for path, text in plan["files"].items():
            put(f"/new{path}", encoded(text))
    make_devices(plan)
    for path, mode in plan["scratch"].items():
        held = f"/scratch/{path.replace('/', '-')}"
        os.mkdir(held)
        os.chmod(held, mode)
        fill(path, held)
        show(held, path, ATTR_NOSUID | ATTR_NODEV)
    for path, outside in plan["folders"]:
        lay(outside, place(path), plan["writable"], partial(fill, path))
    placed = memory(plan["placed_at"], "mode=755")
    for name, text in plan["placed"].items():
        put(f"{placed}/{name}", encoded(text))
    place("/proc")
    for path in ("/dev", plan["placed_at"], *([] if plan["root"] else ["/"])):
        restrict(f"/new{path}", ATTR_RDONLY, recursive=False)
    return laid


def lay(outside: str, target: str, writable: bool, fill: Callable[[str, str], None]) -> None:
    """Mount a folder of the old root: writable itself, or as an overlay whose changes go to the scratch file system.

    `fill`: called with the folder of the changes and the one below it, before they are joined.
    """
    if writable:
        mount(f"/old{outside}", target)
        restrict(target, ATTR_NOSUID | ATTR_NODEV)
        return
    number = len(os.listdir("/scratch"))
    lower, changes, work = (f"/{kind}{number}" for kind in ("lower", "scratch/upper", "scratch/work"))
    for folder in (lower, changes, work):
        os.mkdir(folder)
    mount(f"/old{outside}", lower)  # its own name could contain characters with a meaning in overlay options
    os.chmod(changes, os.stat(lower).st_mode & 0o7777)
    fill(changes, lower)
    options = f"lowerdir={lower},upperdir={changes},workdir={work},userxattr"
    mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options)


def lay_read_only(outside: str, target: str) -> None:
    """Mount a folder of the old root as an overlay that cannot be written.

    A bind mount would share the host's own files: locks and leases taken on them would hold outside too.
    """
    lower = f"/shown{len(os.listdir('/'))}"
    os.mkdir(lower)
    mount(f"/old{outside}", lower)
    options = f"lowerdir={lower}:/empty,userxattr"  # of a single folder the kernel makes no overlay
    mount("overlay", target, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options)


def make_devices(plan: dict[str, Any]) -> None:
    """Build /dev of the new root."""
    memory("/dev", "mode=755")
    for path in plan["devices"]:
        # The device stays writable, its mode does not.
        show(f"/old{path}", path, ATTR_RDONLY | ATTR_NOSUID)
    for path, target in plan["device_links"].items():
        os.symlink(target, f"/new{path}")
    options = f"newinstance,ptmxmode=0666,mode=620,max={TERMINALS}"
    mount("devpts", place("/dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC, options)


def enter_root() -> None:
    """Leave the first root and the old one for good."""
    mount("proc", "/new/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # If we are root outside too, a script could write to /proc/sys even without capabilities.
    restrict("/new/proc", ATTR_RDONLY)
    detach("/old")
    os.chdir("/new")
    pivot(".", ".")
    detach(".")


def enter_by_bubblewrap(plan: dict[str, Any]) -> NoReturn:
    """Execute bubblewrap, with programs and libraries of the old root, to enter the new root and run the command.

    It adds a nested process namespace, so that the command is process 1 as it is without bubblewrap. The remaining
    capabilities let process 1 drop them all for the script with setpriv, and keep it out of the script's reach.
    """
    words = ["--unshare-pid", "--as-pid-1", "--new-session", "--die-with-parent", "--cap-drop", "ALL"]
    for capability in ("CAP_SETPCAP", "CAP_DAC_OVERRIDE"):
        words += ["--cap-add", capability]
    words += ["--dev-bind", "/new", "/", "--proc", "/proc", "--remount-ro", "/proc", "--chdir", "/"]
    for name, value in plan["variables"].items():
        words += ["--setenv", name, value]
    os.mkdir("/tmp")  # bubblewrap builds there
    for name in os.listdir("/old"):
        if not os.path.lexists(f"/{name}"):
            os.symlink(f"old/{name}", f"/{name}")
    # In a file their length is unlimited, and they do not show up in the host's list of processes.
    arguments = os.memfd_create("arguments", 0)
    os.write(arguments, b"".join(os.fsencode(word) + b"\0" for word in words))
    os.lseek(arguments, 0, os.SEEK_SET)
    if plan["unaccounted"]:
        unaccounted.refuse()
    # Python ignores these signals, and an ignored signal stays ignored across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execve(plan["bubblewrap"], ["bwrap", "--args", str(arguments), "--", *plan["command"]], {})


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
    """Set up process 1 of the new process namespace as far as possible without a plan."""
    os.setsid()
    os.umask(0o022)
    supervisor.disguise()
    leave_keyring()
    loopback_up()
    check(libc.sethostname(b"sandbox", 7), "sethostname")


def become_first_process(plan: dict[str, Any], parent: socket.socket) -> NoReturn:
    """Build and enter the root, then carry out the run. `parent`: is handed what it will change."""
    if plan["unaccounted"]:
        unaccounted.keep_sockets_small()
    make_first_root(plan)
    places = make_root(plan)
    if plan["layer"] is not None:
        upper.hand_over(parent, places, plan["most"])
    supervisor.limit(plan["rlimits"])
    if plan["bubblewrap"]:
        enter_by_bubblewrap(plan)
    enter_root()
    if plan["unaccounted"]:
        unaccounted.refuse()
    supervisor.supervise(plan["supervised"], plan["variables"], parent)
