"""Turns files into a git repository with a single commit, so that no history can be found in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from codemonkeys.system.git import Git, identity

IDENTITY = identity("base", date="2000-01-01T00:00:00Z")
"""Author and committer, fixed so that equal files make an equal commit."""


def commit_tree(tree: Path, git_dir: Path, paths: bytes | None = None) -> str:
    """Commit the files of a folder to a new repository in `git_dir`; returns the hash.

    A `.git` in the folder is removed first. `paths`, each terminated by NUL, are the files to commit; default: all,
    ignored ones too. The files are not trusted: no hook, filter or configuration among them takes effect.
    Raises EnvironmentFailed.
    """
    old = tree / ".git"
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
    git_dir.mkdir(parents=True)
    git = Git(git_dir.absolute(), tree, IDENTITY)
    init_repository(git)
    # Only now: git would store the path of the working tree, but the folder may be moved.
    git = replace(git, variables={**IDENTITY, "GIT_WORK_TREE": str(tree.absolute())})
    if paths is None:
        git.run("add", "--all", "--force")
    else:
        existing = [path for path in paths.split(b"\0") if path and os.path.lexists(os.fsencode(tree) + b"/" + path)]
        git.run("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=b"\0".join(existing))
    return make_root_commit(git, git.text("write-tree"))


def init_repository(git: Git) -> None:
    """Make an empty repository."""
    git.run("init", "--quiet", "--template=", "--initial-branch=main")


def make_root_commit(git: Git, tree: str) -> str:
    """Make a tree of the repository its only commit; returns the hash.

    By plumbing: `git commit` would run hooks and look into nested repositories.
    """
    hash = git.text("commit-tree", "-m", "base", tree)
    git.run("update-ref", "HEAD", hash)
    return hash
