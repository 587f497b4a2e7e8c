"""Instructions for the processes of a `local` sandbox, as plain data: the ground of a run, and what is done on it.

The ground is what a run can be given before its script is known: see spares.py. namespace.py carries both out.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

from sandboxes import host, inside
from sandboxes.base import Environment, Limits, SandboxError, Script
from sandboxes.layers import MOST_BYTES, MOST_ENTRIES, Layer

HELPERS = 4
"""Our own processes that count towards a script's limit: the namespace's parent, process 1, bubblewrap, git."""
_FILES = 1024
"""Open files of each process without a control group: pipes hold memory, too."""
_DROP = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")

Ground = dict[str, Any]
Task = dict[str, Any]


def check_folders(environment: Environment) -> None:
    """Raise SandboxError unless all folders of the environment exist and one of them contains the repository."""
    name = environment.name
    if environment.root is None and not environment.folders:
        raise SandboxError(
            f"Environment {name} has no root and no folders for the local sandbox; use the docker sandbox."
        )
    for path in (environment.repository, *(path for path, _ in environment.folders)):
        if not path.startswith("/") or os.path.normpath(path) != path or path == "/":
            raise SandboxError(f"Environment {name}: {path!r} is not an absolute path of a folder inside.")
    for outside in (environment.root, *(outside for _, outside in environment.folders)):
        if outside is not None and not outside.is_dir():
            raise SandboxError(f"Environment {name}: the folder {outside} is missing; prepare it again.")
    if environment.root is None and not any(
        Path(environment.repository).is_relative_to(path) for path, _ in environment.folders
    ):
        raise SandboxError(f"Environment {name}: no folder contains the repository {environment.repository}.")


def make_ground(
    environment: Environment, limits: Limits, writable: bool = False, grouped: bool = False, bubblewrap: str = ""
) -> Ground:
    """What the root of a run is made of; of equal grounds one can stand in for the other.

    `writable`: the folders themselves are written. `grouped`: a control group enforces the limits. `bubblewrap`: its
    program, if it is to enter the root. Raises SandboxError if the environment cannot be exposed.
    """
    check_folders(environment)
    folders = [(path, str(outside.resolve())) for path, outside in sorted(environment.folders)]
    ground: Ground = {
        "root": environment.root and str(environment.root.resolve()),
        "writable": writable,
        "devices": [path for path in host.DEVICES if os.path.exists(path)],
        "device_links": host.DEVICE_LINKS,
        "scratch": {"/dev/shm": 0o1777},
        "folders": folders,
        "placed_at": inside.FOLDER,
        "disk_mb": limits.disk_mb,
        "bubblewrap": bubblewrap,
    }
    if not environment.root:
        ground |= _on_this_machine(environment)
    # A folder that was made anew is another, whatever its path.
    outside = [path for path in (ground["root"], *(path for _, path in folders)) if path]
    ground |= accounting(limits, grouped)
    return ground | {"folders_seen": [(seen.st_dev, seen.st_ino) for seen in map(os.stat, outside)]}


def make_task(
    environment: Environment,
    script: Script,
    patch: str | None,
    limits: Limits,
    ground: Ground,
    layer: Layer | None = None,
    patched: Layer | None = None,
) -> Task:
    """What is done on a ground. `layer`: of a session. `patched`: what the patch changes, if that is known."""
    # RLIMIT_NPROC does not apply to root: without a control group, processes are counted from inside.
    count, alone = ground["unaccounted"] and os.getuid() == 0, not ground["bubblewrap"]
    files = inside.files(script, patch)
    defaults = {"HOME": "/root"} if ground["root"] else {"HOME": "/home/user", "LANG": "C.UTF-8"}
    laid = patched if layer is None else layer
    task = {
        "placed": {name: data.decode(errors="surrogateescape") for name, data in files.items()},
        "variables": {"PATH": inside.PATH, **defaults, **dict(environment.variables)},
        "layer": [tuple(entry) for entry in laid.entries] if laid else (),
        "gathered": "all" if layer is not None else "patch" if patch and patched is None and alone else "",
        "most": (MOST_BYTES, MOST_ENTRIES),
        "supervised": {
            "repository": environment.repository,
            "patch": f"{inside.FOLDER}/{inside.PATCH_NAME}" if patch and patched is None else "",
            "seconds": limits.seconds,
            "output_bytes": limits.output_bytes,
            "processes": limits.processes if count else 0,
            "memory_kb": limits.memory_mb << 10 if ground["unaccounted"] else 0,
            "socket_kb": inside.SOCKET_KB,
            "activate": environment.activate,
            "words": [*script.command, f"{inside.FOLDER}/{script.name}"],
        },
    }
    if alone:
        return task
    command = inside.command(environment, script, patch, limits, _DROP, count, count_memory=ground["unaccounted"])
    return task | {"command": ["/usr/bin/perl", *command[1:]]}


def accounting(limits: Limits, grouped: bool) -> dict[str, Any]:
    """The part of a ground that tells how limits are enforced: by a control group, or by limits of each process."""
    if grouped:
        return {"rlimits": {}, "unaccounted": False}
    files = min(_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    memory, processes = limits.memory_mb << 20, limits.processes + HELPERS
    return {
        "rlimits": {"RLIMIT_AS": memory, "RLIMIT_NPROC": processes, "RLIMIT_NOFILE": files},
        "unaccounted": True,
    }


def _on_this_machine(environment: Environment) -> dict[str, Any]:
    """Parts of a ground without a root of its own: this machine's programs, and homes in scratch folders."""
    links, read_only, copied = host.system()
    for _, outside in environment.folders:
        read_only += host.interpreters(outside)
    return {
        "links": links,
        "read_only": read_only,
        "copied": copied,
        "files": host.FILES,
        "scratch": {"/tmp": 0o1777, "/var/tmp": 0o1777, "/dev/shm": 0o1777, "/home/user": 0o700},
    }
