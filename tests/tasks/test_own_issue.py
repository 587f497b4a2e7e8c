from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.models.providers import messages
from codemonkeys.system.text import valid_text
from codemonkeys.tasks import own_issue
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.local_repository import installed_modules
from codemonkeys.tasks.own_issue import RuntimeChoice, describe, read_issue
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.sources import load_tasks, task_file
from sandboxes.base import EnvironmentKind

GITHUB = {"title": "It breaks", "body": "When empty.\r\n", "number": 3, "comments": [{"body": "use this fix"}]}


def test_an_issue_is_a_file_standard_input_or_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bug.md").write_text("\ufeffIt breaks.\n", encoding="utf-8")
    Path("bug.json").write_text(json.dumps(GITHUB))
    assert read_issue("bug.md", None) == "It breaks.\n"
    assert read_issue("-", "From a pipe") == "From a pipe"
    assert read_issue("It breaks when the name is empty", None) == "It breaks when the name is empty"
    assert read_issue("x" * 9000, None) == "x" * 9000
    assert read_issue("bug.json", None) == "It breaks\n\nWhen empty.\n", "without its comments"
    assert read_issue("-", json.dumps({"title": "Only this", "body": None})) == "Only this\n"
    assert read_issue("{curly} braces break it", None) == "{curly} braces break it"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("missing.md", "no such file"),
        ("notes/missing", "no such file"),
        ("", "the issue is empty"),
        (" \n", "the issue is empty"),
        ("-", "the issue is empty"),
        ("binary.md", "cannot be read as UTF-8"),
        ('{"message": "Not Found"}', "gh issue view"),
    ],
)
def test_what_is_not_an_issue_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("binary.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match=said):
        read_issue(given, None)


def test_where_code_runs_is_given_or_found(make_repository: Callable[..., Path]) -> None:
    folder = make_repository({"Dockerfile": "FROM scratch\n", "a.go": "package a\n" * 9, "b.py": ""})
    assert (task := describe(folder, "x", "HEAD", RuntimeChoice())).checkout is not None
    assert task.checkout.dockerfile == "Dockerfile" and task.language == "go"
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").touch()
    kinds: tuple[EnvironmentKind | None, ...] = (None, "folders", "image")
    found = [describe(folder, "x", "HEAD", RuntimeChoice(kind=kind)).checkout for kind in kinds]
    assert [c and (c.venv, c.dockerfile) for c in found] == [*[(folder / ".venv", None)] * 2, (None, "Dockerfile")]
    assert describe(folder, "x", "HEAD", RuntimeChoice(image="mine:1")).image == "mine:1"
    with pytest.raises(BadInput, match="both image and venv: give one of them"):
        describe(folder, "x", "HEAD", RuntimeChoice(venv=folder / ".venv", image="mine:1"))
    with pytest.raises(BadInput, match="the issue is empty"):
        describe(folder, " \n", "HEAD", RuntimeChoice())
    with pytest.raises(BadInput, match=r"venv .*: not a virtual environment, it has no pyvenv.cfg"):
        describe(folder, "x", "HEAD", RuntimeChoice(venv=folder))
    with pytest.raises(BadInput, match="has no commit 'nowhere'"):
        describe(folder, "x", "nowhere", RuntimeChoice())
    bare = make_repository({"a.py": ""}, "nothing")
    with pytest.raises(BadInput, match="give venv=FOLDER or image=NAME, or sandbox.kind=local to use"):
        describe(bare, "x", "HEAD", RuntimeChoice())
    assert describe(bare, "x", "HEAD", RuntimeChoice(kind="folders")).checkout is not None
    with pytest.raises(BadInput, match="is not a git repository"):
        describe(bare / ".git" / "hooks", "x", "HEAD", RuntimeChoice())


def test_half_a_surrogate_pair_is_no_text(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    """What a truncated emoji leaves in JSON, and bytes on the command line that are not UTF-8."""
    folder = make_repository({"a.py": "", "Dockerfile": ""})
    issue = read_issue("-", '{"title": "No comma \\ud83d", "body": "and \\udcf0"}')
    assert describe(folder, issue, "HEAD", RuntimeChoice()).issue == "No comma \ufffd\n\nand \ufffd\n"
    row = {"instance_id": "a__b-1", "repo": "a/b\ud83d", "base_commit": "0" * 40, "problem_statement": "No \ud83d"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (task,) = load_tasks(str(tmp_path / "rows.jsonl"))
    assert (task.repo, task.issue) == ("a/b\ufffd", "No \ufffd")
    (sent,) = messages("openai/test", Request(StepKey("a", "edit"), (Message("user", "src/\udcff.py"),)))
    assert sent["content"] == "src/\ufffd.py"
    assert valid_text("whole \U0001f600 \u00e9\n") == "whole \U0001f600 \u00e9\n"


def test_a_run_finds_its_issue_again(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_repository({"a.py": "", "Dockerfile": ""}, "my project!")
    task = describe(folder, "It \u202ebreaks\udcff", "HEAD", RuntimeChoice())
    assert task.id.startswith("my-project-")
    path = tmp_path / task_file.ISSUE_FILE
    task_file.write_issue(path, task)
    assert load_tasks(str(path), [task.id]) == [task] and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UnknownDataset, match="no hidden tests"):
        load_answer_keys(str(path))
    path.write_text(json.dumps({"format": task_file.ISSUE_FORMAT, "id": "x"}))
    with pytest.raises(BadRecord, match="not a task file as codemonkeys writes it"):
        load_tasks(str(path))


def test_a_folder_of_a_repository_stands_for_the_repository(make_repository: Callable[..., Path]) -> None:
    folder = make_repository({"src/deep/a.py": ""})
    local = RuntimeChoice(kind="folders")
    for given in (folder, folder / "src" / "deep"):
        task = describe(given, "x", "HEAD", local)
        assert task.checkout is not None and task.checkout.repository == folder and task.repo == "repository"
    with pytest.raises(BadInput, match="nowhere: no such folder"):
        describe(folder / "nowhere", "x", "HEAD", local)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_folder_that_may_not_be_read_is_named(make_repository: Callable[..., Path]) -> None:
    folder = make_repository({"a.py": ""})
    folder.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(BadInput, match="cannot be read .Permission denied.: call codemonkeys as its owner"):
            describe(folder, "x", "HEAD", RuntimeChoice())
    finally:
        os.seteuid(0)


def test_what_a_language_runs_with_is_named_and_no_virtual_environment(
    make_repository: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository({"src/main.rs": "fn main() {}\n", "Cargo.toml": ""})
    with pytest.raises(
        BadInput, match=r"has no Dockerfile in the commit: give image=NAME, or sandbox.kind=local"
    ) as no:
        describe(folder, "x", "HEAD", RuntimeChoice())
    assert "virtual environment" not in str(no.value)
    cargo = tmp_path / "home/.cargo/bin/cargo"
    cargo.parent.mkdir(parents=True)
    cargo.write_text("#!/bin/sh\n")
    cargo.chmod(0o755)
    monkeypatch.setenv("PATH", str(cargo.parent), prepend=os.pathsep)
    monkeypatch.setattr(own_issue, "SYSTEM_PATH", str(tmp_path / "usr"))
    with pytest.raises(BadInput, match=f"needs cargo.* yours, {cargo}, lies where scripts see nothing. Install cargo"):
        describe(folder, "x", "HEAD", RuntimeChoice(kind="folders"))
    monkeypatch.setattr(own_issue, "SYSTEM_PATH", str(cargo.parent))
    assert describe(folder, "x", "HEAD", RuntimeChoice(kind="folders")).checkout is not None


def test_installed_modules_are_found_beside_a_package_of_the_commit(
    make_repository: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"package.json": "{}", "web/package.json": "{}", "kept/package.json": "{}", "a.js": "", "docs/a.md": ""}
    folder = make_repository({**files, "kept/node_modules/left-pad/package.json": "{}"})
    for place in ("node_modules/left-pad", "web/node_modules", "docs/node_modules"):
        (folder / place).mkdir(parents=True)
    with Snapshot.of_repository(folder) as snapshot:
        found = installed_modules(folder, snapshot.entries)
    assert found == [folder / "node_modules", folder / "web" / "node_modules"], "those in the commit are there already"
    monkeypatch.setattr(own_issue, "PROGRAMS", {})
    task = describe(folder, "x", "HEAD", RuntimeChoice())
    assert task.checkout is not None and task.checkout.runs_locally and task.language == "javascript"


def test_a_scope_is_a_folder_of_the_commit(make_repository: Callable[..., Path], tmp_path: Path) -> None:
    files = {"packages/one/a.go": "package a\n", "packages/two/b.py": "1\n" * 99, "README.md": ""}
    folder = make_repository(files)
    for venv in (folder / ".venv", folder / "packages/one/.venv"):
        venv.mkdir()
        (venv / "pyvenv.cfg").touch()

    def scoped(given: Path, scope: str) -> Task:
        return describe(given, "x", "HEAD", RuntimeChoice(), scope)

    one = scoped(folder, "packages/one/")
    assert one.scope == "packages/one" and one.language == "go" and one.checkout is not None
    assert one.checkout.repository == folder and one.checkout.venv == folder / "packages/one/.venv"
    assert scoped(folder / "packages", "one") == scoped(folder / "packages/one", ".") == one
    assert scoped(folder, str(folder / "packages/one")) == one, "an absolute path of the repository, too"
    whole = scoped(folder, ".")
    assert whole == describe(folder, "x", "HEAD", RuntimeChoice()) and whole.id != one.id and whole.language == "python"
    two = scoped(folder, "packages/two")
    assert two.checkout is not None and two.checkout.venv == folder / ".venv", "the root's, where it has none"
    assert one.in_scope("packages/one/new.go") and not one.in_scope("packages/one") and whole.in_scope("README.md")
    assert not one.in_scope("packages/one-more/a.go")
    for scope, said in (("packages/three", "has no folder packages/three"), ("..", "lies outside the repository")):
        with pytest.raises(BadInput, match=said):
            scoped(folder, scope)
    with pytest.raises(BadInput, match=r"has no folder README.md"):
        scoped(folder, "README.md")
    task_file.write_issue(tmp_path / task_file.ISSUE_FILE, one)
    assert task_file.read_tasks(tmp_path / task_file.ISSUE_FILE) == [one]
    task_file.write_issue(tmp_path / task_file.ISSUE_FILE, whole)
    assert '"scope"' not in (tmp_path / task_file.ISSUE_FILE).read_text(), "as earlier versions can read it"
