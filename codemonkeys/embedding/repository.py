"""The repository in a container of another program: its snapshot on this machine, and the patch applied there."""

from __future__ import annotations

import shlex
import tarfile
from pathlib import Path

from codemonkeys.embedding.containers import LIBRARY, ForeignContainer
from codemonkeys.errors import EnvironmentFailed
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot

_ARCHIVE = f"{LIBRARY}/tree.tar"
_PACK = """
cd {place} || exit
if git -c safe.directory='*' rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git -c safe.directory='*' ls-files -z
else
    find . -name .git -prune -o '(' -type f -o -type l ')' -print0
fi | tar --null --no-recursion --ignore-failed-read -T - -cf {archive}
"""
"""The files as they are: those that git tracks, or all where there is no git."""


def find_repository(container: ForeignContainer, given: str | None) -> str:
    """Where the repository lies: as given, or the top of the one that commands begin in, or the folder that they do."""
    place = shlex.quote(given or ".")
    found = container.shell(
        f"cd {place} && {{ git -c safe.directory='*' rev-parse --show-toplevel 2>/dev/null || pwd -P; }}"
    ).strip()
    if found in ("", "/"):
        raise EnvironmentFailed(
            "commands begin in the root of the container, which is no working tree: name the folder of the "
            "repository (`workdir`)"
        )
    return found


def take_snapshot(container: ForeignContainer, place: str, folder: Path) -> Snapshot:
    """The files of a repository in the container as a commit on this machine, below an empty folder.

    Raises EnvironmentFailed, SandboxError.
    """
    container.shell(_PACK.format(place=shlex.quote(place), archive=_ARCHIVE))
    archive, tree = folder / "tree.tar", folder / "tree"
    archive.write_bytes(container.get(_ARCHIVE))
    tree.mkdir()
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(tree, filter="tar")  # refuses what would lie elsewhere
    except (tarfile.TarError, OSError) as error:
        raise EnvironmentFailed(f"the files of {place} in the container cannot be read: {error}") from error
    finally:
        archive.unlink()
    commit_tree(tree, folder / "git")
    return Snapshot.of_repository(folder / "git")


def apply_patch(container: ForeignContainer, place: str, patch: str) -> None:
    """Apply a patch in the container, as executions do. Raises SandboxError."""
    path, (above, _, name) = f"{LIBRARY}/model.patch", place.rpartition("/")
    container.put(path, patch.encode("utf-8", "surrogateescape"))
    # From the folder above, so that git finds no repository and obeys neither its configuration nor its hooks.
    variables = f"GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_CEILING_DIRECTORIES={shlex.quote(above or '/')}"
    options = f"-c core.autocrlf=false apply --whitespace=nowarn {shlex.quote(f'--directory={name}')}"
    container.shell(f"cd {shlex.quote(above or '/')} && {variables} git {options} {path}")
