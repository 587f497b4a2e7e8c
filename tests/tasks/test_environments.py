import json
import shutil
import stat
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.tasks import build_once as once
from codemonkeys.tasks import images, pulling, roots
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.environments import can_run_locally, default_home, prepare, why_not_locally
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import EnvironmentKind, Reason, Script
from sandboxes.docker import DockerSandbox
from tests.tiny_task import FILES, ID, make_task_repository


@pytest.fixture(scope="session")
def tiny_task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    (task,) = load_tasks(make_task_repository(tmp_path_factory.mktemp("tiny")))
    return task


@pytest.fixture
def tiny(tiny_task: Task, shared_home: Path) -> Workspace:
    return prepare(tiny_task, shared_home, "folders")


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


@pytest.mark.slow
def test_its_python_is_its_own(tiny: Workspace) -> None:
    assert tiny.environment.repository == "/testbed" and tiny.environment.image == "codemonkeys/tiny:none"
    shown = run(tiny, "python -c 'import sys; print(sys.prefix)'; head -n 1 $(command -v pip); pip list --format=json")
    prefix, pip, listed = shown.splitlines()
    assert prefix == "/opt/testbed" and pip.startswith("#!/opt/testbed/bin/python")
    assert {package["name"] for package in json.loads(listed)} <= {"pip", "setuptools"}


@pytest.mark.slow
def test_what_was_built_is_used_again_and_is_the_same_elsewhere(
    tiny: Workspace, tiny_task: Task, shared_home: Path, tmp_path: Path
) -> None:
    def made() -> list[int]:
        return [path.stat().st_ino for path in (shared_home / "environments").glob(f"*{tiny.environment.name}*")]

    before = made()
    assert prepare(tiny_task, shared_home, "folders").environment == tiny.environment and made() == before
    moved = Path(shutil.copytree(tiny_task.folder or "", tmp_path / "moved"))
    left = tmp_path / "environments" / f".{tiny.environment.name}.making" / "testbed"
    left.mkdir(parents=True)
    (left / "of a killed build.txt").touch()
    elsewhere = prepare(Task(ID, "x", "0" * 7, "", folder=moved), tmp_path, "folders")
    assert elsewhere.environment.name == tiny.environment.name, "the name is of the content"
    assert elsewhere.snapshot.commit == tiny.snapshot.commit


@pytest.mark.slow
def test_many_at_once_build_it_once(tmp_path: Path) -> None:
    """The installation writes down when it ran: two that ran would not agree."""
    source = make_task_repository(tmp_path / "tiny", install="cat /proc/sys/kernel/random/uuid > made.txt\n")
    (task,) = load_tasks(source)
    with ThreadPoolExecutor(4) as pool:
        spaces = list(pool.map(lambda _: prepare(task, tmp_path / "home", "folders"), range(4)))
    assert len({space.snapshot.commit for space in spaces}) == 1
    assert len([path for path in (tmp_path / "home/environments").iterdir() if path.is_dir()]) == 1


@pytest.mark.slow
def test_a_build_that_fails_is_quoted_and_leaves_nothing(tmp_path: Path) -> None:
    install = "touch half.txt; echo token https://me:secret@host/; echo cannot go on >&2; exit 7\n"
    (task,) = load_tasks(make_task_repository(tmp_path / "tiny", install=install))
    with pytest.raises(EnvironmentFailed) as error:
        prepare(task, tmp_path / "home", "folders")
    said = str(error.value)
    assert ID in said and "exit code 7" in said and "cannot go on" in said and "secret" not in said
    assert [path for path in (tmp_path / "home/environments").iterdir() if path.is_dir()] == []


@pytest.mark.slow
def test_the_build_has_no_network_and_cannot_write_outside(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir(mode=0o777)
    (tmp_path / "outside").chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    install = f"ls /sys/class/net > made.txt || true; touch {tmp_path}/outside/reached || true\n"
    (task,) = load_tasks(make_task_repository(tmp_path / "tiny", install=install))
    made = files_of(prepare(task, tmp_path / "home", "folders"))["made.txt"]
    assert not (tmp_path / "outside" / "reached").exists()
    assert set((made or "").split()) <= {"lo"}


def test_pip_is_quoted_when_it_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (task,) = load_tasks(make_task_repository(tmp_path / "tiny", requirements="no-such-package-of-ours==1\n"))
    with pytest.raises(EnvironmentFailed, match=r"(?s)check that this machine.*no-such-package-of-ours"):
        prepare(task, tmp_path / "home", "folders")


def test_a_full_disk_is_met_before_anything_is_fetched(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "FREE_BYTES", 1 << 62)
    with pytest.raises(EnvironmentFailed, match="CODEMONKEYS_HOME"):
        prepare(tiny_task, tmp_path, "folders")


def test_a_home_that_cannot_be_is_said(tiny_task: Task, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match=f"cannot build its environment in {tmp_path}/file"):
        prepare(tiny_task, tmp_path / "file", "folders")


def test_a_task_that_is_only_an_image_needs_an_engine(
    tmp_path: Path, tiny_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    task = Task("a__b-1", "a/b", "0" * 40, "", image="swebench/a")
    assert can_run_locally(tiny_task, tmp_path) and not can_run_locally(task, tmp_path)
    assert why_not_locally([tiny_task], tmp_path) is None
    assert "a__b-1 exists only as a container image" in (why_not_locally([tiny_task, task], tmp_path) or "")
    kinds: tuple[EnvironmentKind, ...] = ("folders", "image")
    for kind in kinds:
        with pytest.raises(EnvironmentFailed, match="No Docker engine answers"):
            prepare(task, tmp_path, kind)


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
    image, folder = prepare(task, shared_home, "image"), prepare(task, shared_home, "folders")
    with image.snapshot as ours, folder.snapshot as theirs:
        made = {path for path in (e.path for e in theirs.entries) if "egg-info" in path or "__pycache__" in path}
        assert {e for e in ours.entries if e.path not in made} == {e for e in theirs.entries if e.path not in made}
        assert subprocess.check_output(["git", "rev-list", "--all", "--count"], cwd=ours.git_dir) == b"1\n"
    assert image.environment.folders == () and (image.environment.image or "").startswith("sha256:")


@pytest.mark.docker
def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    task = Task("a__b-1", "a/b", "0" * 40, "", image="localhost:1/none/such:image")
    with pytest.raises(EnvironmentFailed, match="localhost:1/none/such:image"):
        prepare(task, tmp_path, "image")


@pytest.mark.docker
@pytest.mark.data
def test_an_image_runs_in_the_local_sandbox(shared_home: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a copy of its root file system, which serves later without any engine."""
    (task,) = load_tasks(str(data_dir / "task_repo"), ["marshmallow-code__marshmallow-1359"])
    task = replace(task, folder=None)
    assert why_not_locally([task], shared_home) is None
    workspace, in_docker = prepare(task, shared_home, "folders"), prepare(task, shared_home, "image")
    assert workspace.environment.root and workspace.environment.name == in_docker.environment.name
    assert files_of(workspace) == files_of(in_docker)
    shown = "python -c 'import marshmallow; print(marshmallow.__file__)'; git rev-list --all --count; ls /opt"
    assert run(workspace, shown) == "/testbed/src/marshmallow/__init__.py\n1\ntestbed\n"
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    assert can_run_locally(task, shared_home)
    assert prepare(task, shared_home, "folders").environment == workspace.environment


@pytest.mark.docker
@pytest.mark.data
def test_copies_of_images_are_not_begun_where_they_do_not_fit(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [replace(task, folder=None) for task in load_tasks(str(data_dir / "task_repo"))]
    monkeypatch.setattr(roots, "COPY_BYTES", 1 << 50)
    why = why_not_locally(tasks, tmp_path / "new") or ""
    assert f"{len(tasks)} tasks" in why and str(tmp_path) in why and "GiB free" in why


@pytest.mark.docker
def test_no_image_is_pulled_or_built_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_task_repository(tmp_path / "tiny")
    (task,) = load_tasks(source)
    monkeypatch.setattr(pulling, "PULL_BYTES", 1 << 60)
    with pytest.raises(EnvironmentFailed, match=r"MiB free, this can take 1099511627776 MiB.*images clean"):
        prepare(task, tmp_path, "image")


@pytest.mark.docker
def test_an_image_is_built_from_the_dockerfile_of_a_task(tmp_path: Path) -> None:
    """Where nobody publishes it; once, without network, and without the files that hold the answer."""
    source = make_task_repository(tmp_path / "tiny")
    (task,) = load_tasks(source)
    folder = task.folder
    assert folder
    (folder / "Dockerfile").write_text(
        "FROM codemonkeys/python:3.11\nCOPY . /given\nCOPY wheels /wheels\n"
        "RUN mkdir /testbed && tar -xzf /given/repo.tar.gz -C /testbed && cd /testbed && git init -q && git add -A"
        " && git -c user.name=x -c user.email=x@x commit -qm base && ls /given > /seen && ls /sys/class/net >> /seen\n"
    )
    task = replace(task, id=f"tiny__{uuid.uuid4().hex}", image="localhost:1/no/such:image")
    try:
        workspace = prepare(task, tmp_path / "home", "image")
        assert files_of(workspace).keys() == FILES.keys()
        sandbox = DockerSandbox("test")
        try:
            seen = sandbox.run(workspace.environment, Script("cat /seen", "see.sh", ("sh",))).output.split()
        finally:
            sandbox.close()
        given = [
            "Dockerfile",
            "install.sh",
            "problem_statement.md",
            "repo.tar.gz",
            "requirements.txt",
            "task.yaml",
            "wheels",
        ]
        assert seen == [*given, "lo"]
        assert prepare(task, tmp_path / "home", "image").environment == workspace.environment
        (folder / "Dockerfile").write_text(
            "FROM codemonkeys/python:3.11\nCOPY wheels /wheels\nRUN echo cannot go on; exit 3\n"
        )
        other = replace(task, id=f"tiny__{uuid.uuid4().hex}")
        with pytest.raises(
            EnvironmentFailed, match=r"(?s)could not be built.*cannot go on.*returned a non-zero code: 3"
        ):
            prepare(other, tmp_path / "home", "image")
    finally:
        with images.engine() as client:
            for ours in images.images_of_ours(client, {task.id}):
                client.images.remove(ours.id, force=True)
