"""A user's own repository as an environment: one commit of it, with the user's virtual environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput
from codemonkeys.tasks.checkout import from_checkout
from sandboxes.base import Environment, Reason, Script
from sandboxes.local import LocalSandbox

FIX = "diff --git a/src/greeting.py b/src/greeting.py\n--- a/src/greeting.py\n+++ b/src/greeting.py\n@@ -1 +1 @@\n"
FIX += '-TEXT = "Hello"\n+TEXT = "Hello!"\n'


@pytest.fixture
def repository(make_repository: Callable[..., Path]) -> Path:
    """A repository with a later commit, an ignored file, and changes that nobody has committed."""
    made = make_repository({"src/greeting.py": 'TEXT = "Hello"\n', ".gitignore": ".env\n"})
    git(made, "tag", "base")
    (made / "src" / "greeting.py").write_text('TEXT = "the fix"\n')
    git(made, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qam", "the fix")
    (made / ".env").write_text("TOKEN=secret\n")
    (made / "src" / "greeting.py").write_text("unfinished\n")
    return made


@pytest.fixture
def sandbox() -> Iterator[LocalSandbox]:
    sandbox = LocalSandbox()
    yield sandbox
    sandbox.close()


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def run(sandbox: LocalSandbox, place: Environment, text: str, patch: str | None = None) -> str:
    done = sandbox.run(place, Script(text), patch)
    assert done.reason is Reason.EXITED and done.exit_code == 0, done
    return done.output


def test_a_commit_with_the_users_virtual_environment(repository: Path, sandbox: LocalSandbox, tmp_path: Path) -> None:
    """An editable install leads to the files under test, and to those alone."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "greeting.pth").write_text(f"{repository}/src\n")
    before = git(repository, "status", "--porcelain"), (repository / "src" / "greeting.py").read_text()
    place, files = from_checkout(repository / "src", "base", tmp_path / "home", venv)
    assert run(sandbox, place, "import greeting; print(greeting.TEXT)") == "Hello\n"
    assert run(sandbox, place, "import greeting; print(greeting.TEXT)", FIX) == "Hello!\n"
    seen = "import os, sys, subprocess; print(sys.prefix, os.getcwd(), sorted(os.listdir('.')))\n"
    seen += "print(subprocess.check_output(['git', 'rev-list', '--all', '--count']))"
    listed = "['.git', '.gitignore', 'src']"
    assert run(sandbox, place, seen) == f"{venv} {repository} {listed}\nb'1\\n'\n"
    assert git(files, "log", "--format=%s") == "base\n"
    assert (git(repository, "status", "--porcelain"), (repository / "src" / "greeting.py").read_text()) == before

    again, _ = from_checkout(repository, "base", tmp_path / "home", venv)
    assert again == place
    (site / "more.py").touch()
    assert from_checkout(repository, "base", tmp_path / "home", venv)[0].name != place.name, "a package was installed"
    assert from_checkout(repository, "HEAD", tmp_path / "home", venv)[0].name != place.name


def test_a_commit_with_the_python_there_is(repository: Path, sandbox: LocalSandbox, tmp_path: Path) -> None:
    place, _ = from_checkout(repository, "base", tmp_path / "home")
    assert run(sandbox, place, "import greeting; print(greeting.TEXT)") == "Hello\n"
    assert run(sandbox, place, "import greeting; print(greeting.TEXT)", FIX) == "Hello!\n"


def test_what_is_no_repository_commit_or_environment_is_refused(repository: Path, tmp_path: Path) -> None:
    for wrong in (tmp_path / "missing", tmp_path):
        with pytest.raises(BadInput):
            from_checkout(wrong, "HEAD", tmp_path / "home")
    for commit in ("no-such-branch", "--output=x", ""):
        with pytest.raises(BadInput, match="rev-parse failed"):
            from_checkout(repository, commit, tmp_path / "home")
    with pytest.raises(BadInput, match="no virtual environment"):
        from_checkout(repository, "HEAD", tmp_path / "home", tmp_path)
    assert not (tmp_path / "home").exists()
