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
    from collections.abc import Iterator
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


def stage(plan: dict[str, Any]) -> None:
    """Move to a first root, which holds the old one at /old and all that the new one is to show."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    write("/proc/sys/user/max_user_namespaces", "0")
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name in ("old", "new", "scratch"):
        os.mkdir(f"/tmp/{name}")
    pivot("/tmp", "/tmp/old")
    mount("tmpfs", "/scratch", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=755,size={plan['disk_mb']}m")
    for path in plan["devices"]:
        place(f"/devices{path}", f"/old{path}")
        mount(f"/old{path}", f"/devices{path}")
        restrict(f"/devices{path}", ATTR_RDONLY | ATTR_NOSUID)  # the device can still be written, its mode cannot
    os.mkdir("/pts")
    mount("devpts", "/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    for path, mode in plan["scratch"].items():
        held = scratch(path)
        os.mkdir(held)
        os.chmod(held, mode)
    if not plan["writable"]:
        for index, (_, outside) in enumerate(plan["folders"]):
            overlay(f"/old{outside}", index)
    for path, text in plan["files"].items():
        os.makedirs(os.path.dirname(f"/files{path}"), exist_ok=True)
        with open(os.open(f"/files{path}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444), "wb") as file:
            file.write(text.encode(errors="surrogateescape"))


def shown(plan: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """What the new root shows, in order: a path in the first root, the path to mount it on, attributes to add."""
    for path in plan["read_only"]:
        yield f"/old{path}", path, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV
    for path in plan["devices"]:
        yield f"/devices{path}", path, ATTR_NOSUID
    yield "/pts", "/dev/pts", ATTR_NOSUID
    for path in plan["scratch"]:
        yield scratch(path), path, ATTR_NOSUID | ATTR_NODEV
    for index, (path, outside) in enumerate(plan["folders"]):
        yield f"/old{outside}" if plan["writable"] else f"/overlay{index}", path, ATTR_NOSUID | ATTR_NODEV
    for path in plan["files"]:
        yield f"/files{path}", path, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV


def make_root(plan: dict[str, Any]) -> None:
    """Build the new root from the first, and leave that and the old one for good."""
    mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for path, target in plan["links"].items():
        os.makedirs(os.path.dirname(f"/new{path}"), exist_ok=True)
        os.symlink(target, f"/new{path}")
    for source, path, attributes in shown(plan):
        place(f"/new{path}", source)
        mount(source, f"/new{path}")
        restrict(f"/new{path}", attributes)
    os.mkdir("/new/proc")
    mount("proc", "/new/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # Where we are root outside too, /proc/sys would be open to a script even without any capability.
    restrict("/new/proc", ATTR_RDONLY)
    restrict("/new", ATTR_RDONLY, recursive=False)

    detach("/old")
    os.chdir("/new")
    pivot(".", ".")
    detach(".")


def bubblewrap(plan: dict[str, Any]) -> list[str]:
    """The arguments with which bubblewrap, started in the first root, does what `make_root` does, and then some.

    It adds a process namespace in this one, so that the command is process 1 as it is without bubblewrap. The
    capabilities left are for process 1: to take all from the script with setpriv, and to be out of its reach.
    """
    words = ["--unshare-pid", "--as-pid-1", "--new-session", "--die-with-parent", "--chdir", "/", "--cap-drop", "ALL"]
    for capability in ("CAP_SETPCAP", "CAP_DAC_OVERRIDE"):
        words += ["--cap-add", capability]
    # Where bubblewrap makes a folder by the way, only its owner may open it.
    paths = [*plan["links"], *(path for _, path, _ in shown(plan))]
    for folder in sorted({folder for path in paths for folder in parents(path)}):
        words += ["--dir", folder]
    for path, target in plan["links"].items():
        words += ["--symlink", target, path]
    for source, path, attributes in shown(plan):
        read_only = "--ro-bind" if attributes & ATTR_RDONLY else "--bind"
        words += [read_only if attributes & ATTR_NODEV else "--dev-bind", source, path]
    words += ["--proc", "/proc", "--remount-ro", "/proc", "--remount-ro", "/"]
    for name, value in plan["variables"].items():
        words += ["--setenv", name, value]
    return words


def execute_bubblewrap(plan: dict[str, Any]) -> NoReturn:
    """Turn into bubblewrap, with the programs and libraries of the old root."""
    os.mkdir("/tmp")  # bubblewrap builds there
    for name in os.listdir("/old"):
        if not os.path.lexists(f"/{name}"):
            os.symlink(f"old/{name}", f"/{name}")
    # Given as a file, their length has no limit and the host's list of processes does not hold them.
    arguments = os.memfd_create("arguments", 0)
    os.write(arguments, b"".join(os.fsencode(word) + b"\0" for word in bubblewrap(plan)))
    os.lseek(arguments, 0, os.SEEK_SET)
    os.execve(plan["bubblewrap"], ["bwrap", "--args", str(arguments), "--", *plan["command"]], {})


def parents(path: str) -> list[str]:
    """The folders above a path, but for the root."""
    words = path.split("/")
    return ["/".join(words[:count]) for count in range(2, len(words))]


def scratch(path: str) -> str:
    """Where the first root holds a scratch folder."""
    return f"/scratch/{path.replace('/', '-')}"


def overlay(outside: str, index: int) -> None:
    """Mount a folder such that what is written to it goes to the scratch file system."""
    merged, lower, upper, work = (f"/{kind}{index}" for kind in ("overlay", "lower", "scratch/upper", "scratch/work"))
    for folder in (merged, lower, upper, work):
        os.mkdir(folder)
    mount(outside, lower)  # a name without the characters that have a meaning in the options
    os.chmod(upper, os.stat(lower).st_mode & 0o7777)
    options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
    mount("overlay", merged, "overlay", MS_NOSUID | MS_NODEV, options)


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
    stage(plan)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in plan["rlimits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    # Python ignores these; what is ignored stays so in the programs that follow.
    for number in (SIGPIPE, SIGXFSZ):
        libc.signal(number, SIG_DFL)
    if plan.get("bubblewrap"):
        execute_bubblewrap(plan)
    make_root(plan)
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
