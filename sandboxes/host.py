"""What a `local` sandbox exposes of the host: system folders and interpreters, read-only, and nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sandboxes.base import SandboxError

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = tuple(
    "alternatives ld.so.cache ld.so.conf ld.so.conf.d localtime mime.types pki/tls/certs protocols services ssl/certs "
    "terminfo".split()
)
DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty"))
DEVICE_LINKS = {
    "/dev/ptmx": "pts/ptmx",
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}

FILES = {
    "/etc/passwd": "root:x:0:0:root:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    # The repository may be owned by another user outside.
    "/etc/gitconfig": "[safe]\n\tdirectory = *\n",
}


def system() -> tuple[dict[str, str], list[str], list[str]]:
    """Symbolic links to recreate (path to target), folders to mount read-only, and files to copy."""
    links = {path: os.readlink(path) for path in _SYSTEM if os.path.islink(path)}
    folders = [path for path in _SYSTEM if os.path.isdir(path) and not os.path.islink(path)]
    files = []
    for name in _SETTINGS:
        path = f"/etc/{name}"
        if os.path.islink(path):
            links[path] = os.readlink(path)
        elif os.path.isdir(path):
            folders.append(path)
        elif os.access(path, os.R_OK):
            files.append(path)
    return links, sorted([*folders, *_mounted_below(folders)]), files


def _mounted_below(folders: list[str]) -> list[str]:
    """Folders below these on which something is mounted: an overlay shows only what lies beneath."""
    mounts = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape").splitlines()
    starts = tuple(f"{folder}/" for folder in folders)
    below = {place for line in mounts if (place := line.split(" ", 5)[4]).startswith(starts)}
    # The kernel writes blanks and backslashes as octal numbers.
    places = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place) for place in below)
    return [path for path in places if os.path.isdir(path)]


def interpreters(folder: Path) -> list[str]:
    """Python installations outside /usr that a virtual environment at `folder` needs.

    Raises SandboxError for one that cannot be exposed without exposing a home folder.
    """
    prefixes: set[Path] = set()
    binary = folder / "bin" / "python"
    for _ in range(40):
        if not binary.is_symlink():
            break
        target = Path(os.readlink(binary))
        binary = Path(os.path.normpath(binary.parent / target))
        prefixes.add(binary.parent.parent)
    settings = folder / "pyvenv.cfg"
    if settings.is_file():
        for line in settings.read_text("utf-8", errors="replace").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home" and value.strip():
                prefixes.add(Path(value.strip()).parent)
    prefixes |= {prefix.resolve() for prefix in prefixes}
    needed = [prefix for prefix in prefixes if not _is_exposed(prefix, folder)]
    for prefix in needed:
        if not any(prefix.glob("lib*/python*")) or Path.home().is_relative_to(prefix):
            raise SandboxError(
                f"The environment {folder} runs {binary}, whose installation {prefix} cannot be exposed to a "
                "sandbox: it is not a folder of its own. Create the environment with another Python, or use the "
                "docker sandbox."
            )
    return sorted(map(str, needed))


def _is_exposed(prefix: Path, folder: Path) -> bool:
    places = [Path(path) for path in _SYSTEM] + [folder, folder.resolve()]
    return prefix == Path("/") or any(prefix.is_relative_to(place) for place in places)
