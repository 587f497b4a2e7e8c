"""Repositories that hold less than they name, or name it otherwise: each works, or says why before money is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.cli.solving import tell_what_is_missing
from codemonkeys.errors import BadInput
from codemonkeys.settings import load_settings
from codemonkeys.tasks import branches
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.own_issue import RuntimeChoice, describe
from tests.repositories import commit_all, git, make_repository

FILE = ("-c", "protocol.file.allow=always")


def task_of(repository: Path, base: str = "HEAD") -> Task:
    return describe(repository, "It breaks.", base, RuntimeChoice(kind="folders"))


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository of two commits, of which parts can be cloned."""
    folder = make_repository(tmp_path / "upstream", {"a.py": b"x = 1\n"})
    (folder / "a.py").write_text("x = 2\n")
    commit_all(folder)
    git(folder, "config", "uploadpack.allowFilter", "true")
    return folder


def test_a_shallow_clone_is_solved_and_applied_to_and_its_lack_of_history_said(upstream: Path, tmp_path: Path) -> None:
    old = git(upstream, "rev-parse", "HEAD^").decode().strip()
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{upstream}", "shallow")
    shallow = tmp_path / "shallow"
    task = task_of(shallow)
    workspace = prepare(task, tmp_path / "home", "folders")
    assert workspace.snapshot.text("a.py") == "x = 2\n"
    workspace.snapshot.close()
    patch = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 2\n+x = 3\n"
    branches.apply_on_branch(shallow, "codemonkeys/one", task.base_commit, patch, "It breaks")
    assert (shallow / "a.py").read_text() == "x = 3\n"
    for base in (old, "HEAD~2"):
        with pytest.raises(BadInput, match=f"a shallow clone: git -C {shallow} fetch --unshallow"):
            task_of(shallow, base)
    git(shallow, *FILE, "fetch", "--quiet", "--unshallow")
    assert task_of(shallow, old).base_commit == old


@pytest.mark.parametrize("left_out", ["blob:none", "tree:0"])
def test_a_partial_clone_is_told_how_to_become_whole(upstream: Path, tmp_path: Path, left_out: str) -> None:
    """Nothing is fetched on the way: the clone's settings name what would be run for that."""
    clone = ("clone", "--quiet", "--no-checkout", f"--filter={left_out}", f"file://{upstream}", "partial")
    git(tmp_path, *FILE, *clone)
    partial = tmp_path / "partial"
    with pytest.raises(BadInput, match="is a partial clone and lacks content of commit") as refused:
        task_of(partial)
    advice = str(refused.value).partition(f"git -C {partial} ")[2].split()
    git(partial, *FILE, *advice)
    workspace = prepare(task_of(partial), tmp_path / "home", "folders")
    assert workspace.snapshot.text("a.py") == "x = 2\n"
    workspace.snapshot.close()


def test_a_partial_clone_that_has_the_commit_is_solved(upstream: Path, tmp_path: Path) -> None:
    git(tmp_path, *FILE, "clone", "--quiet", "--filter=blob:none", f"file://{upstream}", "partial")
    workspace = prepare(task_of(tmp_path / "partial"), tmp_path / "home", "folders")
    assert workspace.snapshot.text("a.py") == "x = 2\n"
    workspace.snapshot.close()
    with pytest.raises(BadInput, match="lacks content of commit"):
        task_of(tmp_path / "partial", "HEAD^")


def test_a_repository_of_sha256_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    git(folder, "init", "--quiet", "--object-format=sha256")
    (folder / "a.py").write_text("x = 1\n")
    commit_all(folder)
    with pytest.raises(BadInput, match=f"{folder} names its objects by SHA-256, which is not supported; use a SHA-1"):
        task_of(folder)


def test_submodules_and_pointers_of_lfs_are_said(
    upstream: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    names = [f"data/{n}.bin" for n in range(5)]
    folder = make_repository(tmp_path / "mine", {**dict.fromkeys(names, pointer), "b.py": b"y = 1\n", "c.bin": b"c\n"})
    tell_what_is_missing([task_of(folder)], load_settings())
    assert capsys.readouterr().err == "", "without the filter it is a file like others"
    (folder / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    git(folder, *FILE, "submodule", "add", "--quiet", f"file://{upstream}", "vendor/lib")
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "--quiet", "--message=more")
    task = task_of(folder)
    tell_what_is_missing([task, replace(task, id="another")], load_settings())
    modules, lfs = capsys.readouterr().err.splitlines()
    assert modules.startswith("vendor/lib: submodules, which are empty folders")
    assert lfs.startswith("data/0.bin, data/1.bin, data/2.bin and 2 more: kept by Git LFS")
    workspace = prepare(task, tmp_path / "home", "folders")
    tree = dict(workspace.environment.folders)[str(folder)]
    assert (tree / "vendor/lib").is_dir() and not any((tree / "vendor/lib").iterdir())
    assert (tree / "data/0.bin").read_bytes() == pointer
    workspace.snapshot.close()
    assert branches.uncommitted(folder) == ""
    inner = task_of(folder / "vendor/lib")
    assert inner.checkout is not None and inner.checkout.repository == folder / "vendor/lib"


def test_what_git_says_of_a_damaged_repository_is_passed_on(make_repository: Callable[..., Path]) -> None:
    folder = make_repository({"a.py": ""})
    (folder / ".git" / "config").write_text("[core\n")
    with pytest.raises(Exception, match=r"git cannot read .*bad config line 1"):
        task_of(folder)
