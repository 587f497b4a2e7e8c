from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.own_issue import RuntimeChoice, describe, read_issue
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
    with pytest.raises(BadInput, match="both an image and a virtual environment: give one of them"):
        describe(folder, "x", "HEAD", RuntimeChoice(venv=folder / ".venv", image="mine:1"))
    with pytest.raises(BadInput, match=r"is not a virtual environment, it has no pyvenv.cfg"):
        describe(folder, "x", "HEAD", RuntimeChoice(venv=folder))
    with pytest.raises(BadInput, match="has no commit 'nowhere'"):
        describe(folder, "x", "nowhere", RuntimeChoice())
    bare = make_repository({"a.py": ""}, "nothing")
    with pytest.raises(BadInput, match="give one, or the name of an image, or choose the local sandbox"):
        describe(bare, "x", "HEAD", RuntimeChoice())
    assert describe(bare, "x", "HEAD", RuntimeChoice(kind="folders")).checkout is not None
    with pytest.raises(BadInput, match="is not a git repository"):
        describe(bare / ".git" / "hooks", "x", "HEAD", RuntimeChoice())


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
