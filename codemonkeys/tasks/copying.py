"""Copies a commit of the user's repository, which is only read: byte for byte, as the only commit of a new one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system.git import Git
from codemonkeys.tasks.one_commit import IDENTITY, init_repository, make_root_commit
from codemonkeys.tasks.snapshot import SUBMODULE, SYMLINK, Snapshot

VERSIONS = ("_version.py", "version.py", "*_version.py")
"""Untracked files that say nothing but which version is installed."""
GENERATED = (*VERSIONS, "*.so", "*.egg-info/*")
"""Untracked files that an editable installation generates and the code needs. Others may hold secrets."""


def copy_commit(repository: Path, commit: str, folder: Path) -> None:
    """Write the files of a commit to a folder, byte for byte, with a `.git` that has them as its only commit.

    Submodules are left empty. Raises EnvironmentFailed.
    """
    with Snapshot.of_repository(repository, commit) as snapshot:
        source, copy = Git(snapshot.git_dir, repository), Git(folder.absolute() / ".git", folder, IDENTITY)
        copy.git_dir.mkdir()
        init_repository(copy)
        with tempfile.TemporaryFile() as pack:
            source.run("pack-objects", "--revs", "--stdout", "-q", stdin=snapshot.tree.encode(), stdout=pack)
            pack.seek(0)
            copy.run("unpack-objects", "-q", stdin=pack)
        make_root_commit(copy, snapshot.tree)
        copy.run("read-tree", "HEAD")
    with Snapshot.of_repository(folder) as copied:
        # Symlinks last, so that nothing is written through one.
        for entry in sorted(copied.entries, key=lambda entry: entry.mode == SYMLINK):
            parts = entry.path.split("/")
            if any(part.lower() in ("", ".", "..", ".git") for part in parts):
                raise EnvironmentFailed(
                    f"{repository} contains the unsafe path {entry.path!r}; remove it from the commit"
                )
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            if entry.mode == SUBMODULE:
                target.mkdir()
            elif entry.mode == SYMLINK:
                os.symlink(copied.read(entry.path), os.fsencode(target))
            else:
                target.write_bytes(copied.read(entry.path))
                target.chmod(0o755 if entry.mode == "100755" else 0o644)


def copy_generated(repository: Path, folder: Path, rules: Sequence[str] = GENERATED) -> None:
    """Copy what an editable installation has generated: files by these rules next to tracked ones, but no symlinks."""
    for parent, names, files in os.walk(repository):
        here = Path(parent).relative_to(repository)
        tracked = [name for name in names if name != ".git" and (folder / here / name).is_dir()]
        names[:] = [*tracked, *(name for name in names if name.endswith(".egg-info"))]
        for name in files:
            path, source, target = (here / name).as_posix(), Path(parent, name), folder / here / name
            wanted = any(fnmatch(name if "/" not in rule else path, rule) for rule in rules)
            if wanted and not os.path.lexists(target) and source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
