"""The program that makes the inside of a `local` sandbox: new Linux namespaces, a new root, then `exec`.

Its standard input brings the plan (a dictionary, see `make_plan` in local.py, as `marshal` writes it) and stays open:
when it is closed, the sandbox ends. It imports nothing of this package and runs no code of the plan's folders. What it
cannot do it says on standard error, and ends with code 1.

It starts once for every run, so it imports little: typing, json, socket and signal would take longer than all its work.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import select
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

libc = ctypes.CDLL(None, use_errno=True)

# Of <linux/sched.h>, <linux/mount.h>, <linux/prctl.h>, <linux/sockios.h>, <signal.h>.
NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000  # ns uts ipc user pid net
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
SYS_MOUNT_SETATTR = 442
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_SET_PDEATHSIG = 1
AF_INET, SOCK_DGRAM, SIOCSIFFLAGS, IFF_UP = 2, 2, 0x8914, 1
SIGKILL, SIGPIPE, SIGXFSZ, SIG_DFL = 9, 13, 25, 0


def check(result: int, doing: str) -> None:
    """Raise the OSError of a failed call of libc."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = MS_BIND | MS_REC, data: str = "") -> None:
    """mount(2); without a kind of file system, a bind mount with all that is mounted below."""
    arguments = (source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    check(libc.mount(*arguments), f"mount {kind or 'bind'} {source} on {target}")


def restrict(target: str, attributes: int, recursive: bool = True) -> None:
    """mount_setattr(2): add attributes to a mount, and to those below it."""
    settings = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    check(
        libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, target.encode(), flags, settings, len(settings)), f"restrict {target}"
    )


def pivot(new: str, old: str) -> None:
    """pivot_root(2), and stand in the new root."""
    check(libc.pivot_root(new.encode(), old.encode()), f"pivot_root to {new}")
    os.chdir("/")


def detach(target: str) -> None:
    """umount2(2) of a mount and all below it."""
    check(libc.umount2(target.encode(), MNT_DETACH), f"detach {target}")


def write(path: str, text: str) -> None:
    """Write one of the kernel's files."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    check(libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl")


def place(path: str, source: str) -> None:
    """Make the empty file or folder at `path` that `source` is to be mounted on."""
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def make_root(plan: dict[str, Any]) -> None:
    """Build the new root as the plan says, and leave the old one for good."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # A first root holds the old one at /old and the new one at /new while the one is built from the other.
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name in ("old", "new", "scratch"):
        os.mkdir(f"/tmp/{name}")
    pivot("/tmp", "/tmp/old")
    mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    mount("tmpfs", "/scratch", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=755,size={plan['disk_mb']}m")

    for path, target in plan["links"].items():
        os.makedirs(os.path.dirname(f"/new{path}"), exist_ok=True)
        os.symlink(target, f"/new{path}")
    for path in plan["read_only"]:
        place(f"/new{path}", f"/old{path}")
        mount(f"/old{path}", f"/new{path}")
        restrict(f"/new{path}", ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV)
    for path in plan["devices"]:
        place(f"/new{path}", f"/old{path}")
        mount(f"/old{path}", f"/new{path}")
        restrict(f"/new{path}", ATTR_RDONLY | ATTR_NOSUID)  # the device can still be written, its mode cannot
    for path, mode in plan["scratch"].items():
        held = f"/scratch/{path.replace('/', '-')}"
        os.mkdir(held)
        os.chmod(held, mode)
        os.makedirs(f"/new{path}", exist_ok=True)
        mount(held, f"/new{path}")
    for index, (path, outside) in enumerate(plan["folders"]):
        os.makedirs(f"/new{path}", exist_ok=True)
        if plan["writable"]:
            mount(f"/old{outside}", f"/new{path}")
            restrict(f"/new{path}", ATTR_NOSUID | ATTR_NODEV)
        else:
            overlay(f"/old{outside}", f"/new{path}", index)
    for path, text in plan["files"].items():
        os.makedirs(os.path.dirname(f"/new{path}"), exist_ok=True)
        with open(os.open(f"/new{path}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444), "wb") as file:
            file.write(text.encode(errors="surrogateescape"))

    os.makedirs("/new/dev/pts")
    mount("devpts", "/new/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    os.makedirs("/new/proc")
    mount("proc", "/new/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    write("/new/proc/sys/user/max_user_namespaces", "0")
    # Where we are root outside too, /proc/sys would be open to a script even without any capability.
    restrict("/new/proc", ATTR_RDONLY)
    restrict("/new", ATTR_RDONLY, recursive=False)

    detach("/old")
    os.chdir("/new")
    pivot(".", ".")
    detach(".")


def overlay(outside: str, inside: str, index: int) -> None:
    """Mount a folder such that what is written to it goes to the scratch file system."""
    lower, upper, work = (f"/{kind}{index}" for kind in ("lower", "scratch/upper", "scratch/work"))
    for folder in (lower, upper, work):
        os.mkdir(folder)
    mount(outside, lower)  # a name without the characters that have a meaning in the options
    os.chmod(upper, os.stat(lower).st_mode & 0o7777)
    options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
    mount("overlay", inside, "overlay", MS_NOSUID | MS_NODEV, options)


def loopback_up() -> None:
    """Bring up the only network there is; many test suites serve and ask on 127.0.0.1."""
    any_socket = libc.socket(AF_INET, SOCK_DGRAM, 0)
    check(libc.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP)), "bring up the loopback network")
    os.close(any_socket)


def become_first_process(plan: dict[str, Any]) -> NoReturn:
    """Process 1 of the new process namespace: make the root, then turn into the plan's command."""
    os.setsid()
    os.umask(0o022)
    loopback_up()
    check(libc.sethostname(b"sandbox", 7), "sethostname")
    make_root(plan)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in plan["rlimits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    # Python ignores these; what is ignored stays so in the programs that follow.
    for number in (SIGPIPE, SIGXFSZ):
        libc.signal(number, SIG_DFL)
    os.execve(plan["command"][0], plan["command"], plan["variables"])


def main() -> int:
    """Run the plan on standard input to its end."""
    try:
        run(marshal.load(sys.stdin.buffer))
    except OSError as error:
        about = [str(name) for name in (error.filename, error.filename2) if name]
        os.write(2, (": ".join([*about, error.strerror or str(error)]) + "\n").encode())
        os._exit(1)
    return 0


def run(plan: dict[str, Any]) -> None:
    """Make the namespaces and a first process in them; wait for its end, or for the end of standard input."""
    for processes in plan["cgroups"]:
        write(processes, "0")
    user, group = os.getuid(), os.getgid()
    check(libc.unshare(NEW_NAMESPACES), "unshare")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")
    die_with_parent()
    if os.getppid() != plan["parent"]:
        os._exit(1)  # it died before we could ask to die with it

    alive, told = os.pipe()
    child = os.fork()
    if child == 0:
        die_with_parent()
        os.close(told)
        if not os.read(alive, 1):
            os._exit(1)  # the same race
        become_first_process(plan)
    os.write(told, b".")
    process = os.pidfd_open(child)
    if process not in select.select([process, sys.stdin], [], [])[0]:
        os.kill(child, SIGKILL)
    os.waitpid(child, 0)
