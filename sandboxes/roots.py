"""The root of a run in a `local` sandbox: `prepare` makes what needs no script, `build` the rest, then it is entered.

See plans.py for what they are given.
"""

from __future__ import annotations

import errno
import os
from typing import Any, NamedTuple

from sandboxes import upper
from sandboxes.syscalls import (
    ATTR_NODEV,
    ATTR_NOSUID,
    ATTR_RDONLY,
    MS_MOVE,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    detach,
    mount,
    pivot,
    restrict,
)
from sandboxes.upper import Place

TERMINALS = 64
"""Pseudo terminals that a run may open; the kernel has a few thousand for all."""


def write(path: str, text: str) -> None:
    """Write to a file of the kernel."""
    with open(path, "wb", 0) as file:
        file.write(text.encode())


def show(source: str, target: str, attributes: int) -> None:
    """Bind-mount a file or folder."""
    mount(source, target)
    restrict(target, attributes)


def place(path: str, root: str = "/new", folder: bool = True) -> str:
    """Where a path of the new root is now; created as an empty file or folder if it does not exist.

    Links are not followed, as those of an image would lead out of the new root.
    """
    here = root
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


class Folder(NamedTuple):
    """A folder of this machine that is laid into the new root."""

    path: str
    """Inside; empty for the root itself."""
    lower: str
    changes: str
    """Holds what is written; empty if the folder itself is written."""
    work: str


def make_first_root(ground: dict[str, Any]) -> None:
    """Move to a root with the old one at /old, the new one at /new, and all that a run may write in /scratch."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    write("/proc/sys/user/max_user_namespaces", "0")
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name in ("old", "new", "ahead", "scratch", "empty"):
        os.mkdir(f"/tmp/{name}")
    pivot("/tmp", "/tmp/old")
    mount("tmpfs", "/scratch", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=755,size={ground['disk_mb']}m")


def prepare(ground: dict[str, Any]) -> list[Folder]:
    """Do what needs no task: all of the new root but what can be written, or else, to be moved there, at /ahead.

    Returns the folders that are to be laid.
    """
    make_first_root(ground)
    at = "/ahead" if ground["root"] else "/new"
    if not ground["root"]:
        mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        for path, target in ground["links"].items():
            os.makedirs(os.path.dirname(f"/new{path}"), exist_ok=True)
            os.symlink(target, f"/new{path}")
        for path in ground["copied"]:
            with open(f"/old{path}", "rb") as file:
                put(f"/new{path}", file.read())
        for path in ground["read_only"]:
            lay_read_only(path, place(path))
        for path, text in ground["files"].items():
            put(f"/new{path}", encoded(text))
    make_devices(ground, at)
    for path, mode in ground["scratch"].items():
        held = held_at(path)
        os.mkdir(held)
        os.chmod(held, mode)
        show(held, place(path, at), ATTR_NOSUID | ATTR_NODEV)
    mount("tmpfs", place(ground["placed_at"], at), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    target = place("/proc", at)
    outside = [("", ground["root"])] * bool(ground["root"]) + [*ground["folders"]]
    folders = [bring(number, path, folder, ground["writable"]) for number, (path, folder) in enumerate(outside)]
    if not ground["bubblewrap"]:
        mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        # If we are root outside too, a script could write to /proc/sys even without capabilities.
        restrict(target, ATTR_RDONLY)
        detach("/old")
    return folders


def bring(number: int, path: str, outside: str, writable: bool) -> Folder:
    """Bind-mount a folder of the old root where its name has no characters with a meaning in overlay options."""
    lower, changes, work = (f"/{kind}{number}" for kind in ("lower", "scratch/upper", "scratch/work"))
    os.mkdir(lower)
    mount(f"/old{outside}", lower)
    if writable:
        return Folder(path, lower, "", "")
    for folder in (changes, work):
        os.mkdir(folder)
    os.chmod(changes, os.stat(lower).st_mode & 0o7777)
    return Folder(path, lower, changes, work)


def held_at(path: str) -> str:
    """Where what is written to a scratch folder is held."""
    return f"/scratch/{path.replace('/', '-')}"


def build(ground: dict[str, Any], task: dict[str, Any], folders: list[Folder]) -> list[Place]:
    """Build the rest of the new root, with the layer. Returns the folders that a run may write."""
    places = [*(Place(path, held_at(path)) for path in ground["scratch"])]
    places += [Place(folder.path, folder.changes, folder.lower) for folder in folders if folder.changes]
    if task["layer"]:
        for one in places:
            upper.lay(task["layer"], one, [other.path for other in places])
    for folder in folders:
        lay(folder, place(folder.path) if folder.path else "/new")
        if not folder.path:
            for path in ("/dev", ground["placed_at"], *(["/proc"] * (not ground["bubblewrap"]))):
                mount(f"/ahead{path}", place(path), flags=MS_MOVE)
            place("/proc")
    for name, text in task["placed"].items():
        put(f"/new{ground['placed_at']}/{name}", encoded(text))
    for path in ("/dev", ground["placed_at"], *([] if ground["root"] else ["/"])):
        restrict(f"/new{path}", ATTR_RDONLY, recursive=False)
    return places


def lay(folder: Folder, target: str) -> None:
    """Mount a folder: writable itself, or as an overlay whose changes go to the scratch file system."""
    if not folder.changes:
        show(folder.lower, target, ATTR_NOSUID | ATTR_NODEV)
        return
    options = f"lowerdir={folder.lower},upperdir={folder.changes},workdir={folder.work},userxattr"
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


def make_devices(ground: dict[str, Any], at: str) -> None:
    """Build /dev of the new root."""
    mount("tmpfs", place("/dev", at), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for path in ground["devices"]:
        # The device stays writable, its mode does not.
        show(f"/old{path}", place(path, at, folder=False), ATTR_RDONLY | ATTR_NOSUID)
    for path, target in ground["device_links"].items():
        os.symlink(target, f"{at}{path}")
    options = f"newinstance,ptmxmode=0666,mode=620,max={TERMINALS}"
    mount("devpts", place("/dev/pts", at), "devpts", MS_NOSUID | MS_NOEXEC, options)


def enter_root() -> None:
    """Leave the first root for good."""
    os.chdir("/new")
    pivot(".", ".")
    detach(".")
