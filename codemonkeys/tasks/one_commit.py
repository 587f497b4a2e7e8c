"""Turns files into a git repository of one commit, in which nobody finds a history."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed

# Fixed, so that equal files make an equal commit.
STAMP = "2000-01-01T00:00:00Z"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "base"), ("EMAIL", "base@localhost"), ("DATE", STAMP))
}


def commit_tree(tree: Path, git_dir: Path, paths: bytes | None = None) -> str:
    """Commit the files of a folder to a new repository in `git_dir`; returns the hash.

    A `.git` that lies in the folder is removed first. `paths`, each ended by NUL, are the files to commit; without
    them it is all, ignored ones too. The files are not trusted: no hook, filter or configuration of theirs is run.
    Raises EnvironmentFailed.
    """
    found = tree / ".git"
    if found.is_dir() and not found.is_symlink():
        shutil.rmtree(found)
    else:
        found.unlink(missing_ok=True)
    git_dir.mkdir(parents=True)
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_DIR": str(git_dir),
        "GIT_LITERAL_PATHSPECS": "1",
        **IDENTITY,
    }

    def git(*arguments: str, given: bytes = b"") -> str:
        try:
            done = subprocess.run(["git", *arguments], input=given, capture_output=True, env=variables, cwd=tree)
        except FileNotFoundError:
            raise EnvironmentFailed("git does not run on this machine; install git") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace")[-2000:].strip()
            raise EnvironmentFailed(f"git {arguments[0]} failed in {tree}: {said}")
        return done.stdout.decode().strip()

    git("init", "--quiet", "--template=", "--initial-branch=main")
    variables["GIT_WORK_TREE"] = str(tree)  # only now: git would write it down, but the folder may be moved
    if paths is None:
        git("add", "--all", "--force")
    else:
        there = [path for path in paths.split(b"\0") if path and os.path.lexists(os.fsencode(tree) + b"/" + path)]
        git("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", given=b"\0".join(there))
    # Plumbing, not `git commit`: it neither runs hooks nor looks into nested repositories.
    commit = git("commit-tree", "-m", "base", git("write-tree"))
    git("update-ref", "HEAD", commit)
    return commit
