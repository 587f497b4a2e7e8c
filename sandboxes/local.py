"""The `local` sandbox: Linux namespaces, without a daemon or an installation. See also zygote.py and namespace.py."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import tempfile
import threading
import weakref
from pathlib import Path

from sandboxes import cgroups, inside, plans, unaccounted
from sandboxes.base import Backend, Environment, Execution, Limits, SandboxError, Script
from sandboxes.launcher import Launcher, read_all
from sandboxes.layers import EMPTY, Layer
from sandboxes.patched import Patched
from sandboxes.sessions import Session, Step, read_layer, step_of
from sandboxes.spares import Spares, StartedRun, Starter

_BUBBLEWRAP = "/usr/bin/bwrap"
_TOOLS = {"bash": "bash", "git": "git"}
"""Required tools, and the Debian and Ubuntu packages that provide them."""
_MORE_TOOLS = {"perl": "perl-base", "setpriv": "util-linux"}
"""What bubblewrap needs besides."""
GRACE = 10.0
"""Seconds after the time limit when a run is stopped from outside, should the inside have failed to."""
_SWITCHES = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "10000"),
)
"""Kernel settings that can forbid user namespaces: name, forbidding value, allowing value."""


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
        self._spares = Spares(Starter(self._launcher, self._parents))
        self._patched = Patched()
        self._end_spares = weakref.finalize(self, self._spares.close)  # in case nobody calls `close`
        cgroups.remove_orphans(self._parents)

    def ensure(self, environment: Environment) -> None:
        """Check that namespaces work here, and that the environment's folders and interpreters can be exposed in them.

        Raises SandboxError saying what is missing and what to do.
        """
        if reason := unavailable(self._bubblewrap):
            raise SandboxError(reason)
        plans.make_ground(environment, Limits())

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script on throw-away copies of the environment's folders; see `Sandbox.run`."""
        limits = limits or Limits()
        cleared = self._patched.cleared
        known = self._patched.get(environment, patch, limits) if patch else None
        result, changed = self._execute(environment, script, patch, limits, patched=known)
        if patch and changed:
            self._patched.add(environment, patch, limits, changed, cleared)
        return result

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
        self._patched.clear()
        try:
            return self._execute(environment, script, None, limits or Limits(), writable=True)[0]
        finally:
            self._patched.clear()

    def close(self) -> None:
        """Kill running scripts; calls in flight return SANDBOX_FAILED."""
        self._closed.set()
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, GRACE)
        self._end_spares()
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
        patched: Layer | None = None,
    ) -> tuple[Execution, bytes]:
        """The result, and what `upper.gather` wrote: what the script has changed if there is a layer, else the patch.

        `patched`: what the patch changes, if that is known.
        """
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
            grouped = cgroups.usable(self._parents)
            ground = plans.make_ground(environment, limits, writable, grouped, _BUBBLEWRAP if self._bubblewrap else "")
            run = self._spares.take(limits, ground)
            task = plans.make_task(environment, script, patch, limits, run.ground, layer, patched)
            return self._watch(run, task, limits, ground)
        except Exception as error:  # also of texts and environments that cannot be passed on
            return inside.unforeseen(error), b""
        finally:
            if run:
                run.leave()
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _watch(
        self, run: StartedRun, task: plans.Task, limits: Limits, ground: plans.Ground
    ) -> tuple[Execution, bytes]:
        run.process.give(task)
        self._spares.order(limits, ground)
        output, report, layer = read_all(run.process, limits, self._closed, GRACE, task["gathered"] == "all")
        if self._closed.is_set():
            return inside.failed("the sandbox was closed", output), b""
        return inside.execution(output, report, run.group.oom_kills() if run.group else 0), layer


def unavailable(bubblewrap: bool = False) -> str | None:
    """Why the local sandbox cannot run on this machine and what to do about it; None if it can."""
    if platform.system() != "Linux":
        return "The local sandbox needs Linux; use the docker sandbox."
    tools = _TOOLS | (_MORE_TOOLS | {_BUBBLEWRAP: "bubblewrap"} if bubblewrap else {})
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
