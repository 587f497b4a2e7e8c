import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import BadRecord, UnknownDataset
from codemonkeys.tasks.answer_key import AnswerKey, load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import load_tasks

LABELS = ("patch", "test_patch", "hints_text", "FAIL_TO_PASS", "PASS_TO_PASS", "eval_script")


def row(id: str = "pallets__flask-1", **columns: Any) -> dict[str, Any]:
    labels = {label: f"label {label}" for label in LABELS}
    labels |= {"FAIL_TO_PASS": '["label a"]', "PASS_TO_PASS": '["label b", "label c"]'}
    task = {"instance_id": id, "repo": "pallets/flask", "base_commit": "7ee9ceb7", "problem_statement": "It fails."}
    return task | labels | columns


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def task_repository(folder: Path, *ids: str) -> str:
    for id in ids:
        task = folder / "tasks" / id
        task.mkdir(parents=True)
        split = "old" if "old" in id else "test"
        (task / "task.yaml").write_text(
            f"instance_id: {id}\nrepo: pallets/flask\nbase_commit: 7ee9ceb7\nsplit: {split}\n"
        )
        (task / "problem_statement.md").write_text("It fails.\r\n", newline="")
    (folder / "sweb.yaml").write_text("datasets: [mine]\nsplits: [test]\n")
    return str(folder)


def test_a_row_becomes_a_task_without_its_labels(tmp_path: Path) -> None:
    source = written(tmp_path / "rows.jsonl", [row(version=2.3)])
    (task,) = load_tasks(source)
    image = task.image or ""
    assert task == Task("pallets__flask-1", "pallets/flask", "7ee9ceb7", "It fails.", version="2.3", image=image)
    assert image.startswith("swebench/sweb.eval.") and image.endswith(".pallets_1776_flask-1:latest")
    assert "label" not in repr(task)


@pytest.mark.parametrize("column", ["image", "image_name", "docker_image"])
def test_an_image_that_the_row_names_wins(tmp_path: Path, column: str) -> None:
    (task,) = load_tasks(written(tmp_path / "rows.jsonl", [row(**{column: "mine/flask:1"})]))
    assert task.image == "mine/flask:1"


@pytest.mark.parametrize("shape", [list, lambda rows: {row["instance_id"]: row for row in rows}])
def test_json_holds_a_list_or_a_dictionary(tmp_path: Path, shape: Callable[[list[dict[str, Any]]], Any]) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(shape([row("a__b-1"), row("a__b-2")])))
    assert [task.id for task in load_tasks(str(tmp_path / "rows.json"))] == ["a__b-1", "a__b-2"]


def test_tasks_come_in_the_order_asked_for_and_once(tmp_path: Path) -> None:
    source = written(tmp_path / "rows.jsonl", [row("a"), row("b"), row("c")])
    assert [task.id for task in load_tasks(source, ["c", "a", "c"])] == ["c", "a"]


def test_a_task_repository_is_read_without_opening_any_file_of_labels(tmp_path: Path) -> None:
    """The files of labels are not even there."""
    source = task_repository(tmp_path, "a__b-1", "a__b-old")
    (task,) = load_tasks(source)
    assert task.id == "a__b-1" and task.issue == "It fails.\r\n" and task.folder == tmp_path / "tasks" / "a__b-1"
    assert [task.id for task in load_tasks(source, ["a__b-old"])] == ["a__b-old"], "by name, from any split"


def test_answer_keys_take_lists_and_text(tmp_path: Path) -> None:
    rows = [row("text"), row("lists", FAIL_TO_PASS=["x"], PASS_TO_PASS=[], log_parser="parse_log_pytest")]
    keys = load_answer_keys(written(tmp_path / "rows.jsonl", rows))
    assert keys["text"].PASS_TO_PASS == ("label b", "label c")
    assert keys["lists"].FAIL_TO_PASS == ("x",) and keys["lists"].log_parser == "parse_log_pytest"


@pytest.mark.parametrize(
    ("source", "ids", "said"),
    [
        ("missing.jsonl", None, "no such file, folder or dataset; accepted: verified, lite"),
        ("missing", None, "no such file, folder or dataset; accepted"),
        ("empty", None, "not a folder in a known format; accepted: verified, lite"),
        ("rows.txt", None, "not a file in a known format; accepted: verified, lite"),
        ("rows.jsonl", ["pallets__flask-2"], "did you mean pallets__flask-1"),
        ("rows.jsonl", ["???"], "it has 1, such as pallets__flask-1"),
    ],
)
def test_what_does_not_exist_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, ids: list[str] | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "rows.jsonl", [row()])
    (tmp_path / "rows.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnknownDataset) as error:
        load_tasks(source, ids)
    assert source in str(error.value) and said in str(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"instance_id": "b", ', "rows.jsonl:2, column 22: not JSON"),
        ("[1]", "rows.jsonl:2: holds list"),
        ("{}", "rows.jsonl:2: no instance_id"),
        (json.dumps(row("a")), "rows.jsonl:2: a is there already, at"),
        (json.dumps(row(base_commit="--upload-pack=x")), "not a commit hash"),
        (json.dumps(row(problem_statement=None)), "has no column 'problem_statement'"),
        (json.dumps(row(repo=["x"])), "column 'repo' of pallets__flask-1 is list"),
        *[
            (json.dumps(row(id)), "cannot be an instance_id")
            for id in ("../etc", "a/b", "..", "a..b", "a\nb", "-i", "", ".x", "a\x00", "x" * 201)
        ],
    ],
)
def test_a_malformed_record_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row("a")) + "\n" + line)
    with pytest.raises(BadRecord) as error:
        load_tasks(str(tmp_path / "rows.jsonl"))
    assert "rows.jsonl:2" in str(error.value) and said in str(error.value)


def test_malformed_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match=r"rows.jsonl:1: column 'FAIL_TO_PASS' of pallets__flask-1, column 2: not JSON"):
        load_answer_keys(written(tmp_path / "rows.jsonl", [row(FAIL_TO_PASS="[tests")]))
    with pytest.raises(BadRecord, match="of pallets__flask-1 is not a list of test names"):
        load_answer_keys(written(tmp_path / "rows.jsonl", [row(FAIL_TO_PASS=[1])]))


def test_a_malformed_task_folder_is_named(tmp_path: Path) -> None:
    source = task_repository(tmp_path, "a__b-1")
    (tmp_path / "tasks" / "a__b-1").rename(tmp_path / "tasks" / "a__b-2")
    with pytest.raises(BadRecord, match="instance_id is a__b-1, its folder a__b-2"):
        load_tasks(source)
    (tmp_path / "tasks" / "a__b-2" / "task.yaml").write_text("{")
    with pytest.raises(BadRecord, match="task.yaml: not YAML"):
        load_tasks(source)
    shutil.rmtree(tmp_path / "tasks" / "a__b-2")
    with pytest.raises(UnknownDataset, match="it is empty"):
        load_tasks(source, ["a__b-2"])


@pytest.mark.data
def test_the_real_task_repository_reads_as_swebench_reads_it(data_dir: Path) -> None:
    from swebench.task.repo import load_task_repo

    source = str(data_dir / "task_repo")
    theirs = {instance["instance_id"]: instance for instance in load_task_repo(source)}
    tasks, keys = load_tasks(source), load_answer_keys(source)
    assert [task.id for task in tasks] == list(theirs)
    for task in tasks:
        instance = theirs[task.id]
        assert (task.repo, task.base_commit, task.issue, task.version, task.image) == tuple(
            instance[name] for name in ("repo", "base_commit", "problem_statement", "version", "image")
        )
        for field in dataclasses.fields(AnswerKey):
            ours, expected = getattr(keys[task.id], field.name), instance.get(field.name, {})
            assert (list(ours) if isinstance(ours, tuple) else ours) == expected, field.name


@pytest.mark.data
@pytest.mark.parametrize(("name", "count"), [("lite.jsonl", 300), ("lite_dev.jsonl", 23), ("verified.jsonl", 500)])
def test_real_datasets_load_whole(data_dir: Path, name: str, count: int) -> None:
    tasks = load_tasks(str(data_dir / "datasets" / name))
    assert len({task.id for task in tasks}) == count
    assert all(task.issue and task.image and task.folder is None for task in tasks)
