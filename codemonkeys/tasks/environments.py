"""Prepares tasks: builds or fetches the environment that a task's code runs in, and the snapshot of its codebase."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system.programs import failure
from codemonkeys.tasks import images, in_place, roots
from codemonkeys.tasks.base import TESTBED, Task, Workspace
from codemonkeys.tasks.build_once import make_once
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.wheels import download_wheels
from sandboxes import docker, local
from sandboxes.base import Environment, EnvironmentKind, Execution, Limits, Reason, SandboxError, Script

INPUTS = ("repo.tar.gz", "requirements.txt", "install.sh")
"""Files of a task folder that an environment is built from."""

PYTHON = Path(sys.base_prefix).resolve() / "bin" / "python{}.{}".format(*sys.version_info[:2])
PATH = "/opt/testbed/bin:/usr/local/bin:/usr/bin:/bin"
BUILD_LIMITS = Limits(seconds=1800, memory_mb=8192, processes=1024, disk_mb=8192)

# The same steps as in the Dockerfile of a task; only the wheels were downloaded, before this runs.
BUILD = """\
set -e
{python} -m venv /opt/testbed
pip install --quiet --no-deps --no-index --find-links /build/wheels --requirement /build/requirements.txt
tar --no-same-owner -xzf /build/repo.tar.gz -C /testbed
cd /testbed
sh /build/install.sh
"""

# The images of SWE-bench have a repository's dependencies in a conda environment.
ACTIVATE = "if [ -f /opt/miniconda3/bin/activate ]; then . /opt/miniconda3/bin/activate testbed; fi"


def default_home() -> Path:
    """Folder for what is built once and shared by all runs: CODEMONKEYS_HOME, or the user's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("CODEMONKEYS_HOME")
    return Path(given).expanduser().absolute() if given else user_cache_path("codemonkeys")


def can_run_locally(task: Task, home: Path) -> bool:
    """Whether no container engine is needed: the environment is built from files, or its image was copied earlier."""
    if task.checkout is not None:
        return task.checkout.runs_locally
    return _has_inputs(task) or roots.find_copy(task, home) is not None


def why_not_locally(tasks: Sequence[Task], home: Path) -> str | None:
    """Why the local sandbox cannot run these tasks; None if it can, be it on copies of their container images."""
    return roots.why_not_copyable([task for task in tasks if not can_run_locally(task, home)], home)


def _has_inputs(task: Task) -> bool:
    folder = task.folder
    return folder is not None and all((folder / name).is_file() for name in INPUTS)


def prepare(task: Task, home: Path, kind: EnvironmentKind) -> Workspace:
    """Prepare a task for sandboxes that take this kind of environment; what is built is kept in `home`.

    Safe to call from many threads and processes at once. Raises EnvironmentFailed.
    """
    from codemonkeys.tasks import local_repository
    from codemonkeys.tasks.snapshot import Snapshot

    try:
        if task.checkout is not None:
            return local_repository.prepare(task, task.checkout, home, kind)
        if kind == "here":
            raise EnvironmentFailed(f"{task.id}: {in_place.why_not([task])}")
        if kind == "image":
            # By content from here on: a tag may be moved while a run goes on.
            image, repository_path = images.image_and_repository(task, home)
            environment = _located(Environment(image, image, repository=repository_path, activate=_activate(task)))
            copy = partial(docker.export_folder, image, environment.repository)
            repository = _snapshot(task, environment, home, copy)
        elif task.folder is not None and _has_inputs(task):
            environment, repository = _from_folder(task, task.folder, home)
        else:
            environment = _located(replace(roots.prepare_environment(task, home), activate=_activate(task)))
            repository = _snapshot(task, environment, home, partial(roots.copy_repository, environment))
    except SandboxError as error:
        raise EnvironmentFailed(f"{task.id}: {error}") from error
    except OSError as error:
        raise EnvironmentFailed(f"{task.id}: cannot build its environment in {home}: {error}") from error
    return Workspace(task, Snapshot.of_repository(repository, "HEAD"), environment)


def environment_of(task: Task, home: Path, kind: EnvironmentKind = "image") -> Environment:
    """The task's environment alone, by default on the container engine; raises as `prepare`."""
    workspace = prepare(task, home, kind)
    workspace.snapshot.close()
    return workspace.environment


def _from_folder(task: Task, given: Path, home: Path) -> tuple[Environment, Path]:
    """Environment and repository for the local sandbox, built from a task folder; tasks with equal files share them."""
    inputs = read_inputs(given)
    folder = environment_folder(inputs, home)

    def build(making: Path) -> None:
        for name in ("testbed", "venv", "build", "build/wheels"):
            (making / name).mkdir()
        for name, data in inputs.items():
            (making / "build" / name).write_bytes(data)
        # Tells the sandbox which Python to make visible; the virtual environment will contain the same line.
        (making / "venv" / "pyvenv.cfg").write_text(f"home = {PYTHON.parent}\n")
        download_wheels(task.id, making / "build" / "requirements.txt", making / "build" / "wheels")
        _build(task, _local_environment(task, making, ("/build", making / "build")))
        shutil.rmtree(making / "build")
        commit_tree(making / "testbed", making / "testbed" / ".git")

    make_once(folder, build)
    return _local_environment(task, folder), folder / "testbed"


def read_inputs(given: Path) -> dict[str, bytes]:
    """The files of a task folder that an environment is built from, by name."""
    return {name: (given / name).read_bytes() for name in INPUTS}


def environment_folder(inputs: Mapping[str, bytes], home: Path) -> Path:
    """Folder of the environment that is built from these files: `testbed` has the repository, `venv` the packages."""
    content = hashlib.sha256(repr((BUILD, sys.implementation.cache_tag)).encode())
    for data in inputs.values():
        content.update(hashlib.sha256(data).digest())
    return home / "environments" / content.hexdigest()[:32]


def _local_environment(task: Task, folder: Path, *more: tuple[str, Path]) -> Environment:
    folders = (("/testbed", folder / "testbed"), ("/opt/testbed", folder / "venv"), *more)
    return Environment(name=folder.name, image=task.image, folders=folders, variables=(("PATH", PATH),))


def _build(task: Task, environment: Environment) -> None:
    script = Script(BUILD.format(python=shlex.quote(str(PYTHON))), name="build.sh", command=("sh",))
    sandbox = local.LocalSandbox()
    try:
        done = sandbox.build(environment, script, BUILD_LIMITS)
    finally:
        sandbox.close()
    if done.exit_code != 0:
        raise _failure(f"{task.id}: its environment could not be built", done)


def _located(environment: Environment) -> Environment:
    """The environment of an image under a name of its own if its repository lies elsewhere than usual."""
    if environment.repository == TESTBED:
        return environment
    return replace(environment, name=f"{environment.name}{environment.repository.replace('/', '-')}")


def _activate(task: Task) -> str:
    return "" if task.folder else ACTIVATE


def _snapshot(task: Task, environment: Environment, home: Path, copy: Callable[[Path], None]) -> Path:
    """Repository with what git tracks in an image as one commit; `copy` copies the image's repository to a folder."""
    repository = home / "snapshots" / environment.name.removeprefix("sha256:")

    def export(making: Path) -> None:
        sandbox = (local.BACKEND if environment.root else docker.BACKEND).open("snapshot")
        try:
            script = Script("git ls-files -z | base64", name="list.sh", command=("sh",))
            listed = sandbox.run(environment, script, limits=Limits(output_bytes=64 << 20))
        finally:
            sandbox.close()
        if listed.exit_code != 0:
            raise _failure(
                f"{task.id}: {environment.repository} of {task.image or environment.image} cannot be read by git",
                listed,
            )
        copy(making / "tree")
        # The image's repository may contain later commits, the fix among them: only its files are copied.
        commit_tree(making / "tree", making / "git", base64.b64decode(listed.output))
        shutil.rmtree(making / "tree")

    make_once(repository, export)
    return repository / "git"


def _failure(what: str, execution: Execution) -> EnvironmentFailed:
    reason = f"exit code {execution.exit_code}" if execution.reason is Reason.EXITED else execution.reason.value
    return failure(f"{what}: {reason}", execution.detail or execution.output)
