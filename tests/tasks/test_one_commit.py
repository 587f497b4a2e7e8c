import os
import shutil
import subprocess
from pathlib import Path

import pytest

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot

CLEAN = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
AUTHOR = ("-c", "user.name=me", "-c", "user.email=me@localhost")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *AUTHOR, *arguments], cwd=folder, env=CLEAN, capture_output=True, text=True, check=True
    )
    return done.stdout


def files_of(repository: Path) -> dict[str, bytes]:
    with Snapshot.of_repository(repository) as snapshot:
        return {entry.path: snapshot.read(entry.path) for entry in snapshot.entries}


def test_equal_files_make_an_equal_commit_with_nothing_before_it(tmp_path: Path) -> None:
    commits = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_bytes(b"x = 1\r\n")
        (tmp_path / name / ".gitignore").write_text("*.log\n")
        (tmp_path / name / "kept.log").write_text("ignored, yet part of it")
        commits.add(commit_tree(tmp_path / name, tmp_path / name / ".git"))
    assert len(commits) == 1
    assert git(tmp_path / "a", "rev-list", "--all").split() == list(commits)
    assert git(tmp_path / "a", "status", "--porcelain") == ""
    assert set(files_of(tmp_path / "a")) == {"code.py", ".gitignore", "kept.log"}


def test_no_history_and_no_hidden_object_is_taken_over(tmp_path: Path) -> None:
    """The fix lies in a later commit, a tag, a stash and an unreachable object."""
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q")
    (tree / "code.py").write_text("the bug\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "base")
    (tree / "code.py").write_text("THE FIX\n")
    git(tree, "commit", "-qam", "fix")
    git(tree, "tag", "v2")
    fix = git(tree, "rev-parse", "HEAD:code.py").strip()
    git(tree, "checkout", "-q", "HEAD~1")
    (tree / "code.py").write_text("THE FIX too\n")
    git(tree, "stash")
    commit_tree(tree, tmp_path / "making" / "git")
    shutil.rmtree(tree)
    (tmp_path / "making" / "git").rename(tmp_path / "git")
    assert files_of(tmp_path / "git") == {"code.py": b"the bug\n"}
    objects = git(tmp_path / "git", "cat-file", "--batch-all-objects", "--batch-check")
    assert fix not in objects and len(objects.splitlines()) == 3, "one blob, one tree, one commit"


def test_only_the_paths_that_were_named_are_committed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "build").mkdir(parents=True)
    for name in ("code.py", "build/code.o", ":(glob)*", "new\nline"):
        (tree / name).write_text(name)
    commit_tree(tree, tmp_path / "git", b"code.py\0:(glob)*\0new\nline\0gone.py\0")
    assert set(files_of(tmp_path / "git")) == {"code.py", ":(glob)*", "new\nline"}


@pytest.mark.parametrize("inner", [".git", "vendored/.git"])
def test_nothing_that_lies_in_the_tree_is_run(tmp_path: Path, inner: str) -> None:
    tree = tmp_path / "tree"
    repository = tree / Path(inner).parent
    repository.mkdir(parents=True)
    git(repository, "init", "-q")
    (repository / "code.py").write_text("x = 1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "inner")
    (tree / "top.py").write_text("x = 1\n")
    (tree / ".gitattributes").write_text("*.py filter=evil\n")
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\ncat\n")
    evil.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean"):
        git(repository, "config", key, str(evil))
    for hook in ("pre-commit", "post-commit", "reference-transaction", "post-index-change"):
        (repository / ".git" / "hooks").mkdir(exist_ok=True)
        (repository / ".git" / "hooks" / hook).symlink_to(evil)
    commit_tree(tree, tmp_path / "git")
    assert not (tmp_path / "was-run").exists()


def test_a_link_in_the_place_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "tree" / ".git").symlink_to(tmp_path / "precious")
    commit_tree(tmp_path / "tree", tmp_path / "tree" / ".git")
    assert list((tmp_path / "precious").iterdir()) == []


def test_without_git_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailed, match="install git"):
        commit_tree(tmp_path, tmp_path / "new")
