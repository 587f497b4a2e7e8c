"""Makes tasks ready: builds or fetches the place where a task's code runs, and the snapshot of its codebase."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.redact import redact
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.once import make_once
from codemonkeys.tasks.repository import commit_tree
from sandboxes.base import Environment, Execution, Limits, Reason, SandboxError, Script

INPUTS = ("repo.tar.gz", "requirements.txt", "install.sh")
"""Files of a task folder that an environment is built from."""

PYTHON = Path(sys.base_prefix).resolve() / "bin" / "python{}.{}".format(*sys.version_info[:2])
PATH = "/opt/testbed/bin:/usr/local/bin:/usr/bin:/bin"
BUILD_LIMITS = Limits(seconds=1800, memory_mb=8192, processes=1024, disk_mb=8192)
PIP_SECONDS = 900
TAIL = 4000

# The same steps as the Dockerfile of a task; the network was used before, for the wheels only.
BUILD = """\
set -e
{python} -m venv /opt/testbed
pip install --quiet --no-deps --no-index --find-links /build/wheels --requirement /build/requirements.txt
tar --no-same-owner -xzf /build/repo.tar.gz -C /testbed
cd /testbed
sh /build/install.sh
"""

# The images of SWE-bench keep what a repository needs in a conda environment.
ACTIVATE = "if [ -f /opt/miniconda3/bin/activate ]; then . /opt/miniconda3/bin/activate testbed; fi"


def default_home() -> Path:
    """Folder for what is built once and used by every run: CODEMONKEYS_HOME, or the user's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("CODEMONKEYS_HOME")
    return Path(given).expanduser().absolute() if given else user_cache_path("codemonkeys")


def can_run_locally(task: Task) -> bool:
    """Whether the task brings what its environment can be built from without a container image."""
    if task.checkout is not None:
        return task.checkout.runs_locally
    folder = task.folder
    return folder is not None and all((folder / name).is_file() for name in INPUTS)


def prepare(task: Task, home: Path, sandbox: str) -> Workspace:
    """Make a task ready for the sandbox of that kind, `local` or `docker`; what is built is kept in `home`.

    Safe to call from many threads and processes at once. Raises EnvironmentFailed.
    """
    from codemonkeys.tasks import local_repository
    from codemonkeys.tasks.snapshot import Snapshot

    try:
        if task.checkout is not None:
            return local_repository.prepare(task, task.checkout, home, sandbox)
        if sandbox == "docker":
            environment, repository = _from_image(task, home)
        else:
            environment, repository = _from_folder(task, home)
    except SandboxError as error:
        raise EnvironmentFailed(f"{task.id}: {error}") from error
    except OSError as error:
        raise EnvironmentFailed(f"{task.id}: cannot build its environment in {home}: {error}") from error
    return Workspace(task, Snapshot.of_repository(repository, "HEAD"), environment)


def _from_folder(task: Task, home: Path) -> tuple[Environment, Path]:
    """Environment and repository built from a task folder, for the local sandbox."""
    if task.folder is None or not can_run_locally(task):
        raise EnvironmentFailed(
            f"{task.id} comes as the container image {task.image} only, which the local sandbox cannot run; "
            "use --sandbox docker"
        )
    inputs = {name: (task.folder / name).read_bytes() for name in INPUTS}
    content = hashlib.sha256(repr((BUILD, sys.implementation.cache_tag)).encode())
    for data in inputs.values():
        content.update(hashlib.sha256(data).digest())
    folder = home / "environments" / f"{task.id}-{content.hexdigest()[:16]}"

    def build(making: Path) -> None:
        for name in ("testbed", "venv", "build", "build/wheels"):
            (making / name).mkdir()
        for name, data in inputs.items():
            (making / "build" / name).write_bytes(data)
        # By this the sandbox knows which Python it has to show; the virtual environment will say the same.
        (making / "venv" / "pyvenv.cfg").write_text(f"home = {PYTHON.parent}\n")
        _download_wheels(task, making / "build")
        _build(task, _local_environment(task, making, ("/build", making / "build")))
        shutil.rmtree(making / "build")
        commit_tree(making / "testbed", making / "testbed" / ".git")

    make_once(folder, build)
    return _local_environment(task, folder), folder / "testbed"


def _local_environment(task: Task, folder: Path, *more: tuple[str, Path]) -> Environment:
    folders = (("/testbed", folder / "testbed"), ("/opt/testbed", folder / "venv"), *more)
    return Environment(name=folder.name, image=task.image, folders=folders, variables=(("PATH", PATH),))


def _download_wheels(task: Task, build: Path) -> None:
    requirements = build / "requirements.txt"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(build / "wheels"), "--requirement", str(requirements)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PIP_SECONDS,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(
            f"{task.id}: pip did not fetch its requirements in {PIP_SECONDS} s; try later"
        ) from None
    if done.returncode:
        raise EnvironmentFailed(
            f"{task.id}: pip could not fetch its requirements for {sys.implementation.cache_tag}; check that this "
            f"machine reaches its package index (`{sys.executable} -m pip config list`). It said:\n{_tail(done.stdout)}"
        )


def _build(task: Task, environment: Environment) -> None:
    from sandboxes.local import LocalSandbox

    script = Script(BUILD.format(python=shlex.quote(str(PYTHON))), name="build.sh", command=("sh",))
    sandbox = LocalSandbox()
    try:
        done = sandbox.build(environment, script, BUILD_LIMITS)
    finally:
        sandbox.close()
    if done.exit_code != 0:
        raise EnvironmentFailed(f"{task.id}: its environment could not be built: {_said(done)}")


def _from_image(task: Task, home: Path) -> tuple[Environment, Path]:
    """Environment and repository taken from a container image, for the docker sandbox."""
    from sandboxes import docker

    if task.image is None:
        raise EnvironmentFailed(f"{task.id} names no container image; use --sandbox local")
    sandbox = docker.DockerSandbox()
    try:
        sandbox.ensure(Environment(name=task.image, image=task.image))
        # By content from here on: a tag may be moved while a run goes on.
        image = str(sandbox.connect().images.get(task.image).id)
        environment = Environment(name=image, image=image, activate="" if task.folder else ACTIVATE)
        repository = home / "snapshots" / image.removeprefix("sha256:")

        def export(making: Path) -> None:
            script = Script("git ls-files -z | base64", name="list.sh", command=("sh",))
            listed = sandbox.run(environment, script, limits=Limits(output_bytes=64 << 20))
            if listed.exit_code != 0:
                raise EnvironmentFailed(f"{task.id}: /testbed of {task.image} cannot be read by git: {_said(listed)}")
            tracked = base64.b64decode(listed.output)
            docker.export_folder(image, environment.repository, making / "tree")
            # The repository of the image may hold later commits, the fix among them: only files are taken over.
            commit_tree(making / "tree", making / "git", tracked)
            shutil.rmtree(making / "tree")

        make_once(repository, export)
    finally:
        sandbox.close()
    return environment, repository / "git"


def _said(execution: Execution) -> str:
    reason = f"exit code {execution.exit_code}" if execution.reason is Reason.EXITED else execution.reason.value
    return f"{reason}. It said:\n{_tail(execution.detail or execution.output)}"


def _tail(text: str) -> str:
    """The end of a program's output, without secrets."""
    return redact(text)[-TAIL:].strip()
