"""Rows of the field's data sets: what becomes of each, by whatever way it comes, and what is said before money."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.filtering import TaskFilter, choose
from codemonkeys.tasks.formats import FORMATS, find_format, unknown
from codemonkeys.tasks.formats.values import unpack
from codemonkeys.tasks.preflight import check_gradable, notices
from codemonkeys.tasks.sources import load_tasks
from codemonkeys.tasks.sources.task_file import write_tasks
from tests.tasks.harbor_tasks import harbor_task
from tests.tasks.test_datasets import packed

ROOT = Path(__file__).parents[2]
BASE = "5" * 40
COMMON = {
    "repo": "acme/anvil",
    "instance_id": "acme__anvil-7",
    "base_commit": BASE,
    "problem_statement": "It rings.",
    "patch": "label",
    "test_patch": "label",
}
LISTS = {"FAIL_TO_PASS": ["label x"], "PASS_TO_PASS": []}

# By format: a row, and the fields of its task that the format decides: id, repo, commit, language, image, workdir.
ROWS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "SWE-bench Pro": (
        {
            **COMMON,
            "repo_language": "ts",
            "requirements": json.dumps("- no ringing"),
            "interface": "No new interface.",
            "fail_to_pass": "['label x', \"label y\"]",
            "pass_to_pass": "[]",
            "before_repo_set_cmd": "label",
            "selected_test_files_to_run": "['label']",
            "dockerhub_tag": "acme.anvil-7",
        },
        ("acme__anvil-7", "acme/anvil", BASE, "typescript", "jefzda/sweap-images:acme.anvil-7", "/app"),
    ),
    "Multi-SWE-bench": (
        {
            "org": "Acme",
            "repo": "Anvil",
            "number": 7,
            "title": "label",
            "body": "label",
            "base": {"label": "acme:main", "ref": "main", "sha": BASE},
            "resolved_issues": [{"number": 1, "title": "It rings.", "body": None}],
            "fix_patch": "label",
            "test_patch": "label",
            "lang": "Rust",
            "f2p_tests": {"label x": {"fix": "PASS"}},
            "p2p_tests": {},
            "run_result": {"passed_tests": ["label"]},
            "test_patch_result": {"passed_tests": ["label"]},
        },
        ("Acme__Anvil-7", "Acme/Anvil", BASE, "rust", "mswebench/acme_m_anvil:pr-7", "/home/Anvil"),
    ),
    "SWE-rebench V2": (
        {
            **COMMON,
            **LISTS,
            "language": "C++",
            "image_name": "docker.io/re/anvil:7",
            "install_config": {"test_cmd": ["label"], "log_parser": "label"},
            "interface": "",
            "pr_description": "label",
            "created_at": 1609298073000,
        },
        ("acme__anvil-7", "acme/anvil", BASE, "cpp", "docker.io/re/anvil:7", "/anvil"),
    ),
    "SWE-rebench": (
        {
            **COMMON,
            **LISTS,
            "docker_image": "re/anvil",
            "install_config": {"test_cmd": "label"},
            "requirements": "x==1",
        },
        ("acme__anvil-7", "acme/anvil", BASE, "python", "re/anvil", "/testbed"),
    ),
    "SWE-bench Live": (
        {
            **COMMON,
            **LISTS,
            "docker_image": "live/anvil",
            "test_cmds": ["label"],
            "rebuild_cmds": ["label"],
            "print_cmds": [],
            "log_parser": "label",
            "language": "golang",
            "platform": "linux",
        },
        ("acme__anvil-7", "acme/anvil", BASE, "go", "live/anvil", "/testbed"),
    ),
    "SWE-PolyBench": (
        {
            **COMMON,
            "language": "Java",
            "Dockerfile": "FROM x",
            "F2P": "['label x']",
            "P2P": "[]",
            "test_command": "label",
        },
        (
            *("acme__anvil-7", "acme/anvil", BASE, "java"),
            *("ghcr.io/timesler/swe-polybench.eval.x86_64.acme__anvil-7:v1.1", "/testbed"),
        ),
    ),
    "R2E-Gym": (
        {
            "repo_name": "anvil",
            "commit_hash": "ab" * 20,
            "docker_image": "r2e/anvil:ab",
            "problem_statement": "[ISSUE]\nIt rings.\n[/ISSUE]",
            "expected_output_json": '{"label": "PASSED"}',
            "parsed_commit_content": "label",
        },
        ("anvil-abababababab", "anvil", "HEAD", "python", "r2e/anvil:ab", "/testbed"),
    ),
    "Scale-SWE": (
        {**COMMON, **LISTS, "image_url": "scale/anvil:7", "workdir": "/workspace/anvil", "pre_commands": "label"},
        ("acme__anvil-7", "acme/anvil", BASE, "python", "scale/anvil:7", "/workspace/anvil"),
    ),
    "OpenSWE": (
        {**COMMON, **LISTS, "image_name": "open/anvil", "eval_script": "label"},
        ("acme__anvil-7", "acme/anvil", BASE, "python", "open/anvil", "/testbed"),
    ),
    "SWE-Lego": (
        {**COMMON, **LISTS, "image_name": "lego/anvil", "test_cmd": "label", "workdir": "/src"},
        ("acme__anvil-7", "acme/anvil", BASE, "python", "lego/anvil", "/src"),
    ),
    "SWE-smith": (
        {
            **{name: value for name, value in COMMON.items() if name != "base_commit"},
            **LISTS,
            "repo": "swesmith/acme__anvil.12345678",
            "image_name": "smith/anvil",
        },
        ("acme__anvil-7", "swesmith/acme__anvil.12345678", "HEAD", "python", "smith/anvil", "/testbed"),
    ),
    "SWE-bench": (
        {**COMMON, **LISTS, "image": "mine/anvil", "eval_script": "label", "log_parser": "parse_log_pytest"},
        ("acme__anvil-7", "acme/anvil", BASE, "python", "mine/anvil", None),
    ),
}


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def decided(task: Task) -> tuple[Any, ...]:
    return (task.id, task.repo, task.base_commit, task.language, task.image, task.workdir)


@pytest.mark.parametrize("name", [format.name for format in FORMATS])
def test_each_format_becomes_the_same_task_from_lines_and_from_parquet_without_labels(
    tmp_path: Path, name: str
) -> None:
    row, expected = ROWS[name]
    assert find_format(row).name == name and unknown(row) is None
    lines = written(tmp_path / "rows.jsonl", row)
    filled = {column: value for column, value in row.items() if value not in ([], {})}  # of no type in Arrow
    (tmp_path / "rows.parquet").write_bytes(packed([{**dict.fromkeys(row), **filled}]))
    (task,) = load_tasks(lines)
    assert decided(task) == expected and task.issue.startswith("It rings.")
    assert load_tasks(str(tmp_path / "rows.parquet")) == [task]
    assert "label" not in json.dumps(asdict(task), default=str)
    told = " ".join(notices(lines, [task.id]))
    assert "label" not in told
    if name == "SWE-bench":
        assert not told
        return
    assert f"{name}: images exist for linux/x86_64 only" in told
    needs_scripts = name in ("SWE-bench Pro", "SWE-rebench V2", "SWE-PolyBench", "Multi-SWE-bench")
    assert ("--scripts FOLDER" in told) == needs_scripts
    if name != "Scale-SWE":
        assert "will not be gradable" not in told
        check_gradable(lines, [task.id])
        return
    assert f"{task.id} will not be gradable" in told
    with pytest.raises(BadRecord, match=f"{task.id}: it is graded by"):
        check_gradable(lines, [task.id])


def test_a_row_of_pro_tells_the_model_all_that_it_says() -> None:
    row, _ = ROWS["SWE-bench Pro"]
    told = find_format(row).value({**row, "problem_statement": json.dumps('It "rings".\n')}, "problem_statement")
    assert told == 'It "rings".\n\n## Requirements\n\n- no ringing\n\n## Interface\n\nNo new interface.\n'
    plain = find_format(row).value({**row, "requirements": '"', "interface": None}, "problem_statement")
    assert plain == 'It rings.\n\n## Requirements\n\n"\n'


def test_packed_lists_reach_the_answer_key(tmp_path: Path) -> None:
    for name, expected in (("SWE-bench Pro", ("label x", "label y")), ("SWE-PolyBench", ("label x",))):
        (key,) = load_answer_keys(written(tmp_path / "rows.jsonl", ROWS[name][0])).values()
        assert key.FAIL_TO_PASS == expected and key.PASS_TO_PASS == () and key.patch == "label"
    (key,) = load_answer_keys(written(tmp_path / "rows.jsonl", ROWS["Multi-SWE-bench"][0])).values()
    assert (key.FAIL_TO_PASS, key.patch, key.repo) == (("label x",), "label", "Acme/Anvil")
    broken = {**ROWS["SWE-PolyBench"][0], "F2P": "__import__('os')"}
    with pytest.raises(BadRecord, match=r"rows.jsonl:1: acme__anvil-7: column 'F2P' is neither JSON nor a literal"):
        load_answer_keys(written(tmp_path / "rows.jsonl", broken))


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_a_packed_value_is_what_was_packed(value: Any) -> None:
    if not isinstance(value, str):
        assert unpack(json.dumps(value), "c") == value
    assert unpack(repr([value]), "c") == [value]


def test_images_of_gym_are_known_by_its_projects(tmp_path: Path) -> None:
    rows = [{**COMMON, "instance_id": id} for id in ("getmoto__moto-12", "acme__anvil-1")]
    gym, other = load_tasks(written(tmp_path / "rows.jsonl", *rows))
    assert (gym.image, gym.workdir) == ("xingyaoww/sweb.eval.x86_64.getmoto_s_moto-12", "/testbed")
    assert (other.image or "").startswith("swebench/") and other.workdir == "/testbed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"platform": "windows"}, "acme__anvil-7 runs on 'windows'; tasks run in Linux containers"),
        ({"problem_statement": " \n"}, "the issue of acme__anvil-7 is empty"),
        ({"workdir": "app"}, "workdir of acme__anvil-7 is 'app', not an absolute path"),
        ({"workdir": "/a/../b"}, "not an absolute path"),
        ({"workdir": "/a b; rm"}, "not an absolute path"),
    ],
)
def test_what_cannot_be_solved_is_refused_before_money(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRecord, match=said):
        load_tasks(written(tmp_path / "rows.jsonl", {**COMMON, "image": "x", **changes}))


def test_an_issue_of_pro_and_of_multi_swe_may_not_be_empty(tmp_path: Path) -> None:
    empty: tuple[dict[str, Any], ...] = ({"problem_statement": '""'}, {"resolved_issues": []})
    for name, changes in zip(("SWE-bench Pro", "Multi-SWE-bench"), empty, strict=True):
        with pytest.raises(BadRecord, match="is empty"):
            load_tasks(written(tmp_path / "rows.jsonl", {**ROWS[name][0], **changes}))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"instance_id": "a", "repo": "x/y", "issue": "?"},
            "nearest is SWE-bench, without: base_commit, problem_statement",
        ),
        ({"org": "a", "repo": "b", "number": 3, "base": {}}, "nearest is Multi-SWE-bench, without: resolved_issues"),
        ({"question": "?", "answer": "!"}, "no instance_id; every record needs one; the row is in no known format"),
    ],
)
def test_an_unknown_format_is_refused_with_the_nearest_and_what_is_missing(
    tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    source = written(tmp_path / "rows.jsonl", row)
    reads: list[Callable[[], object]] = [lambda: load_tasks(source), lambda: choose(source, TaskFilter())]
    for read in reads:
        with pytest.raises(BadRecord) as error:
            read()
        assert said in str(error.value) and "it has: " in str(error.value)


def test_odd_and_repeated_rows_refuse_nothing_when_they_are_left_out(tmp_path: Path) -> None:
    rows = [
        COMMON,
        {**COMMON, "instance_id": "other__twice-1"},
        {**COMMON, "instance_id": "other__twice-1"},
        {**COMMON, "instance_id": "../etc"},
        {"question": "?"},
        {**ROWS["SWE-bench Live"][0], "instance_id": "other__win-1", "platform": "windows"},
    ]
    source = written(tmp_path / "rows.jsonl", *rows)
    for chosen in (TaskFilter(filter="acme"), TaskFilter(ids=["acme__anvil-7"]), TaskFilter(slice="0:1")):
        assert choose(source, chosen)[1] == ["acme__anvil-7"]
    assert [task.id for task in load_tasks(source, ["acme__anvil-7"])] == ["acme__anvil-7"]
    refused: list[tuple[TaskFilter, str]] = [
        (TaskFilter(), "rows.jsonl:3: other__twice-1 is there already, at"),
        (TaskFilter(ids=["other__twice-1"]), "is there already, at"),
        (TaskFilter(filter=r"\.\."), "rows.jsonl:4: '../etc' cannot be an instance_id"),
        (TaskFilter(ids=["nobody"]), "no task 'nobody' in it"),
    ]
    for wrong, said in refused:
        with pytest.raises(BadInput) as error:
            choose(source, wrong)
        assert said in str(error.value)


def test_a_value_means_the_same_from_a_folder_as_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would make a number of "3.10" beside a number, nothing of "null", and a time of a date."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    versions: Sequence[Any] = ("3.10", 3.1, "null", "2024-01-02")
    rows = [{**COMMON, "instance_id": f"a-{n}", "version": version} for n, version in enumerate(versions)]
    source = written(tmp_path / "set" / "test.jsonl", *rows)
    tasks = load_tasks(str(tmp_path / "set"))
    assert [task.version for task in tasks] == ["3.10", "3.1", "null", "2024-01-02"] and tasks == load_tasks(source)


def test_times_of_parquet_are_text(tmp_path: Path) -> None:
    time = datetime.fromisoformat("2024-01-02T03:00:00")
    for version, expected in ((date(2024, 1, 2), "2024-01-02"), (time, "2024-01-02T03:00:00")):
        (tmp_path / "rows.parquet").write_bytes(packed([{**COMMON, "version": version}]))
        assert load_tasks(str(tmp_path / "rows.parquet"))[0].version == expected


def test_another_machine_is_told_that_images_are_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    source = written(tmp_path / "rows.jsonl", ROWS["SWE-PolyBench"][0])
    assert "this machine is arm64: an engine runs them by emulation" in " ".join(notices(source, ["acme__anvil-7"]))


def test_harbor_tasks_are_read_alone_and_together_without_their_answers(tmp_path: Path) -> None:
    harbor_task(tmp_path / "set" / "named", '[environment]\ndocker_image = "acme/anvil:1"\nworkdir = "/app"\n')
    harbor_task(tmp_path / "set" / "built")
    built, named = load_tasks(str(tmp_path / "set"))
    assert decided(named) == ("named", "acme/named", "HEAD", "go", "acme/anvil:1", "/app") and named.folder is None
    assert decided(built) == ("built", "acme/built", "HEAD", "go", None, None), "no image is made up"
    assert built.folder == (tmp_path / "set" / "built" / "environment").resolve()
    assert load_tasks(str(tmp_path / "set" / "named")) == [named]
    assert "label" not in repr([built, named]) and named.issue == "It rings.\n"
    (key,) = load_answer_keys(str(tmp_path / "set"), ["named"]).values()
    assert (key.eval_script, key.patch, key.FAIL_TO_PASS) == ("label\n", "", ("reward",))
    told = notices(str(tmp_path / "set"), ["named", "built"])
    assert told == ["Harbor: scripts run without network, whatever the task's network_mode is"]


def test_harbor_tasks_that_cannot_run_here_are_refused_only_if_they_are_chosen(tmp_path: Path) -> None:
    several = harbor_task(tmp_path / "set" / "several", dockerfile=None)
    (several / "environment" / "docker-compose.yaml").write_text("services: {}\n")
    harbor_task(tmp_path / "set" / "broken", "[environment\n")
    harbor_task(tmp_path / "set" / "odd name")
    harbor_task(tmp_path / "set" / "windows", '[environment]\nos = "windows"\n')
    harbor_task(tmp_path / "set" / "good")
    source, ids = choose(str(tmp_path / "set"), TaskFilter(filter="good"))
    assert [task.id for task in load_tasks(source, ids)] == ["good"]
    for id, said in (
        ("several", "several containers"),
        ("broken", "not TOML"),
        ("odd name", "cannot be an instance_id"),
        ("windows", "runs on 'windows'"),
    ):
        with pytest.raises(BadRecord, match=said):
            load_tasks(source, [id])


def test_answers_that_an_image_holds_are_named(tmp_path: Path) -> None:
    for name, paths in (
        ("Multi-SWE-bench", "/home/fix.patch /home/test.patch"),
        ("R2E-Gym", "/r2e_tests /root/r2e_tests"),
    ):
        (task,) = load_tasks(written(tmp_path / "rows.jsonl", ROWS[name][0]))
        assert task.hidden == paths
        assert load_tasks(write_and_name(tmp_path / "tasks.json", task)) == [task]
    with pytest.raises(BadRecord, match="not a list of absolute paths"):
        load_tasks(written(tmp_path / "rows.jsonl", {**COMMON, "image": "x", "hidden": "/a $(b)"}))


def write_and_name(path: Path, task: Task) -> str:
    write_tasks(path, [task])
    return str(path)


def test_a_folder_may_hold_rows_and_harbor_tasks(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    harbor_task(folder / "ring")
    for number, name in enumerate(("SWE-bench Live", "Multi-SWE-bench", "R2E-Gym")):
        written(folder / f"{number}.jsonl", ROWS[name][0])
    every = ["acme__anvil-7", "Acme__Anvil-7", "anvil-abababababab", "ring"]
    assert choose(str(folder), TaskFilter())[1] == every
    some = ["ring", "Acme__Anvil-7"]
    assert [task.id for task in load_tasks(str(folder), some)] == some
    assert [key.log_parser for key in load_answer_keys(str(folder), some).values()] == ["harbor", "multi-swe-bench"]
    told = notices(str(folder), every)
    assert any(line.startswith("Harbor: ") for line in told) and any("R2E-Gym: images" in line for line in told)
    with pytest.raises(UnknownDataset, match="no task 'rang'.*did you mean ring"):
        load_tasks(str(folder), ["rang"])
    with pytest.raises(BadInput, match="no splits"):
        choose(str(folder), TaskFilter(split="test"))
    written(folder / "3.jsonl", {**ROWS["SWE-bench Live"][0], "instance_id": "ring"})
    with pytest.raises(BadRecord, match="3.jsonl:1: ring is there already, at .*mixed/ring"):
        load_tasks(str(folder))


def test_the_table_of_formats_is_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "datasets.md").read_text()
    lines = page[page.index("| format | recognised by") :].partition("\n\n")[0].splitlines()[2:]
    table = {name: cells for name, *cells in (line.strip("| ").split(" | ") for line in lines)}
    assert set(table) == {*ROWS, "SWE-Gym", "Harbor"}
    for format in FORMATS:
        marks, place, grading, machine = table[format.name]
        row, expected = ROWS[format.name]
        assert marks == ", ".join(f"`{mark}`" for mark in sorted(format.marks))
        assert machine == (format.machine or "any")
        needed = set(re.findall(r"`(\w+)`", grading.partition("; ")[0]))
        assert format.ungradable({*row, *needed}) == "" and grading.startswith("with ") == bool(needed)
        assert not needed or format.ungradable(set(row) - needed)
        if place.startswith("`workdir`"):
            (own,) = load_tasks(written(tmp_path / "own.jsonl", {**row, "workdir": "/own"}))
            (bare,) = load_tasks(written(tmp_path / "bare.jsonl", {**row, "workdir": None}))
            assert own.workdir == "/own"
            assert bare.workdir == (None if place.endswith("else WORKDIR") else "/testbed")
        else:
            assert place.strip("`").replace("REPO", str(expected[1]).rpartition("/")[2]) == expected[5]
