"""`fix --sandbox here`: this container's own working tree, which is as it was afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput, EnvironmentFailed, SandboxUnavailable
from codemonkeys.tasks import in_place
from codemonkeys.tasks.backends import choose_backend
from codemonkeys.tasks.base import Checkout, Task
from codemonkeys.tasks.own_issue import RuntimeChoice, describe
from tests.cli.command import codemonkeys
from tests.repositories import commit_all, git, make_repository


@pytest.mark.slow
def test_fix_leaves_the_tree_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_repository(tmp_path / "project", {"greeting.py": b"HELLO = 'Hello'\n", ".gitignore": b"built\n"})
    (folder / "built").write_text("needed by the code, and ignored")
    before = {path: path.lstat() for path in folder.rglob("*")}
    common = ("-m", "fake", "--issue", "No comma", "--sandbox", "here")
    for kind in ("edit", "agent"):
        options = ("-c", "generation.samples=2", "-c", f"generation.kinds=[{kind}]", "--run", kind)
        done = codemonkeys("fix", "project", *common, *options, home=tmp_path / "home", cwd=tmp_path)
        assert done.code == 0 and done.out.startswith("diff --git a/codemonkeys_dry_run.txt"), done.err
        assert "does not isolate: the network, files outside of the working tree" in done.err
        after = {path: path.lstat() for path in folder.rglob("*")}
        assert {path: (seen.st_mode, seen.st_mtime_ns) for path, seen in after.items()} == {
            path: (seen.st_mode, seen.st_mtime_ns) for path, seen in before.items()
        }
    inside = codemonkeys("fix", "project", *common, "--runs", "project/runs", home=tmp_path / "home", cwd=tmp_path)
    assert inside.code == 2 and "which the sandbox here puts back after each execution" in inside.err


def test_files_have_to_be_those_of_the_base_commit(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "project", {"a.py": b"1\n"})
    task = describe(folder, "It breaks.", "HEAD", RuntimeChoice(kind="here"))
    checkout = task.checkout
    assert checkout == Checkout(folder)

    def environment() -> dict[str, str]:
        return dict(in_place.environment_of(task, checkout, "name", "path", lambda path: None).variables)

    (folder / "a.py").write_text("2\n")
    with pytest.raises(EnvironmentFailed, match=r"uncommitted changes \(M a.py\)"):
        environment()
    commit_all(folder)
    with pytest.raises(EnvironmentFailed, match="has another commit checked out"):
        environment()
    git(folder, "checkout", "--quiet", "HEAD~")
    (folder / "untracked").touch()
    assert environment()["PYTHONPATH"] == os.environ.get("PYTHONPATH", "path")


def test_no_secret_is_among_the_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_repository(tmp_path / "project", {"a.py": b"1\n"})
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").touch()
    secrets = {"OPENAI_API_KEY": "canary-1", "HF_TOKEN": "canary-2", "HTTPS_PROXY": "http://me:canary-3@proxy:1"}
    for name, value in {**secrets, "CODEMONKEYS_MODEL": "canary-4", "JAVA_HOME": "/opt/java"}.items():
        monkeypatch.setenv(name, value)
    task = describe(folder, "It breaks.", "HEAD", RuntimeChoice(kind="here"))
    assert task.checkout is not None
    found = in_place.environment_of(task, task.checkout, "name", "path", lambda path: None)
    assert "canary" not in repr(found) and dict(found.variables)["JAVA_HOME"] == "/opt/java"
    assert dict(found.variables)["PATH"].startswith(f"{folder}/.venv/bin:")


def test_it_is_for_repositories_of_this_container(tmp_path: Path) -> None:
    task = Task("a-1", "a", "HEAD", "It breaks.", image="a:1")
    with pytest.raises(SandboxUnavailable, match=r"codemonkeys fix FOLDER --sandbox here"):
        choose_backend("here", [task], tmp_path)
    folder = make_repository(tmp_path / "project", {"a.py": b"1\n"})
    with pytest.raises(BadInput, match="give one of them"):
        describe(folder, "It breaks.", "HEAD", RuntimeChoice(image="a:1", kind="here"))
