"""Root file systems of container images, exported once to a folder for the `local` sandbox."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandboxes import history, inside, locks
from sandboxes.base import Environment, Limits, Reason, SandboxError
from sandboxes.engine import Chunks, labels_of, open_engine, remove

_MARKER = "image.json"
_MOUNT_POINTS = ("dev", "proc", "sys", inside.FOLDER.strip("/"))
_FILES = {
    "etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "etc/hostname": "sandbox\n",
    "etc/resolv.conf": "",
}
"""Files that an engine writes into every container, with the content it would write."""
_SCRUB_LIMITS = Limits(seconds=1800, memory_mb=4096, disk_mb=4096)
_SPARE_BYTES = 1 << 30
"""Disk space that must remain free after copying an image."""


def export_image(
    image: str,
    home: Path,
    repository: str = "/testbed",
    *,
    scrubbed: bool = True,
    is_given_up: Callable[[], bool] = lambda: False,
) -> Environment:
    """The environment of a container image for the `local` sandbox; the engine runs nothing of the image.

    The first call for an image id copies the root file system to a folder in `home`, atomically, and replaces the
    repository's history by a single verified commit (see history.py). As root, numeric owners are kept, except for the
    repository, which becomes ours; otherwise everything is ours. Devices, pipes and set-user-id bits are left out.
    Later calls need no engine if `image` is an id. The environment has the image's variables, and its id as name; add
    `activate` with `dataclasses.replace`. `scrubbed`: False leaves the history, and untracked files, as they are: for
    hidden tests that need these, and never for what a model may see; give such copies a `home` of their own.

    Safe to call from many threads and processes. `is_given_up`: asked while another one makes the copy, whether nobody
    needs it here any more. Raises SandboxError then, and if the engine does not have the image, the disk has too little
    space, or the repository's history cannot be replaced.
    """
    identity = image if re.fullmatch(r"sha256:[0-9a-f]{64}", image) else _inspect(image)["Id"]
    key = f"{identity.removeprefix('sha256:')}{repository.replace('/', '-')}"
    folder = home / key
    if not (folder / _MARKER).is_file():
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)  # keep other users away from programs of images with their owners
        with _locked(home / f".{key}.lock", is_given_up):
            if not (folder / _MARKER).is_file():
                _export(identity, folder, home / f".{key}.making", repository, scrubbed)
    marker = json.loads((folder / _MARKER).read_text("utf-8"))
    variables = tuple((name, value) for name, value in marker["variables"])
    return Environment(identity, image=identity, root=folder / "root", repository=repository, variables=variables)


@contextmanager
def _locked(path: Path, is_given_up: Callable[[], bool]) -> Iterator[None]:
    with path.open("w") as file:
        if not locks.take(file, is_given_up):
            raise SandboxError(f"aborted while another process held {path}")
        yield


def _inspect(image: str) -> dict[str, Any]:
    from docker.errors import DockerException, ImageNotFound

    engine = open_engine(timeout=60)
    try:
        return dict(engine.api.inspect_image(image))
    except ImageNotFound as error:
        raise SandboxError(f"The Docker engine has no image {image}; pull, build or load it first.") from error
    except (DockerException, OSError) as error:
        raise SandboxError(f"The Docker engine failed on image {image}: {error}") from error
    finally:
        engine.close()


def _export(image: str, folder: Path, making: Path, repository: str, scrubbed: bool) -> None:
    about = _inspect(image)
    free, needed = shutil.disk_usage(folder.parent).free, int(about["Size"]) + _SPARE_BYTES
    if free < needed:
        raise SandboxError(
            f"{folder.parent} has {free >> 20} MiB free, a copy of image {image} needs {needed >> 20}; free some "
            "space, name another folder in CODEMONKEYS_HOME, or use the docker sandbox."
        )
    _delete(making)  # left by a process that was killed, or it would hold the lock
    try:
        root = making / "root"
        root.mkdir(parents=True)
        _copy(image, root, repository)
        make_mount_points(root)
        environment = Environment(image, root=root, repository=repository)
        left_out = _scrub(environment) if scrubbed else ""
        make_mount_points(root)  # again, in case the script turned one into a link
        pairs = [setting.partition("=") for setting in about["Config"].get("Env") or ()]
        marker = {"image": image, "repository": repository, "variables": [[name, value] for name, _, value in pairs]}
        marker |= {"left_out": left_out}
        (making / _MARKER).write_text(json.dumps(marker, indent=1), "utf-8")
        making.rename(folder)
    except OSError as error:
        raise SandboxError(f"Cannot copy image {image} to {folder}: {error}") from error
    finally:
        _delete(making)


def _copy(image: str, root: Path, repository: str) -> None:
    """Copy the root file system of an image to a new folder."""
    from docker.errors import DockerException

    engine = open_engine(timeout=600)
    container = ""
    try:
        made = engine.api.create_container(image, ["true"], network_disabled=True, labels=labels_of("export"))
        container = made["Id"]
        chunks = Chunks(engine.api.export(container, chunk_size=1 << 20))
        with tarfile.open(fileobj=io.BufferedReader(chunks, 1 << 20), mode="r|", bufsize=1 << 20) as archive:
            unpack(archive, root, repository)
    except (DockerException, tarfile.TarError) as error:
        raise SandboxError(f"Cannot copy image {image} to {root}: {error}") from error
    finally:
        if container:
            remove(engine, container)
        engine.close()


def unpack(archive: tarfile.TarFile, root: Path, repository: str) -> None:
    """Unpack files, folders and links of a root file system; those of the repository become ours.

    Raises tarfile.TarError for a path that leads out of the root, which no engine writes.
    """
    owners = os.geteuid() == 0
    links: set[str] = set()

    def inner(path: str) -> str:
        names = [name for name in path.split("/") if name not in ("", ".")]
        above = {"/".join(names[:count]) for count in range(1, len(names))}
        if ".." in names or not links.isdisjoint(above):
            raise tarfile.ExtractError(f"{path!r} leads out of the root file system")
        return "/".join(names)

    # Entries are filtered here; later versions of Python require a filter, those before 3.11.4 have none.
    archive.extraction_filter = staticmethod(lambda entry, _: entry)
    for entry in archive:
        name = inner(entry.name)
        if (
            not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk())
            or not name
            or name.startswith("dev/")
        ):
            continue
        entry.name = name
        if entry.islnk():
            entry.linkname = inner(entry.linkname)
        if entry.issym():
            links.add(name)
        # Root without capabilities cannot read or enter what its owner cannot.
        entry.mode = entry.mode & ~(stat.S_ISUID | stat.S_ISGID) | (stat.S_IRWXU if entry.isdir() else stat.S_IRUSR)
        if Path(name).is_relative_to(repository.strip("/")):
            entry.uid = entry.gid = 0
        archive.extract(entry, root, numeric_owner=owners)


def make_mount_points(root: Path) -> None:
    """Make every mount point a folder, whatever the image has there, and write the files of `_FILES`."""
    for name in _MOUNT_POINTS:
        path = root / name
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            path.mkdir(mode=0o755)
    if not (root / "etc").is_symlink():
        for name, text in _FILES.items():
            path = root / name
            if not path.is_symlink() and path.parent.is_dir():
                path.write_text(text, "utf-8")


def _scrub(environment: Environment) -> str:
    """Replace the history; returns what the script tells of files that it left out of the base."""
    from sandboxes.local import LocalSandbox

    sandbox = LocalSandbox()
    try:
        sandbox.ensure(environment)
        done = scrubbed = sandbox.build(environment, history.scrub(), _SCRUB_LIMITS)
        if done.exit_code == 0:
            done = sandbox.run(environment, history.verify(), limits=_SCRUB_LIMITS)
    finally:
        sandbox.close()
    if done.exit_code != 0:
        said = (done.detail or done.output).strip()[-2000:]
        reason = f"exit code {done.exit_code}" if done.reason is Reason.EXITED else done.reason.value
        raise SandboxError(
            f"The repository {environment.repository} of image {environment.name} could not be given a history of one "
            f"commit ({reason}): {said}"
        )
    return scrubbed.output.strip()


def _delete(folder: Path) -> None:
    """Remove what a killed or failed copy has left, if anything."""
    shutil.rmtree(folder, ignore_errors=True)
