"""A task from the user's own repository: only the files of a commit are copied, byte for byte, and none is run here."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.tasks import branches, images, own_issue
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.copying import copy_commit
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.local_repository import find_unversioned
from codemonkeys.tasks.own_issue import RuntimeChoice, describe
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Environment, Reason, Sandbox, Script
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox
from tests.repositories import commit_all, git, make_repository

FILES = {
    ".gitignore": b"/.venv\n_version.py\n.env\n*.egg-info\n",
    ".gitattributes": b"* text=auto\n*.dat filter=evil\n",
    "src/greet/__init__.py": b'def greet(name):\n    return f"Hello {name}"\n',
    "windows.txt": b"one\r\ntwo\r\n",
    "latin.txt": "caf\u00e9\n".encode("latin-1"),
    "some.dat": b"data\n",
    "tools/run.sh": b"#!/bin/sh\n",
}
PATCH = """\
diff --git a/src/greet/__init__.py b/src/greet/__init__.py
--- a/src/greet/__init__.py
+++ b/src/greet/__init__.py
@@ -1,2 +1,2 @@
 def greet(name):
-    return f"Hello {name}"
+    return f"Hello, {name}!"
diff --git a/windows.txt b/windows.txt
--- a/windows.txt
+++ b/windows.txt
@@ -1,2 +1,2 @@
 one\r
-two\r
+three\r
"""
TELL = """\
import greet, subprocess
from pathlib import Path
print(greet.greet("you"), Path("windows.txt").read_bytes())
print(subprocess.run(["git", "log", "--all", "--format=%s"], capture_output=True, text=True).stdout)
"""


def commit_raw(folder: Path) -> str:
    """Commit the files byte for byte, whatever the attributes say; the commit's hash."""
    git(folder, "config", "core.autocrlf", "false")
    for path, content in FILES.items():
        blob = git(folder, "hash-object", "-w", "--no-filters", "--stdin", stdin=content).decode().strip()
        mode = "100755" if path.endswith(".sh") else "100644"
        git(folder, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
    link = git(folder, "hash-object", "-w", "--stdin", stdin=b"/etc/passwd").decode().strip()
    git(folder, "update-index", "--add", "--cacheinfo", f"120000,{link},link")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(folder, "commit", "--quiet", "--message=base")
    return git(folder, "rev-parse", "HEAD").decode().strip()


def make_evil(folder: Path, marker: Path) -> None:
    """Have every program that a repository can name leave a mark when it is run."""
    touch = f"touch {marker}; cat"
    for name in ("filter.evil.clean", "filter.evil.smudge", "filter.a=b.smudge", "core.pager", "diff.external"):
        git(folder, "config", name, touch)
    git(folder, "config", "core.fsmonitor", f"touch {marker}")
    git(folder, "config", "filter.evil.required", "true")
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        path = folder / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {marker}\n")
        path.chmod(0o755)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit is the base; the fix is in its history, and in its working tree are secrets."""
    folder = tmp_path / "project"
    make_repository(folder, {})
    git(folder, "checkout", "--quiet", "--orphan", "start")
    base = commit_raw(folder)
    git(folder, "reset", "--quiet", "--hard")
    (folder / "src/greet/__init__.py").write_text("the fix\n")
    commit_all(folder)
    git(folder, "tag", "fixed")
    git(folder, "reset", "--quiet", "--hard", base)
    (folder / ".env").write_text("PASSWORD=hidden")
    (folder / "src/greet/_version.py").write_text("version = '1'\n")
    return folder


def test_a_commit_is_copied_byte_for_byte_and_alone(repository: Path, tmp_path: Path) -> None:
    make_evil(repository, tmp_path / "ran")
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_commit(repository, "HEAD", copy)
    assert not (tmp_path / "ran").exists()
    for path, content in FILES.items():
        assert (copy / path).read_bytes() == content, path
    assert os.readlink(copy / "link") == "/etc/passwd"
    assert os.access(copy / "tools/run.sh", os.X_OK) and not os.access(copy / "windows.txt", os.X_OK)
    assert list((copy / "module").iterdir()) == []
    with Snapshot.of_repository(copy) as copied, Snapshot.of_repository(repository) as original:
        assert copied.tree == original.tree
        objects = git(copy, "cat-file", "--batch-all-objects", "--batch-check").decode().splitlines()
        assert sum(" commit " in line for line in objects) == 1
        assert b"the fix" not in git(copy, "cat-file", "--batch-all-objects", "--batch", "--buffer")
    assert not (copy / ".env").exists() and git(copy, "status", "--porcelain", "--ignore-submodules=all") == b""


def test_linked_worktrees_and_old_commits_can_be_copied(repository: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "--quiet", "--detach", str(linked), "fixed")
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_commit(linked, "HEAD", copy)
    assert (copy / "src/greet/__init__.py").read_text() == "the fix\n"


def test_paths_that_no_repository_should_hold_are_refused(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "project", {"a": b""})
    blob = git(folder, "hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    inner = git(folder, "mktree", stdin=f"100644 blob {blob}\tescaped\n".encode()).decode().strip()
    # Written by hand, as git makes no such tree.
    entry = b"40000 ..\0" + bytes.fromhex(inner)
    tree = git(folder, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=entry).decode().strip()
    commit = git(folder, "commit-tree", "-m", "x", tree).decode().strip()
    copy = tmp_path / "deep" / "copy"
    copy.mkdir(parents=True)
    with pytest.raises(EnvironmentFailed):
        copy_commit(folder, commit, copy)
    assert not (tmp_path / "deep" / "escaped").exists()


def run_both(sandbox: Sandbox, environment: Environment) -> tuple[str, str]:
    """What a script tells on the unedited repository, and with the patch."""
    outputs = []
    for patch in (None, PATCH):
        done = sandbox.run(environment, Script(TELL), patch)
        assert done.reason is Reason.EXITED and done.exit_code == 0, (done.reason, done.output, done.detail)
        outputs.append(done.output)
    return outputs[0], outputs[1]


def check_both(outputs: tuple[str, str]) -> None:
    assert r"Hello you b'one\r\ntwo\r\n'" in outputs[0] and r"Hello, you! b'one\r\nthree\r\n'" in outputs[1]
    assert outputs[0].split("\n")[1:] == ["base", "", ""], "scripts find no history"


def task_of(repository: Path, **place: object) -> Task:
    return describe(repository, "It has no comma.", "HEAD", RuntimeChoice(**place))  # type: ignore[arg-type]


@pytest.mark.parametrize("installed", ["in place", "as a copy", "not at all"])
@pytest.mark.slow
def test_scripts_run_in_the_virtual_environment_on_the_patched_code(
    repository: Path, tmp_path: Path, installed: str
) -> None:
    """However the project is installed there, what is imported is the code with the patch."""
    venv = repository / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    if installed == "in place":
        (packages / "greet.pth").write_text(f"{repository}/src\n")
    elif installed == "as a copy":
        (packages / "greet.py").write_text("def greet(name): return 'stale'\n")
    workspace = prepare(task_of(repository), tmp_path / "home", "folders")
    sandbox = LocalSandbox()
    try:
        check_both(run_both(sandbox, workspace.environment))
        tell = "import sys, greet._version as v; print(sys.prefix, v.version)\nprint(open('.env').read())\n"
        done = sandbox.run(workspace.environment, Script(tell))
        assert f"{venv} 1" in done.output and "hidden" not in done.output
    finally:
        sandbox.close()
    assert (
        "src/greet/_version.py" not in workspace.snapshot and workspace.snapshot.text("windows.txt") == "one\r\ntwo\r\n"
    )
    workspace.snapshot.close()
    with pytest.raises(EnvironmentFailed, match="needs sandbox.kind=local"):
        prepare(task_of(repository), tmp_path / "home", "image")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_repository_of_another_owner_is_read_run_and_applied_to(repository: Path, tmp_path: Path) -> None:
    """git itself refuses it, unless its configuration says otherwise: ours is told where the repository is."""
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    refused = subprocess.run(["git", "status"], cwd=repository, capture_output=True, check=False)
    assert b"dubious ownership" in refused.stderr
    task = task_of(repository, kind="folders")
    workspace = prepare(task, tmp_path / "home", "folders")
    sandbox = LocalSandbox()
    try:
        done = sandbox.run(workspace.environment, Script("git log --format=%s\n", "a.sh", ("sh",)))
        assert (done.exit_code, done.output) == (0, "base\n")
    finally:
        sandbox.close()
        workspace.snapshot.close()
    branches.check_can_apply(repository, "codemonkeys/one", task.base_commit)
    branches.apply_on_branch(repository, "codemonkeys/one", task.base_commit, PATCH, "It has no comma")
    assert "Hello, {name}!" in (repository / "src/greet/__init__.py").read_text()


def test_scripts_see_the_modules_that_npm_has_installed(
    make_repository: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_issue, "PROGRAMS", {})
    folder = make_repository({"package.json": "{}", ".gitignore": "node_modules\n", "a.js": "1\n" * 99})
    (folder / "node_modules" / "left-pad").mkdir(parents=True)
    (folder / "node_modules" / "left-pad" / "index.js").write_text("there\n")
    workspace = prepare(task_of(folder), tmp_path / "home", "folders")
    sandbox = LocalSandbox()
    script = "cat node_modules/left-pad/index.js; git status --short; echo left > node_modules/left; ls node_modules\n"
    try:
        for _ in range(2):
            done = sandbox.run(workspace.environment, Script(script, "a.sh", ("sh",)))
            assert (done.exit_code, done.output) == (0, "there\nleft\nleft-pad\n"), done
    finally:
        sandbox.close()
        workspace.snapshot.close()
    assert os.listdir(folder / "node_modules") == ["left-pad"], "nothing is left in the user's folder"
    with pytest.raises(
        EnvironmentFailed, match="runs with the programs of this machine, which needs sandbox.kind=local"
    ):
        prepare(task_of(folder), tmp_path / "home", "image")


def test_without_a_virtual_environment_python_is_the_machines(
    make_repository: Callable[..., Path], tmp_path: Path
) -> None:
    """Also on a machine that has only `python3`, as Debian has it."""
    repository = make_repository({"greeting.py": "HELLO = 'Hello'\n"}, "plain")
    task = describe(repository, "No comma", "HEAD", RuntimeChoice(kind="folders"))
    workspace = prepare(task, tmp_path / "home", "folders")
    sandbox = LocalSandbox()
    try:
        script = Script("import greeting; print(greeting.HELLO)", "issue_test.py", ("python",))
        done = sandbox.run(workspace.environment, script)
    finally:
        sandbox.close()
        workspace.snapshot.close()
    assert (done.exit_code, done.output) == (0, "Hello\n"), done


def test_python_is_added_only_where_there_is_none_but_python3(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    assert find_unversioned(tmp_path, str(programs)) is None
    (programs / "python3").symlink_to(sys.executable)
    for _ in range(2):
        folder = find_unversioned(tmp_path, str(programs))
        assert folder is not None and os.readlink(folder / "python") == str(programs / "python3")
    (programs / "python").symlink_to(sys.executable)
    assert find_unversioned(tmp_path, str(programs)) is None


@pytest.mark.docker
@pytest.mark.xdist_group("images")
@pytest.mark.parametrize("given", ["Dockerfile", "image"])
def test_scripts_run_in_an_image_on_the_patched_code(repository: Path, tmp_path: Path, given: str) -> None:
    recipe = b"FROM codemonkeys/python:3.11\nWORKDIR /srv/app\nRUN ln -sf /usr/bin/python3 /usr/local/bin/python\n"
    if given == "Dockerfile":
        (repository / "Dockerfile").write_bytes(recipe + b"COPY . .\nRUN echo left > built.txt && mkdir .git/stale\n")
        commit_all(repository)
        task = task_of(repository)
    else:
        task = task_of(repository, image="codemonkeys/python:3.11")
    workspace = prepare(task, tmp_path / "home", "image")
    assert workspace.environment.repository == ("/srv/app" if given == "Dockerfile" else "/testbed")
    sandbox = DockerSandbox()
    try:
        if given == "image":
            done = sandbox.run(workspace.environment, Script("git log --format=%s; cat windows.txt", "a.sh", ("sh",)))
            assert done.output == "base\none\r\ntwo\r\n"
        else:
            check_both(run_both(sandbox, workspace.environment))
            done = sandbox.run(workspace.environment, Script("cat built.txt; ls .git/stale", "a.sh", ("sh",)))
            assert done.output.startswith("left\n") and done.exit_code != 0
    finally:
        sandbox.close()
        workspace.snapshot.close()
        with images.engine() as client:
            for built in images.images_of_ours(client, {task.id}):
                client.images.remove(built.id, force=True)
    with pytest.raises(EnvironmentFailed, match="needs sandbox.kind=docker"):
        prepare(task, tmp_path / "home", "folders")


@pytest.mark.docker
@pytest.mark.xdist_group("images")
def test_what_an_image_has_of_its_own_repository_elsewhere_goes(repository: Path, tmp_path: Path) -> None:
    """Its history tells what belongs to it; once replaced by the user's, nothing could."""
    recipe = """FROM codemonkeys/python:3.11
WORKDIR /srv/app
RUN git init -q && echo one > one.txt && git add -A && git -c user.name=a -c user.email=a@b commit -q -m one \\
    && git bundle create -q /opt/backup.dat HEAD
"""
    with images.engine() as client:
        packed = io.BytesIO(recipe.encode())
        base, _ = client.images.build(fileobj=packed, network_mode="none", rm=True)
    task = task_of(repository, image=str(base.id))
    workspace = prepare(task, tmp_path / "home", "image")
    sandbox = DockerSandbox()
    try:
        done = sandbox.run(workspace.environment, Script("ls /opt; git log --format=%s; cat one.txt", "a.sh", ("sh",)))
        assert done.output == "base\none\n", done
    finally:
        sandbox.close()
        workspace.snapshot.close()
        with images.engine() as client:
            for built in images.images_of_ours(client, {task.id}):
                client.images.remove(built.id, force=True)
            if images.get(client, str(base.id)):  # nobody else needed it
                client.images.remove(str(base.id), force=True)


@pytest.mark.docker
def test_a_dockerfile_that_fails_is_quoted(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    recipe = "FROM codemonkeys/python:3.11\nRUN echo what went wrong && false\n"
    repository = make_repository({"Dockerfile": recipe, "a.py": ""})
    with pytest.raises(EnvironmentFailed, match="its image could not be built. It said: what went wrong"):
        prepare(task_of(repository), tmp_path / "home", "image")
