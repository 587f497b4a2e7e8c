"""The `local` sandbox: Linux namespaces, without a daemon or an installation. See also zygote.py and namespace.py."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import resource
import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

from sandboxes import cgroups, host, inside, unaccounted
from sandboxes.base import Backend, Environment, Execution, Limits, SandboxError, Script
from sandboxes.launcher import Launcher, read_all
from sandboxes.layers import EMPTY, MOST_BYTES, MOST_ENTRIES, Layer
from sandboxes.sessions import Session, Step, read_layer, step_of
from sandboxes.spares import Spares, StartedRun

_BUBBLEWRAP = "/usr/bin/bwrap"
_TOOLS = {"bash": "bash", "git": "git"}
"""Required tools, and the Debian and Ubuntu packages that provide them."""
_MORE_TOOLS = {"perl": "perl-base", "setpriv": "util-linux", _BUBBLEWRAP: "bubblewrap"}
"""What bubblewrap needs besides."""
GRACE = 10.0
"""Seconds after the time limit when a run is stopped from outside, should the inside have failed to."""
_HELPERS = 4
"""Our own processes that count towards a script's limit: the namespace's parent, process 1, bubblewrap, git."""
_FILES = 1024
"""Open files of each process without a control group: pipes hold memory, too."""
_SWITCHES = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "10000"),
)
"""Kernel settings that can forbid user namespaces: name, forbidding value, allowing value."""
_DROP = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


class LocalSandbox:
    """Runs each script in its own Linux namespaces, on throw-away overlays of the environment's folders.

    `bubblewrap`: whether bubblewrap enters the root, which takes longer. Scripts see no difference.
    """

    name = "local"

    def __init__(self, bubblewrap: bool = False) -> None:
        self._bubblewrap = bubblewrap
        self._closed = threading.Event()
        self._running = 0
        self._idle = threading.Condition()
        self._parents = cgroups.parents()
        self._launcher = Launcher(self._parents.values())
        self._spares = Spares()
        weakref.finalize(self, self._spares.close)  # in case nobody calls `close`
        cgroups.remove_orphans(self._parents)

    def ensure(self, environment: Environment) -> None:
        """Check that namespaces work here, and that the environment's folders and interpreters can be exposed in them.

        Raises SandboxError saying what is missing and what to do.
        """
        if reason := unavailable(self._bubblewrap):
            raise SandboxError(reason)
        make_plan(environment, Script(""), None, Limits())

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script on throw-away copies of the environment's folders; see `Sandbox.run`."""
        return self._execute(environment, script, patch, limits or Limits())[0]

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        """Run a script on throw-away copies with a layer over them; see `SessionSandbox.step`."""
        result, gathered = self._execute(environment, script, None, limits or Limits(), layer=layer)
        return step_of(environment, layer, result, read_layer(gathered))

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Session:
        """Open a session; see `SessionSandbox.open`."""
        return Session(self, environment, limits or Limits(), layer)

    def build(self, environment: Environment, script: Script, limits: Limits | None = None) -> Execution:
        """Run a script that prepares the environment: its changes to the folders are kept.

        Everything else is as in `run`: no network, a private /tmp and home, limits.
        """
        return self._execute(environment, script, None, limits or Limits(), writable=True)[0]

    def close(self) -> None:
        """Kill running scripts; calls in flight return SANDBOX_FAILED."""
        self._closed.set()
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, GRACE)
        self._spares.close()
        self._launcher.close()
        cgroups.remove_busy(GRACE)

    def _execute(
        self,
        environment: Environment,
        script: Script,
        patch: str | None,
        limits: Limits,
        writable: bool = False,
        layer: Layer | None = None,
    ) -> tuple[Execution, bytes]:
        """The result, and what the script has changed if there is a layer, as `upper.gather` writes it."""
        if platform.system() != "Linux":
            return inside.failed("the local sandbox needs Linux"), b""
        if refusal := inside.refusal(environment, script, limits):
            return inside.failed(refusal), b""
        with self._idle:
            if self._closed.is_set():
                return inside.failed("the sandbox was closed"), b""
            self._running += 1
        run = None
        try:
            run = self._spares.take(limits) or self._start(limits)
            plan = make_plan(environment, script, patch, limits, writable, run.group is not None, self._bubblewrap)
            if layer is not None:
                plan |= {"layer": [tuple(entry) for entry in layer.entries]}
            return self._watch(run, plan, limits)
        except Exception as error:  # also of texts and environments that cannot be passed on
            return inside.unforeseen(error), b""
        finally:
            if run:
                run.end()
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _start(self, limits: Limits) -> StartedRun:
        group = cgroups.create(limits, _HELPERS, self._parents)
        try:
            return StartedRun(limits, group, self._launcher.start(group.entrances if group else []))
        except SandboxError:
            if group:
                group.remove()
            raise

    def _watch(self, run: StartedRun, plan: dict[str, Any], limits: Limits) -> tuple[Execution, bytes]:
        run.process.give(plan)
        with contextlib.suppress(OSError, SandboxError):  # without a spare, the next run is started when needed
            self._spares.add(self._start(limits))
        output, report, layer = read_all(run.process, limits, self._closed, GRACE)
        if self._closed.is_set():
            return inside.failed("the sandbox was closed", output), b""
        return inside.execution(output, report, run.group.oom_kills() if run.group else 0), layer


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


def make_plan(
    environment: Environment,
    script: Script,
    patch: str | None,
    limits: Limits,
    writable: bool = False,
    grouped: bool = False,
    bubblewrap: bool = False,
) -> dict[str, Any]:
    """Instructions for namespace.py, as plain data. `grouped`: a control group enforces the limits.

    Raises SandboxError if the environment cannot be exposed.
    """
    check_folders(environment)
    rlimits = {} if grouped else _rlimits(limits)
    # RLIMIT_NPROC does not apply to root: without a control group, processes are counted from inside.
    count = not grouped and os.getuid() == 0
    files = inside.files(script, patch)
    plan = {
        "root": environment.root and str(environment.root.resolve()),
        "writable": writable,
        "devices": [path for path in host.DEVICES if os.path.exists(path)],
        "device_links": host.DEVICE_LINKS,
        "scratch": {"/dev/shm": 0o1777},
        "folders": [[path, str(outside.resolve())] for path, outside in sorted(environment.folders)],
        "placed_at": inside.FOLDER,
        "placed": {name: data.decode(errors="surrogateescape") for name, data in files.items()},
        "disk_mb": limits.disk_mb,
        "rlimits": rlimits,
        "unaccounted": not grouped,
        "variables": {"PATH": inside.PATH, "HOME": "/root", **dict(environment.variables)},
        "supervised": {
            "repository": environment.repository,
            "patch": f"{inside.FOLDER}/{inside.PATCH_NAME}" if inside.PATCH_NAME in files else "",
            "seconds": limits.seconds,
            "output_bytes": limits.output_bytes,
            "processes": limits.processes if count else 0,
            "memory_kb": 0 if grouped else limits.memory_mb << 10,
            "socket_kb": inside.SOCKET_KB,
            "activate": environment.activate,
            "words": [*script.command, f"{inside.FOLDER}/{script.name}"],
        },
        "bubblewrap": None,
        "layer": None,
        "most": (MOST_BYTES, MOST_ENTRIES),
    }
    if bubblewrap:
        command = inside.command(environment, script, patch, limits, _DROP, count, count_memory=not grouped)
        plan |= {"bubblewrap": _BUBBLEWRAP, "command": ["/usr/bin/perl", *command[1:]]}
    return plan if environment.root else plan | _on_this_machine(environment)


def _rlimits(limits: Limits) -> dict[str, int]:
    """Limits of each process, for where no control group limits all of them."""
    files = min(_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    memory, processes = limits.memory_mb << 20, limits.processes + _HELPERS
    return {"RLIMIT_AS": memory, "RLIMIT_NPROC": processes, "RLIMIT_NOFILE": files}


def _on_this_machine(environment: Environment) -> dict[str, Any]:
    """Parts of a plan without a root of its own: this machine's programs, and homes in scratch folders."""
    links, read_only, copied = host.system()
    for _, outside in environment.folders:
        read_only += host.interpreters(outside)
    return {
        "links": links,
        "read_only": read_only,
        "copied": copied,
        "files": host.FILES,
        "scratch": {"/tmp": 0o1777, "/var/tmp": 0o1777, "/dev/shm": 0o1777, "/home/user": 0o700},
        "variables": {"PATH": inside.PATH, "HOME": "/home/user", "LANG": "C.UTF-8", **dict(environment.variables)},
    }


def unavailable(bubblewrap: bool = False) -> str | None:
    """Why the local sandbox cannot run on this machine and what to do about it; None if it can."""
    if platform.system() != "Linux":
        return "The local sandbox needs Linux; use the docker sandbox."
    tools = _TOOLS | (_MORE_TOOLS if bubblewrap else {})
    if missing := [tool for tool in tools if not shutil.which(tool, path=inside.PATH)]:
        return (
            f"The local sandbox needs {', '.join(missing)}, which is not installed (Debian, Ubuntu: "
            f"apt-get install {' '.join(tools[tool] for tool in missing)}); or use the docker sandbox."
        )
    if not cgroups.usable(cgroups.parents()) and unaccounted.missing():
        return (
            "Where control groups cannot be written, the local sandbox needs libseccomp to limit memory (Debian, "
            "Ubuntu: apt-get install libseccomp2); or use the docker sandbox."
        )
    if bubblewrap_works() if bubblewrap else _namespaces_work():
        return None
    done = _probe(bubblewrap)
    if done.exit_code == 0:
        return None
    return f"Linux namespaces cannot be used here ({done.detail or done.output.strip()}). {_advice()}"


@functools.cache
def bubblewrap_works() -> bool:
    """Whether bubblewrap is installed and can run scripts; a machine may forbid it specifically."""
    return os.path.exists(_BUBBLEWRAP) and _probe(True).exit_code == 0


@functools.cache
def _namespaces_work() -> bool:
    """Whether they do without bubblewrap: once they have, asking again would take two processes and more."""
    return _probe(False).exit_code == 0


def _probe(bubblewrap: bool) -> Execution:
    with contextlib.closing(LocalSandbox(bubblewrap)) as sandbox, tempfile.TemporaryDirectory() as folder:
        environment = Environment("probe", folders=(("/testbed", Path(folder)),))
        return sandbox.run(environment, Script("exit 0\n", "probe.sh", ("sh",)), limits=Limits(seconds=10))


def _advice() -> str:
    for setting, bad, fix in _SWITCHES:
        value = Path("/proc/sys", setting.replace(".", "/"))
        if value.is_file() and value.read_text().strip() == bad:
            return f"Allow them with `sudo sysctl -w {setting}={fix}`, or use the docker sandbox."
    return "A container must be allowed to create user namespaces; otherwise use the docker sandbox."


BACKEND = Backend(lambda run, **options: LocalSandbox(), unavailable, "folders")
