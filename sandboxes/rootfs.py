"""Container images as folders: an image's root file system, copied once, for the `local` sandbox to run scripts on."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandboxes import history, inside
from sandboxes.base import Environment, Limits, Reason, SandboxError
from sandboxes.engine import Chunks, labels_of, open_engine, remove

_MARKER = "image.json"
_MOUNT_POINTS = ("dev", "proc", "sys", inside.FOLDER.strip("/"))
_FILES = {
    "etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "etc/hostname": "sandbox\n",
    "etc/resolv.conf": "",
}
"""What an engine writes into every container, as it would."""
_SCRUB_LIMITS = Limits(seconds=1800, memory_mb=4096, disk_mb=4096)
_SPARE_BYTES = 1 << 30
"""What is to remain free beside the copy of an image."""


def export_image(image: str, home: Path, repository: str = "/testbed") -> Environment:
    """The environment of a container image for the `local` sandbox; nothing of the image is started by the engine.

    At the first call for this content (the image's id) the root file system is copied to a folder in `home`, whole or
    not at all, and the repository in it gets a history of one commit, which is verified (see history.py). Owners are
    kept by number where we are root, but for the repository, which becomes ours; where we are not, all is ours. Left
    out are devices, pipes and set-user-id bits. Later calls need no engine if `image` is an id. The environment has
    the image's variables and its id as name; add `activate` with `dataclasses.replace`.

    Safe to call from many threads and processes at once. Raises SandboxError if the image is not on the engine, the
    disk has no room, or the repository cannot be given a clean history.
    """
    identity = image if re.fullmatch(r"sha256:[0-9a-f]{64}", image) else _inspect(image)["Id"]
    key = f"{identity.removeprefix('sha256:')}{repository.replace('/', '-')}"
    folder = home / key
    if not (folder / _MARKER).is_file():
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)  # programs of images, with their owners, are for nobody else on this machine
        with _locked(home / f".{key}.lock"):
            if not (folder / _MARKER).is_file():
                _export(identity, folder, home / f".{key}.making", repository)
    marker = json.loads((folder / _MARKER).read_text("utf-8"))
    variables = tuple((name, value) for name, value in marker["variables"])
    return Environment(identity, image=identity, root=folder / "root", repository=repository, variables=variables)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
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


def _export(image: str, folder: Path, making: Path, repository: str) -> None:
    about = _inspect(image)
    free, needed = shutil.disk_usage(folder.parent).free, int(about["Size"]) + _SPARE_BYTES
    if free < needed:
        raise SandboxError(
            f"{folder.parent} has {free >> 20} MiB free, a copy of image {image} needs {needed >> 20}; free some "
            "space, name another folder in CODEMONKEYS_HOME, or use --sandbox docker."
        )
    _delete(making)  # its maker was killed, or it would hold the lock
    try:
        root = making / "root"
        root.mkdir(parents=True)
        _copy(image, root, repository)
        make_mount_points(root)
        environment = Environment(image, root=root, repository=repository)
        _scrub(environment)
        make_mount_points(root)  # anew, in case what ran has turned one into a link
        pairs = [setting.partition("=") for setting in about["Config"].get("Env") or ()]
        marker = {"image": image, "repository": repository, "variables": [[name, value] for name, _, value in pairs]}
        (making / _MARKER).write_text(json.dumps(marker, indent=1), "utf-8")
        making.rename(folder)
    except OSError as error:
        raise SandboxError(f"Cannot copy image {image} to {folder}: {error}") from error
    finally:
        _delete(making)


def _copy(image: str, root: Path, repository: str) -> None:
    """Fill a new folder with the root file system of an image."""
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
    """Unpack the files, folders and links of a root file system, the repository's as our own.

    Raises tarfile.TarError on a name that leads out of the root; no engine writes such.
    """
    owners = os.geteuid() == 0
    links: set[str] = set()

    def inner(path: str) -> str:
        names = [name for name in path.split("/") if name not in ("", ".")]
        above = {"/".join(names[:count]) for count in range(1, len(names))}
        if ".." in names or not links.isdisjoint(above):
            raise tarfile.ExtractError(f"{path!r} leads out of the root file system")
        return "/".join(names)

    # What is taken is decided here. (Python before 3.11.4 knows no filters, later ones ask for one.)
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
        # What its owner may not read or enter would be closed to root without its capabilities.
        entry.mode = entry.mode & ~(stat.S_ISUID | stat.S_ISGID) | (stat.S_IRWXU if entry.isdir() else stat.S_IRUSR)
        if Path(name).is_relative_to(repository.strip("/")):
            entry.uid = entry.gid = 0
        archive.extract(entry, root, numeric_owner=owners)


def make_mount_points(root: Path) -> None:
    """Make what every run mounts something on a folder, whatever the image had there, and write an engine's files."""
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


def _scrub(environment: Environment) -> None:
    from sandboxes.local import LocalSandbox

    sandbox = LocalSandbox()
    try:
        sandbox.ensure(environment)
        done = sandbox.build(environment, history.scrub(), _SCRUB_LIMITS)
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


def _delete(folder: Path) -> None:
    """Remove a folder that a killed or failed copy has left, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
