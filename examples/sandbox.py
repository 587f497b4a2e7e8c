"""A sandbox of your own: scripts run on a copy of the repository. IT DOES NOT ISOLATE: use it only for code you trust.

    codemonkeys solve TASKS -m fake --sandbox sandbox:BACKEND    # called in this folder
    python -m sandboxes.conformance sandbox:make -k patch        # checks with `patch` in their name

It shows what a backend has to do, and holds what the suite checks of exit codes, output and patches. It fails what a
real one is there for: no network, no view of this machine, limits of memory, processes and disk. Do not run the whole
suite on it: a fork bomb is part of that, and nothing here would stop it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from sandboxes import Backend, Environment, Execution, Limits, Reason, Sandbox, SandboxError, Script


class CopySandbox:
    """What `sandboxes.Sandbox` asks for; `run` is called from many threads at once."""

    name = "copy"

    def ensure(self, environment: Environment) -> None:
        """Refuse before any money is spent what could not run."""
        if environment.repository not in dict(environment.folders):
            raise SandboxError(f"Environment {environment.name} has no folder {environment.repository} to copy.")

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script on a copy of the repository. Never raises for what a script, a patch or this machine does."""
        if script.name in ("", ".", "..") or "/" in script.name or "\0" in script.name:
            return Execution(Reason.SANDBOX_FAILED, detail=f"{script.name!r} is not a file name")
        try:
            with tempfile.TemporaryDirectory() as folder:
                return _run(Path(folder), environment, script, patch or "", limits or Limits())
        except (OSError, ValueError, OverflowError) as error:
            return Execution(Reason.SANDBOX_FAILED, detail=str(error))

    def close(self) -> None:
        """Nothing outlives a run."""


def _run(folder: Path, environment: Environment, script: Script, patch: str, limits: Limits) -> Execution:
    outside = dict(environment.folders)
    repository = folder / "repository"
    shutil.copytree(outside[environment.repository], repository, symlinks=True)
    program = folder / "script" / script.name
    program.parent.mkdir()
    program.write_bytes(script.text.encode(errors="surrogateescape"))
    program.chmod(0o400)
    if patch:
        command = ["git", "apply", "--whitespace=nowarn", "-"]
        given = patch.encode(errors="surrogateescape")
        applied = subprocess.run(command, cwd=repository, input=given, capture_output=True, check=False)
        if applied.returncode:
            return Execution(Reason.PATCH_FAILED, output=applied.stderr.decode(errors="replace"))
    variables = {"HOME": str(folder), **dict(environment.variables)}
    # Nothing is mounted: what lies at a path inside is found at its place on this machine.
    places = variables.get("PATH", os.defpath).split(":")
    variables["PATH"] = ":".join(_outside(place, outside) for place in places)
    process = subprocess.Popen(
        ["bash", "-c", f'{environment.activate}\nexec "$@"', "bash", *script.command, str(program)],
        cwd=repository,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        written, _ = process.communicate(timeout=limits.seconds)
        late = False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        written, _ = process.communicate()
        late = True
    output = written[: limits.output_bytes].decode(errors="replace")
    if late:
        return Execution(Reason.TIMED_OUT, output=output, seconds=limits.seconds)
    if len(written) > limits.output_bytes:
        return Execution(Reason.OUTPUT_LIMIT, output=output)
    if process.returncode < 0:
        return Execution(Reason.KILLED, signal=-process.returncode, output=output)
    return Execution(Reason.EXITED, process.returncode, output=output)


def _outside(place: str, folders: dict[str, Path]) -> str:
    for inside, folder in folders.items():
        if Path(place).is_relative_to(inside):
            return str(folder / Path(place).relative_to(inside))
    return place


def _unavailable() -> str | None:
    """Why it cannot be used on this machine, and what to do about it."""
    missing = [tool for tool in ("bash", "git") if not shutil.which(tool)]
    return f"It needs {' and '.join(missing)}: install that." if missing else None


BACKEND = Backend(lambda run, **options: CopySandbox(), _unavailable, "folders")
"""`folders`: environments are folders of this machine, as for the sandbox `local`; else `image`, as for `docker`."""


def make(repository: Path) -> tuple[Sandbox, Environment]:
    """For the conformance suite: a sandbox, and an environment with the suite's repository."""
    venv = repository.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    folders = (("/testbed", repository), ("/opt/testbed", venv))
    return CopySandbox(), Environment("copy", folders=folders, variables=(("PATH", "/opt/testbed/bin:/usr/bin:/bin"),))
