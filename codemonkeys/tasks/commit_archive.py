"""The files of a commit of any git repository, local or remote, as an archive."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system.git import run_online

FETCH_SECONDS = 1800


def pack_commit(repository: str, commit: str) -> bytes:
    """The files of a commit as a .tar.gz; equal bytes each time.

    `repository` is a path or an address. Submodules are left empty. Raises EnvironmentFailed.
    """
    with tempfile.TemporaryDirectory(prefix="codemonkeys-") as folder:
        bare, tree = Path(folder, "bare"), Path(folder, "tree")
        tree.mkdir()
        try:
            clone = ("clone", "--quiet", "--bare", "--template=", "--", repository, str(bare))
            run_online(*clone, folder=tree, seconds=FETCH_SECONDS)
            checkout = ("checkout", "--quiet", "--force", commit, "--", ".")
            place = {"GIT_DIR": str(bare), "GIT_WORK_TREE": str(tree)}
            run_online(*checkout, folder=tree, seconds=FETCH_SECONDS, variables=place)
        except EnvironmentFailed as error:
            raise EnvironmentFailed(f"commit {commit} of {repository} cannot be fetched: {error}") from error
        return pack_tree(tree)


def pack_tree(tree: Path) -> bytes:
    """The files of a folder as a .tar.gz; equal bytes each time."""
    archived = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=archived, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for path in sorted(tree.rglob("*")):
            entry = archive.gettarinfo(path, str(path.relative_to(tree)))
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
            if entry.isreg():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            elif entry.isdir() or entry.issym():
                archive.addfile(entry)
    return archived.getvalue()
