"""The demo's task repository, made from the package index as on a user's machine."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from codemonkeys.demo import INSTANCE_ID, build_task_repository
from codemonkeys.demo.task_repository import SOURCE_FILE, TASK, TEST_FILE
from codemonkeys.errors import EnvironmentFailed
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.sources import load_tasks


@pytest.fixture
def unreachable_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpack(repository: Path, target: Path) -> None:
    packed = repository / "tasks" / INSTANCE_ID / "repo.tar.gz"
    subprocess.run(["tar", "-xzf", packed, "-C", target], check=True)


def test_swebench_takes_it_as_well_formed(repository: Path) -> None:
    from swebench.task.checks import check_task_repo
    from swebench.task.repo import load_task_repo

    (instance,) = load_task_repo(repository, [INSTANCE_ID])
    assert instance["FAIL_TO_PASS"] and instance["PASS_TO_PASS"]
    assert instance["test_patch"] in instance["eval_script"]
    # The derived name is that of an image on a registry; this one is only ever built locally.
    problems = [str(problem) for problem in check_task_repo(repository)]
    assert [problem for problem in problems if "is not the derived name" not in problem] == []


def test_it_loads_as_any_other_task(repository: Path) -> None:
    (task,) = load_tasks(str(repository))
    assert task.id == INSTANCE_ID
    assert task.issue == (TASK / "problem_statement.md").read_text(encoding="utf-8")
    assert task.folder == repository / "tasks" / INSTANCE_ID
    key = load_answer_keys(str(repository))[INSTANCE_ID]
    assert key.patch.startswith(f"diff --git a/{SOURCE_FILE} ")
    assert key.test_patch.startswith(f"diff --git a/{TEST_FILE} ")


@pytest.mark.parametrize(("patch", "changed"), [("gold.patch", SOURCE_FILE), ("test.patch", TEST_FILE)])
def test_its_patches_apply_to_the_base(repository: Path, tmp_path: Path, patch: str, changed: str) -> None:
    unpack(repository, tmp_path)
    before = contents(tmp_path)
    # Its own repository: else git would take the paths as relative to one around it.
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", repository / "tasks" / INSTANCE_ID / patch], cwd=tmp_path, check=True)
    after = {path: content for path, content in contents(tmp_path).items() if not path.startswith(".git/")}
    assert after.keys() == before.keys()
    assert [path for path in before if after[path] != before[path]] == [changed]


@pytest.mark.slow
def test_it_is_the_same_each_time_even_when_made_twice_at_once(repository: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        made = set(pool.map(build_task_repository, [tmp_path, tmp_path]))
    (again,) = made
    assert again.name == repository.name
    assert contents(again) == contents(repository)
    assert list((tmp_path / "demo").iterdir()) == [again]


@pytest.mark.usefixtures("unreachable_index")
def test_it_is_made_once(repository: Path, shared_home: Path) -> None:
    assert build_task_repository(shared_home) == repository


@pytest.mark.usefixtures("unreachable_index")
def test_a_failed_download_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="humanize==4.12.3"):
        build_task_repository(tmp_path)
    assert list((tmp_path / "demo").iterdir()) == []
