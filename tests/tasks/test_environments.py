import json
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.tasks import once
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.environments import can_run_locally, default_home, prepare
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Reason, Script
from tests.tiny_task import FILES, ID, make_task_repository


@pytest.fixture(scope="session")
def tiny_task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    (task,) = load_tasks(make_task_repository(tmp_path_factory.mktemp("tiny")))
    return task


@pytest.fixture
def tiny(tiny_task: Task, shared_home: Path) -> Workspace:
    return prepare(tiny_task, shared_home, "local")


def files_of(workspace: Workspace) -> dict[str, str | None]:
    with workspace.snapshot as snapshot:
        return {entry.path: snapshot.text(entry.path) for entry in snapshot.entries}


def run(workspace: Workspace, text: str) -> str:
    from sandboxes.local import LocalSandbox

    sandbox = LocalSandbox()
    try:
        done = sandbox.run(workspace.environment, Script(text, "show.sh", ("sh",)))
    finally:
        sandbox.close()
    assert done.reason is Reason.EXITED and done.exit_code == 0, done
    return done.output


def test_a_task_folder_becomes_one_commit_of_all_that_lies_there(tiny: Workspace) -> None:
    """What the installation made and git would ignore belongs to it."""
    assert files_of(tiny) == {**FILES, "made.txt": "made\n"}
    assert run(tiny, "git rev-list --all --count; git status --porcelain") == "1\n"


def test_its_python_is_its_own(tiny: Workspace) -> None:
    assert tiny.environment.repository == "/testbed" and tiny.environment.image == "codemonkeys/tiny:none"
    shown = run(tiny, "python -c 'import sys; print(sys.prefix)'; head -n 1 $(command -v pip); pip list --format=json")
    prefix, pip, listed = shown.splitlines()
    assert prefix == "/opt/testbed" and pip.startswith("#!/opt/testbed/bin/python")
    assert {package["name"] for package in json.loads(listed)} <= {"pip", "setuptools"}


def test_what_was_built_is_used_again_and_is_the_same_elsewhere(
    tiny: Workspace, tiny_task: Task, shared_home: Path, tmp_path: Path
) -> None:
    def made() -> list[int]:
        return [path.stat().st_ino for path in (shared_home / "environments").glob(f"{ID}-*")]

    before = made()
    assert prepare(tiny_task, shared_home, "local").environment == tiny.environment and made() == before
    moved = Path(shutil.copytree(tiny_task.folder or "", tmp_path / "moved"))
    left = tmp_path / "environments" / f".{tiny.environment.name}.making" / "testbed"
    left.mkdir(parents=True)
    (left / "of a killed build.txt").touch()
    elsewhere = prepare(Task(ID, "x", "0" * 7, "", folder=moved), tmp_path, "local")
    assert elsewhere.environment.name == tiny.environment.name, "the name is of the content"
    assert elsewhere.snapshot.commit == tiny.snapshot.commit


def test_many_at_once_build_it_once(tmp_path: Path) -> None:
    """The installation writes down when it ran: two that ran would not agree."""
    source = make_task_repository(tmp_path / "tiny", install="cat /proc/sys/kernel/random/uuid > made.txt\n")
    (task,) = load_tasks(source)
    with ThreadPoolExecutor(4) as pool:
        spaces = list(pool.map(lambda _: prepare(task, tmp_path / "home", "local"), range(4)))
    assert len({space.snapshot.commit for space in spaces}) == 1
    assert len([path for path in (tmp_path / "home/environments").iterdir() if path.is_dir()]) == 1


def test_a_build_that_fails_is_quoted_and_leaves_nothing(tmp_path: Path) -> None:
    install = "touch half.txt; echo token https://me:secret@host/; echo cannot go on >&2; exit 7\n"
    (task,) = load_tasks(make_task_repository(tmp_path / "tiny", install=install))
    with pytest.raises(EnvironmentFailed) as error:
        prepare(task, tmp_path / "home", "local")
    said = str(error.value)
    assert ID in said and "exit code 7" in said and "cannot go on" in said and "secret" not in said
    assert [path for path in (tmp_path / "home/environments").iterdir() if path.is_dir()] == []


def test_the_build_has_no_network_and_cannot_write_outside(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir(mode=0o777)
    (tmp_path / "outside").chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    install = f"ls /sys/class/net > made.txt || true; touch {tmp_path}/outside/reached || true\n"
    (task,) = load_tasks(make_task_repository(tmp_path / "tiny", install=install))
    made = files_of(prepare(task, tmp_path / "home", "local"))["made.txt"]
    assert not (tmp_path / "outside" / "reached").exists()
    assert set((made or "").split()) <= {"lo"}


def test_pip_is_quoted_when_it_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (task,) = load_tasks(make_task_repository(tmp_path / "tiny", requirements="no-such-package-of-ours==1\n"))
    with pytest.raises(EnvironmentFailed, match=r"(?s)check that this machine.*no-such-package-of-ours"):
        prepare(task, tmp_path / "home", "local")


def test_a_full_disk_is_met_before_anything_is_fetched(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "FREE_BYTES", 1 << 62)
    with pytest.raises(EnvironmentFailed, match="CODEMONKEYS_HOME"):
        prepare(tiny_task, tmp_path, "local")


def test_a_home_that_cannot_be_is_said(tiny_task: Task, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match=f"cannot build its environment in {tmp_path}/file"):
        prepare(tiny_task, tmp_path / "file", "local")


def test_a_task_that_is_only_an_image_needs_docker(tmp_path: Path, tiny_task: Task) -> None:
    task = Task("a__b-1", "a/b", "0" * 40, "", image="swebench/a")
    assert can_run_locally(tiny_task) and not can_run_locally(task)
    with pytest.raises(EnvironmentFailed, match="--sandbox docker"):
        prepare(task, tmp_path, "local")


def test_home_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEMONKEYS_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_home() == tmp_path / "codemonkeys"
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "mine"))
    assert default_home() == tmp_path / "mine"


@pytest.mark.docker
@pytest.mark.data
def test_an_image_gives_the_same_codebase_as_the_folder(shared_home: Path, data_dir: Path) -> None:
    (task,) = load_tasks(str(data_dir / "task_repo"), ["pallets__flask-5014"])
    image, folder = prepare(task, shared_home, "docker"), prepare(task, shared_home, "local")
    with image.snapshot as ours, folder.snapshot as theirs:
        made = {path for path in (e.path for e in theirs.entries) if "egg-info" in path or "__pycache__" in path}
        assert {e for e in ours.entries if e.path not in made} == {e for e in theirs.entries if e.path not in made}
        assert subprocess.check_output(["git", "rev-list", "--all", "--count"], cwd=ours.git_dir) == b"1\n"
    assert image.environment.folders == () and (image.environment.image or "").startswith("sha256:")


@pytest.mark.docker
def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    task = Task("a__b-1", "a/b", "0" * 40, "", image="localhost:1/none/such:image")
    with pytest.raises(EnvironmentFailed, match="localhost:1/none/such:image"):
        prepare(task, tmp_path, "docker")
