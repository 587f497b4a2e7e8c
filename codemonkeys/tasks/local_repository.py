"""Prepares a task from the user's own repository, which is only read, with git plumbing.

None of its hooks, filters or files runs on this machine: its blobs are copied to a new repository with a single commit,
and only sandboxes run that.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.redact import redact
from codemonkeys.system.programs import failure
from codemonkeys.tasks import in_place
from codemonkeys.tasks.base import Checkout, Task, Workspace
from codemonkeys.tasks.build_once import make_once
from codemonkeys.tasks.copying import copy_commit, copy_generated
from codemonkeys.tasks.images import BUILD_SECONDS, CONTENT, OF_TASK
from codemonkeys.tasks.installing import mounts
from codemonkeys.tasks.own_package import install_own
from codemonkeys.tasks.snapshot import Entry, Snapshot
from codemonkeys.wording import option
from sandboxes import history
from sandboxes.base import Environment, EnvironmentKind, Limits, Script

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
MODULES = "node_modules"
DOCKERFILE = ".codemonkeys.Dockerfile"
PROGRAMS = "/opt/codemonkeys/bin"
"""Where the local sandbox shows programs of our own."""
IN_IMAGE = "/testbed"
"""Folder of the repository in an image without WORKDIR."""
# Any history in the image's folder is replaced by the single commit. Before that it tells what else in the image is of
# this repository, such as a bundle of it: that goes, too.
OVERLAY = """\
FROM {base}
USER root
WORKDIR {place}
COPY [".codemonkeys.scrub", "/codemonkeys.scrub"]
RUN if [ -e .git ] && command -v git && command -v perl; then sh /codemonkeys.scrub || exit; fi; \\
    rm -rf /codemonkeys.scrub .git && chown -R 0:0 .
COPY ["tree/", "./"]
"""


def prepare(task: Task, checkout: Checkout, home: Path, kind: EnvironmentKind) -> Workspace:
    """Prepare the task for sandboxes that take this kind of environment. Raises EnvironmentFailed, SandboxError."""
    tree = home / "repositories" / _key(task, checkout)

    def fill(making: Path) -> None:
        copy_commit(checkout.repository, task.base_commit, making)
        if checkout.venv is not None:
            copy_generated(checkout.repository, making)

    make_once(tree, fill)
    with ExitStack() as on_failure:
        snapshot = on_failure.enter_context(Snapshot.of_repository(tree, "HEAD"))
        if kind == "image":
            environment = _image_environment(task, checkout, tree)
        elif kind == "here":
            import_path = _import_path(tree, str(checkout.repository), task.scope)
            unversioned = partial(find_unversioned, home)
            environment = in_place.environment_of(task, checkout, tree.name, import_path, unversioned)
        else:
            environment = _local_environment(task, checkout, tree, snapshot, home)
        on_failure.pop_all()
        return Workspace(task, snapshot, environment)


def _key(task: Task, checkout: Checkout) -> str:
    # The virtual environment is part of it because files that its installation generated are copied too.
    content = f"{checkout.repository}\0{checkout.venv}\0{task.base_commit}"
    return f"{task.repo}-{hashlib.sha256(content.encode(errors='surrogateescape')).hexdigest()[:16]}"


def _local_environment(task: Task, checkout: Checkout, tree: Path, snapshot: Snapshot, home: Path) -> Environment:
    if not checkout.runs_locally:
        other = f"; or give {option('venv', 'FOLDER')}" if task.language == "python" else ""
        needs = option("sandbox", "docker")
        raise EnvironmentFailed(f"{task.id} runs in a container image, which needs {needs}{other}")
    # At its own path, which scripts of the virtual environment and editable installations refer to.
    place = str(checkout.repository)
    folders = [(place, tree)]
    variables = {"PATH": SYSTEM_PATH, "PYTHONPATH": _import_path(tree, place, task.scope)}
    if checkout.venv is not None:
        folders.append((str(checkout.venv), checkout.venv))
        variables |= {"PATH": f"{checkout.venv}/bin:{SYSTEM_PATH}", "VIRTUAL_ENV": str(checkout.venv)}
    elif (python := find_unversioned(home)) is not None:
        folders.append((PROGRAMS, python))
        variables["PATH"] = f"{PROGRAMS}:{SYSTEM_PATH}"
    own = installed_modules(checkout.repository, snapshot.entries)
    shown, more = mounts.shown(checkout.installed, place, own)
    folders += [*((str(folder), folder) for folder in own), *shown]
    name = _environment_name(tree.name, task, checkout)
    environment = Environment(
        name, folders=tuple(folders), repository=place, variables=tuple((variables | more).items())
    )
    if checkout.venv is not None and checkout.venv == mounts.venv_of(checkout.installed):
        environment = install_own(environment, tree, task.scope, home)
    return environment


def _environment_name(name: str, task: Task, checkout: Checkout) -> str:
    """A name by all that decides what scripts find, beside the commit and the virtual environment."""
    more = [task.scope, *(folder.name for folder in checkout.installed)]
    return f"{name}-{hashlib.sha256(repr(more).encode()).hexdigest()[:8]}" if any(more) else name


def installed_modules(repository: Path, entries: Iterable[Entry]) -> list[Path]:
    """Folders `node_modules` of a working tree that are not in the commit, each beside a `package.json` that is."""
    entries = list(entries)
    tracked = {parent for entry in entries for parent in Path(entry.path).parents if parent.name == MODULES}
    beside = [Path(entry.path).with_name(MODULES) for entry in entries if Path(entry.path).name == "package.json"]
    found = [repository / path for path in beside if MODULES not in path.parent.parts and path not in tracked]
    return [folder for folder in found if folder.is_dir() and not folder.is_symlink()]


def find_unversioned(home: Path, path: str = SYSTEM_PATH) -> Path | None:
    """A folder with `python` for machines that have only `python3`, as Debian has it; None if it is not needed."""
    python3 = shutil.which("python3", path=path)
    if python3 is None or shutil.which("python", path=path):
        return None
    folder = home / "programs" / hashlib.sha256(python3.encode()).hexdigest()[:16]
    make_once(folder, lambda making: (making / "python").symlink_to(python3), needed=0)
    return folder


def _import_path(tree: Path, place: str, scope: str) -> str:
    """PYTHONPATH that finds the repository's packages, those of the scope first, before any installed copy of them."""
    folders = [folder for above in ([scope, ""] if scope else [""]) for folder in (f"{above}/src".lstrip("/"), above)]
    return ":".join(f"{place}/{folder}".rstrip("/") for folder in folders if (tree / folder).is_dir())


def _image_environment(task: Task, checkout: Checkout, tree: Path) -> Environment:
    """Environment of an image that has the copied commit in its working folder."""
    from docker.errors import DockerException

    from sandboxes.docker import DockerSandbox
    from sandboxes.engine import open_engine

    if checkout.runs_locally:
        place = "in a virtual environment" if checkout.venv else "with the programs of this machine"
        raise EnvironmentFailed(
            f"{task.id} runs {place}, which needs {option('sandbox', 'local')}; else give "
            f"{option('image', 'NAME')}, or commit a Dockerfile"
        )
    engine = open_engine(timeout=BUILD_SECONDS)
    try:
        base = _base_image(engine, task, checkout, tree)
        settings = base.attrs["Config"] or {}
        place = settings.get("WorkingDir") or "/"
        place = IN_IMAGE if place == "/" else place
        if any(character in place for character in '"\\\n$'):
            raise EnvironmentFailed(f"{task.id}: unsupported working folder {place!r} in its image; change WORKDIR")
        scrub = {".codemonkeys.scrub": history.scrub(keep_untracked=True).text}
        recipe = OVERLAY.format(base=base.id, place=place)
        shown, installed = mounts.shown(checkout.installed, place)
        copied = {f"installed/{number}": outside for number, (_, outside) in enumerate(shown)}
        for name, (inside, _) in zip(copied, shown, strict=True):
            recipe += f"COPY {json.dumps([f'{name}/', f'{inside}/'])}\n"
        decides = "\0".join([OVERLAY, str(scrub), base.id, task.base_commit, *(str(outside) for _, outside in shown)])
        content = hashlib.sha256(decides.encode()).hexdigest()
        image = _build_image(engine, task, content, {"tree": tree, **copied}, recipe, network="none", more=scrub)
        names = {variable.partition("=")[0] for variable in settings.get("Env") or ()}
        imports = {} if "PYTHONPATH" in names else {"PYTHONPATH": _import_path(tree, place, task.scope)}
        variables = tuple((imports | installed).items())
    except (DockerException, OSError) as error:
        raise EnvironmentFailed(f"{task.id}: the Docker engine failed: {redact(str(error))}") from error
    finally:
        engine.close()
    environment = Environment(image, image=image, repository=place, variables=variables)
    sandbox = DockerSandbox()
    try:
        done = sandbox.run(environment, Script("git --version", "probe.sh", ("sh",)), limits=Limits(seconds=60))
    finally:
        sandbox.close()
    if done.exit_code != 0:
        output = redact(done.detail or done.output).strip()
        raise EnvironmentFailed(f"{task.id}: its image cannot apply patches; install git and perl in it: {output}")
    return environment


def _base_image(engine: Any, task: Task, checkout: Checkout, tree: Path) -> Any:
    """The image that the user named, pulled if absent, or else one built from the repository's Dockerfile."""
    from docker.errors import ImageNotFound

    if checkout.image is not None:
        try:
            return engine.images.get(checkout.image)
        except ImageNotFound:
            engine.images.pull(checkout.image)
            return engine.images.get(checkout.image)
    assert checkout.dockerfile is not None
    recipe = (tree / checkout.dockerfile).read_text(encoding="utf-8", errors="replace")
    content = hashlib.sha256(f"{task.base_commit}\0{checkout.dockerfile}".encode()).hexdigest()
    return engine.images.get(_build_image(engine, task, content, {".": tree}, recipe, network=None))


def _build_image(
    engine: Any,
    task: Task,
    content: str,
    folders: Mapping[str, Path],
    recipe: str,
    network: str | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Build an image unless it exists; returns its id.

    `folders`: what the build context holds, by its place in there. `more`: other files of the context, by name.

    Raises EnvironmentFailed with the output of the build.
    """
    from docker.errors import ImageNotFound

    name = f"codemonkeys/{task.repo.lower()}:{content[:16]}"
    try:
        return str(engine.images.get(name).id)
    except ImageNotFound:
        pass
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for inside, folder in folders.items():
                archive.add(folder, inside, filter=_owned_by_root)
            for name_in_context, text in {**more, DOCKERFILE: recipe}.items():
                entry = tarfile.TarInfo(name_in_context)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        packed.seek(0)
        log = engine.api.build(
            fileobj=packed,
            custom_context=True,
            dockerfile=DOCKERFILE,
            tag=name,
            rm=True,
            forcerm=True,
            network_mode=network,
            labels={CONTENT: content, OF_TASK: task.id},
            decode=True,
        )
        output = ""
        for line in log:
            output += line.get("stream", "")
            if "error" in line:
                raise failure(f"{task.id}: its image could not be built", output + line["error"])
    return str(engine.images.get(name).id)


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
