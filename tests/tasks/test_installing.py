"""Environments of one's own repositories: what would be run, that it is run once, and what scripts then find."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.cli import doctor, installing
from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.tasks import images
from codemonkeys.tasks.build_once import IN_PLACE, unfinished
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.installing import mounts
from codemonkeys.tasks.installing.making import (
    ENOUGH,
    _remove,
    _run,
    climb,
    find_made,
    make,
    plans_of,
    where_made,
    why_not,
)
from codemonkeys.tasks.installing.plan import Options, Plan, Rung
from codemonkeys.tasks.local_repository import SYSTEM_PATH
from codemonkeys.tasks.own_issue import RuntimeChoice, describe
from codemonkeys.tasks.own_package import why_not_installed
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.sources import task_file
from sandboxes.base import Script
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox
from tests.repositories import commit_all

PYPROJECT = """\
[build-system]
requires = ["tinybackend"]
build-backend = "tinybackend"
[project]
name = "mine"
version = "{version}"
dependencies = ["tinydep"]
"""
BACKEND = """\
import os, zipfile

def build_wheel(folder, *args, **kwargs):
    with open("mine/_version.py", "w") as file:
        file.write("version = '1.5'\\n")
    with zipfile.ZipFile(os.path.join(folder, "mine-1.5-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("mine-1.5.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.5\\n")
        wheel.writestr("mine-1.5.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.5.dist-info/RECORD", "")
    return "mine-1.5-py3-none-any.whl"

build_editable = build_wheel
"""


def make_wheel(folder: Path, name: str, code: str) -> None:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        about = f"{name}-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


Plans = Callable[..., list[Plan]]


@pytest.fixture
def plans(make_snapshot: Callable[..., Snapshot]) -> Plans:
    made = 0

    def of(files: dict[str, str], scope: str = "", scripts: bool = False) -> list[Plan]:
        nonlocal made
        made += 1
        return plans_of(make_snapshot(files, f"repository {made}"), scope, Options(scripts))

    return of


def test_requirements_are_what_is_installed_and_decides(plans: Plans) -> None:
    files = {
        "pyproject.toml": PYPROJECT.format(version="1")
        + '[project.optional-dependencies]\ntest = ["hypo>=1"]\ndocs = ["sphinx"]\n'
        + '[dependency-groups]\ndev = ["lint", {include-group = "more"}]\nmore = ["other"]\n',
        "requirements.txt": "one==1 \\\n  # why\n-r requirements/base.txt\n-c limits.txt\n-e .\n./vendored/two\n",
        "requirements/base.txt": "three ; python_version > '3'  # later\n--no-binary :all:\n-r ../requirements.txt\n",
        "limits.txt": "one<2\n",
        "requirements-docs.txt": "sphinx\n",
        "test_it.py": "",
    }
    (plan,) = plans(files)
    written = dict(plan.written)
    expected = "tinydep hypo>=1 lint other one==1".split() + ["three ; python_version > '3'", "-c constraints.txt"]
    assert written["requirements.txt"].splitlines() == expected
    assert written["constraints.txt"] == "one<2\n" and written["tools.txt"] == "pytest\ntinybackend\n"
    assert [note for note in plan.notes if "left out" in note] == [
        f"left out, as it is of the repository itself: {line}" for line in ("-e .", "./vendored/two")
    ]
    assert all("--only-binary" in command for command in plan.commands if "pip" in command)
    (allowed,) = plans(files, scripts=True)
    assert not any("--only-binary" in command for command in allowed.commands) and allowed.key != plan.key
    newer = PYPROJECT.format(version="2") + files["pyproject.toml"].partition('["tinydep"]\n')[2]
    (same,) = plans(files | {"pyproject.toml": newer, "README.md": "another repository"})
    assert same.key == plan.key, "only what is installed decides"
    (other,) = plans(files | {"limits.txt": "one<3\n"})
    assert other.key != plan.key


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"requirements.txt": "git+https://example.org/a.git\n"}, "git.* comes as source.*--scripts"),
        ({"pyproject.toml": '[project]\ndependencies = ["a @ https://example.org/a.tar.gz"]\n'}, "comes as source"),
        ({"pyproject.toml": '[project]\nrequires-python = ">=3.99"\n'}, r"needs Python >=3.99.*--python"),
        ({"pyproject.toml": "[project\n"}, "is not TOML"),
        ({"setup.py": "import setuptools\n"}, "known only by running it"),
        ({"pyproject.toml": "[tool.poetry]\n"}, "no poetry.lock in the commit"),
        ({"poetry.lock": "", "pyproject.toml": "[tool.poetry.requires-plugins]\na = '1'\n"}, "plugins of poetry"),
        ({"poetry.lock": '[package.source]\ntype = "git"\n'}, "packages from git, a folder or an archive"),
        ({"package-lock.json": '{"resolved": "git+ssh://a"}'}, "packages from git.*--scripts"),
        ({"package.json": "{}", "yarn.lock": ""}, "only npm is called here: install with yarn"),
        ({"Cargo.toml": ""}, "no Cargo.lock in the commit"),
        ({"pom.xml": ""}, "Maven runs the plugins.*--scripts"),
    ],
)
def test_what_cannot_be_installed_says_why(plans: Plans, files: dict[str, str], said: str) -> None:
    (plan,) = plans(files)
    with pytest.raises(BadInput, match=said):
        make(plan, Path(), "HEAD", Path())


def test_no_line_of_the_repository_allows_builds(plans: Plans) -> None:
    lines = [
        "--no-bin :all:",
        "--pre --no-binary :all:",
        "one --no-binary=:all:",
        "two==2 --hash=sha256:a '--no-binary=:all:'",
        "three --hash=sha256:b",
        "--index-url https://example.org/simple",
        "four -- '",
        "-ihttps://example.org",
    ]
    project = '[project]\ndependencies = ["five --no-binary :all:"]\n'
    (plan,) = plans({"requirements.txt": "\n".join(lines), "pyproject.toml": project})
    assert dict(plan.written)["requirements.txt"].splitlines() == [
        *("five", "one", "two==2", "three --hash=sha256:b", "--index-url https://example.org/simple", "four")
    ]
    (elsewhere,) = plans({"requirements.txt": "-r https://example.org/more.txt\n"})
    assert "may name what does" in elsewhere.problem


def test_what_names_no_package_asks_for_nothing(plans: Plans) -> None:
    odd = 'project = "a"\n[tool.ruff]\n[dependency-groups]\ndev = 3\n[build-system]\nrequires = [["a"], "--target=x"]\n'
    assert plans({"pyproject.toml": "[tool.ruff]\n", "a.py": "", "package.json": "{}"}) == []
    assert plans({"pyproject.toml": odd}) == []
    (plan,) = plans({"pyproject.toml": '[project]\ndependencies = ["--target=x", "-r /etc/hosts", "a"]\n'})
    assert dict(plan.written)["requirements.txt"] == "a\n", "an option has no place there"


def test_a_poetry_that_would_build_from_source_unasked_does_not_begin(plans: Plans) -> None:
    files = {"poetry.lock": "", "pyproject.toml": "[tool.poetry]\n"}
    asked = ("poetry", "config", "installer.only-binary")
    (plan,), (allowed,) = plans(files), plans(files, scripts=True)
    assert plan.commands[0] == asked and asked not in allowed.commands
    assert ("POETRY_INSTALLER_ONLY_BINARY", ":all:") in plan.variables


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({"package-lock.json": "{}"}, "npm"),
        ({"go.mod": "module a\n"}, "go"),
        ({"Cargo.lock": "", "Cargo.toml": ""}, "cargo"),
        ({"pom.xml": ""}, "mvn"),
        ({"uv.lock": "", "pyproject.toml": "[tool.uv.workspace]\n"}, "uv"),
        ({"poetry.lock": ""}, "poetry"),
    ],
)
def test_a_missing_tool_is_named(plans: Plans, files: dict[str, str], tool: str, tmp_path: Path) -> None:
    (plan,) = plans(files, scripts=True)
    assert why_not(plan, path=str(tmp_path)).startswith(f"{next(iter(files))}: {tool} is not installed here; install")  # type: ignore[union-attr]
    (tmp_path / tool).write_text("#!/bin/sh\n")
    (tmp_path / tool).chmod(0o755)
    assert why_not(plan, path=str(tmp_path)) is None


def test_the_lock_file_of_a_workspace_serves_its_members(plans: Plans) -> None:
    files = {"web/package-lock.json": "{}", "web/pkg/package.json": "{}", "api/go.mod": "", "go.mod": ""}
    assert [(plan.kind, plan.folder) for plan in plans(files, "api")] == [("go", "api")]
    files |= {"package-lock.json": "{}", "uv.lock": "", "pyproject.toml": "", "lib/pyproject.toml": "[project]\n"}
    assert [(plan.kind, plan.folder) for plan in plans(files, "lib")] == [("python", ""), ("node", ""), ("go", "")]


def test_a_command_that_fails_leaves_nothing_and_a_killed_one_is_found(
    make_repository: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, home, said = make_repository({"a": "", "b/.npmrc": ""}), tmp_path / "home", list[str]()
    monkeypatch.setenv("A_API_KEY", "hidden")
    tell = ("sh", "-c", "cat {place}/list.txt; find . -name .npmrc; env; exit 3")
    plan = Plan("go", "", ("go.mod",), (tell,), "go-1", written=(("list.txt", "first\n"),), removed=(".npmrc",))
    with pytest.raises(EnvironmentFailed, match=r"failed \(exit 3\); nothing of it is kept") as failed:
        make(plan, repository, "HEAD", home, said.append)
    assert "first" in (failed.value.output or "") and ".npmrc" not in failed.value.output, failed.value.output
    assert "A_API_KEY" not in failed.value.output and said == [
        f"Running: {' '.join(plan.commands_at(plan.place(home))[0])}"
    ]
    assert not plan.place(home).exists() and where_made(plan, home) is None and unfinished(home) == []
    plan.place(home).mkdir()
    assert where_made(plan, home) is None and unfinished(home) == [home / IN_PLACE / "go-1"]
    good = Plan("go", "", ("go.mod",), (("sh", "-c", "mkdir {place}/go"),), "go-1")
    assert make(good, repository, "HEAD", home) == where_made(good, home) and unfinished(home) == []
    assert sorted(os.listdir(good.place(home))) == [".made", "environment.json", "go"]


def test_what_is_no_file_of_the_repository_is_shown_with_the_variables_of_its_tool(tmp_path: Path) -> None:
    for name in (
        "go-1/go",
        "rust-1/cargo",
        "java-1/m2",
        "node-1/modules/web/node_modules/a/node_modules",
        "python-1/venv",
    ):
        (tmp_path / name).mkdir(parents=True)
    installed = [tmp_path / name for name in ("python-1", "go-1", "rust-1", "java-1", "node-1")]
    folders, variables = mounts.shown(installed, "/repo")
    assert dict(folders) == {
        f"{mounts.INSIDE}/go": tmp_path / "go-1/go",
        f"{mounts.INSIDE}/cargo": tmp_path / "rust-1/cargo",
        f"{mounts.INSIDE}/m2": tmp_path / "java-1/m2",
        "/repo/web/node_modules": tmp_path / "node-1/modules/web/node_modules",
    }
    assert variables["GOMODCACHE"] == f"{mounts.INSIDE}/go" and variables["GOPROXY"] == "off"
    assert variables["CARGO_NET_OFFLINE"] == "true" and variables["MAVEN_OPTS"].endswith("/m2")
    assert "/repo/web/node_modules" not in dict(mounts.shown(installed, "/repo", [tmp_path])[0]), "the user's own count"
    assert mounts.venv_of(installed) == tmp_path / "python-1/venv" and mounts.venv_of(installed[1:]) is None


@pytest.mark.slow
def test_a_python_project_and_its_packages_are_found_by_scripts(
    make_repository: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose build generates a file; a second repository with equal requirements shares what is installed."""
    make_wheel(tmp_path / "wheels", "tinydep", "VALUE = 7\n")
    make_wheel(tmp_path / "wheels", "tinybackend", BACKEND)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    home = tmp_path / "home"
    files = {"pyproject.toml": PYPROJECT.format(version="1"), "mine/__init__.py": "from mine._version import version\n"}
    # Named as modules that pip and venv import: none of them may be taken from the repository.
    files |= {f"{name}.py": f"open({str(tmp_path / 'ran')!r}, 'w')\n" for name in ("pip", "venv", "logging")}
    first, second = make_repository(files, "first"), make_repository(files | {"README.md": ""}, "second")
    with pytest.raises(BadInput, match=r"codemonkeys env .*first"):
        describe(first, "x", "HEAD", RuntimeChoice())
    with Snapshot.of_repository(first) as snapshot:
        (plan,) = plans_of(snapshot, "", Options())
        place = make(plan, first, "HEAD", home)
    assert not (tmp_path / "ran").exists(), "code of the repository runs in sandboxes only"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)  # nothing more is run
    with Snapshot.of_repository(second) as snapshot:
        ((_, found),) = find_made(snapshot, "", home)
        assert found == place == make(plan, second, "HEAD", home, lambda said: pytest.fail(said))
    task = describe(second, "x", "HEAD", RuntimeChoice())
    assert task.checkout is not None and task.checkout.venv == place / "venv" and task.checkout.installed == (place,)
    with pytest.raises(BadInput, match=r"runs with the Python of this machine: give sandbox.kind=local"):
        describe(second, "x", "HEAD", RuntimeChoice(kind="image"))
    task_file.write_issue(tmp_path / task_file.ISSUE_FILE, task)
    assert task_file.read_tasks(tmp_path / task_file.ISSUE_FILE) == [task], "a run that is resumed finds it"
    workspace = prepare(task, home, "folders")
    assert why_not_installed(workspace.environment, home) is None and list(installing.own_project(task)) == []
    tell = "import mine, tinydep, importlib.metadata as m\n"
    tell += "print(mine.version, tinydep.VALUE, m.version('mine'), mine.__file__)\n"
    sandbox = LocalSandbox()
    try:
        done = sandbox.run(workspace.environment, Script(tell))
    finally:
        sandbox.close()
        workspace.snapshot.close()
    assert done.output == f"1.5 7 1.5 {second}/mine/__init__.py\n", done

    (second / "pyproject.toml").write_text(files["pyproject.toml"].replace('backend = "tiny', 'backend = "no'))
    commit_all(second)
    (said,) = installing.own_project(describe(second, "x", "HEAD", RuntimeChoice()))
    assert "the project itself could not be installed" in said and not (second / "mine/_version.py").exists()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm", path=SYSTEM_PATH), reason="no npm for the whole machine")
def test_modules_of_a_lock_file_are_found_by_scripts_and_run_nothing(
    make_repository: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    package = {"name": "mine", "version": "1.0.0", "dependencies": {"dep": "file:dep"}, "scripts": {}}
    package["scripts"] = {"postinstall": f"touch {tmp_path}/ran"}
    of_dep = {"name": "dep", "version": "1.0.0", "main": "index.js"}
    link = {"resolved": "dep", "link": True}
    lock = {"name": "mine", "version": "1.0.0", "lockfileVersion": 3, "requires": True}
    lock["packages"] = {"": package, "dep": {"version": "1.0.0"}, "node_modules/dep": link}
    files = {"package.json": package, "package-lock.json": lock, "dep/package.json": of_dep}
    repository = make_repository(
        {path: json.dumps(content) for path, content in files.items()}
        | {"dep/index.js": "module.exports = 'there'\n", ".gitignore": "node_modules\n", "a.js": "1\n" * 200}
    )
    request = installing.Request(repository, "HEAD", "", None, scripts=False, yes=True, dry_run=False)
    assert installing.install(request, as_json=True) == 0
    assert not (tmp_path / "ran").exists() and not (repository / "node_modules").exists()
    task = describe(repository, "x", "HEAD", RuntimeChoice())
    assert task.checkout is not None and [mounts.kind_of(place) for place in task.checkout.installed] == ["node"]
    assert list(installing.lacking(task)) == []
    workspace = prepare(task, tmp_path / "home", "folders")
    sandbox = LocalSandbox()
    try:
        script = "node -e \"console.log(require('./node_modules/dep'))\"; git status --short\n"
        done = sandbox.run(workspace.environment, Script(script, "a.sh", ("sh",)))
    finally:
        sandbox.close()
        workspace.snapshot.close()
    assert done.output == "there\n", done


def test_files_that_name_programs_are_gone_by_whatever_path(tmp_path: Path) -> None:
    for name in ("a/.cargo/config.toml", ".npmrc", "other/config.toml", "config.toml", "kept/.cargo/other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".cargo").symlink_to("other")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / ".npmrc").symlink_to("../config.toml")
    (tmp_path / "kept" / "link").symlink_to("../config.toml")
    _remove(tmp_path, (".npmrc", ".cargo/config.toml"))
    left = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_symlink() or path.is_file()
    }
    assert left == {"other/config.toml", "config.toml", "kept/.cargo/other", "kept/link"}


@pytest.mark.skipif(not shutil.which("cargo"), reason="no cargo")
def test_crates_are_fetched_from_where_the_user_has_them(
    make_repository: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cargo").mkdir()
    settings = '[source.crates-io]\nreplace-with = "mine"\n[source.mine]\ndirectory = "/vendor"\n'
    settings += '[registry]\ntoken = "secret"\n'
    (tmp_path / "cargo" / "config.toml").write_text(settings)
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    lock = 'version = 3\n\n[[package]]\nname = "mine"\nversion = "1.0.0"\n'
    manifest = '[package]\nname = "mine"\nversion = "1.0.0"\nedition = "2021"\n'
    files = {"Cargo.toml": manifest, "Cargo.lock": lock, "src/lib.rs": "", ".cargo/config.toml": "not even TOML"}
    repository = make_repository(files)
    with Snapshot.of_repository(repository) as snapshot:
        (plan,) = plans_of(snapshot, "", Options())
    place = make(plan, repository, "HEAD", tmp_path / "home")
    kept = (place / "cargo" / "config.toml").read_text()
    assert 'replace-with = "mine"' in kept and 'directory = "/vendor"' in kept and "secret" not in kept


def test_what_would_be_run_is_said_and_asked_first(
    make_repository: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    files = {"requirements.txt": "one\n", "Cargo.toml": "", "a.py": "1\n"}
    repository = make_repository(files)
    (repository / ".venv").mkdir()
    (repository / ".venv" / "pyvenv.cfg").touch()
    request = installing.Request(repository, "HEAD", "", None, scripts=False, yes=False, dry_run=False)
    with pytest.raises(BadInput, match="nothing was run: give --yes"):
        installing.install(request, as_json=False)
    assert installing.install(request._replace(dry_run=True), as_json=True) == 1
    told = capsys.readouterr()
    assert "Cannot be installed: Cargo.toml: there is no Cargo.lock" in told.err
    assert "with network" in told.err and "requirements.txt: one" in told.err
    facts = json.loads(told.out)
    assert [(fact["kind"], fact["folder"], bool(fact["problem"])) for fact in facts] == [
        ("python", None, False),
        ("rust", None, True),
    ]
    assert not (tmp_path / "home" / IN_PLACE).exists()
    monkeypatch.chdir(repository)
    (check,) = doctor.installed()
    assert (check.name, check.verdict) == ("packages rust", "warning") and "no Cargo.lock" in check.detail
    (said,) = installing.lacking(describe(repository, "x", "HEAD", RuntimeChoice()))
    assert (
        said.startswith("Cargo.toml: what is named there is not installed") and f"codemonkeys env {repository}" in said
    )
    with pytest.raises(BadInput, match="not a Python that runs here"):
        installing.install(request._replace(python="/nowhere/python"), as_json=False)
    with pytest.raises(BadInput, match="has no lock file or manifest"):
        installing.install(request._replace(repository=make_repository({"a": ""}, "bare")), as_json=False)


@pytest.mark.docker
@pytest.mark.xdist_group("images")
def test_what_is_no_virtual_environment_is_put_into_an_image(
    make_repository: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    repository = make_repository({"go.mod": "module a\n", "a.go": "package a\n", "package-lock.json": "{}"})
    with Snapshot.of_repository(repository) as snapshot:
        go, node = sorted(plans_of(snapshot, "", Options()), key=lambda plan: plan.kind)
    fetch = ("sh", "-c", "mkdir {place}/go && echo fetched > {place}/go/mod")
    install = ("sh", "-c", "mkdir node_modules && echo installed > node_modules/dep")
    for plan, command in ((go, fetch), (node, install)):
        make(replace(plan, commands=(command,)), repository, "HEAD", tmp_path / "home")
    task = describe(repository, "x", "HEAD", RuntimeChoice(image="codemonkeys/python:3.11", kind="image"))
    workspace = prepare(task, tmp_path / "home", "image")
    sandbox = DockerSandbox()
    try:
        script = Script('cat "$GOMODCACHE/mod" node_modules/dep; echo "$GOPROXY"\n', "a.sh", ("sh",))
        done = sandbox.run(workspace.environment, script)
        assert done.output == "fetched\ninstalled\noff\n", done
    finally:
        sandbox.close()
        workspace.snapshot.close()
        with images.engine() as client:
            for built in images.images_of_ours(client, {task.id}):
                client.images.remove(built.id, force=True)


def test_an_install_that_fails_goes_down_its_ladder_only_as_far_as_it_must(tmp_path: Path) -> None:
    said: list[str] = []
    fails, works = ("false",), ("true",)
    ladder = (Rung("one way", (fails, works)), Rung("another way", (works,)), Rung("too far", (works,)))

    def down(last: tuple[str, ...], rungs: tuple[Rung, ...] = ladder) -> str:
        said.clear()
        return climb(last, rungs, tmp_path, lambda command: _run(command, {}, tmp_path), said.append)

    assert down(works) == "" and said == []
    assert down(fails) == "another way"
    assert [line for line in said if line.startswith("That failed")] == [
        "That failed. Trying one way",
        "That failed. Trying another way",
    ]
    some = Rung("some of it", (fails, works, fails), some=True)
    assert down(fails, (some,)) == "some of it" and sum(line.startswith("Left out: `false`") for line in said) == 2
    for hopeless in ((), (Rung("nothing", (fails,)),), (Rung("none", (fails,) * 9, some=True),)):
        with pytest.raises(EnvironmentFailed, match="`false` failed"):
            down(fails, hopeless)
    assert sum(line.startswith("Left out") for line in said) == ENOUGH - 1, (
        "a network that is down is no reason to go on"
    )


def test_the_ladder_of_requirements_forgets_versions_and_keeps_all_else(make_repository: Callable[..., Path]) -> None:
    lines = "-i https://example.org/simple\nalpha==1.0 ; python_version < '4'\nbeta[x]>=2,<3\ngamma\n"
    with Snapshot.of_repository(make_repository({"requirements.txt": lines})) as snapshot:
        (plan,) = plans_of(snapshot, "", Options())
    written = dict(plan.written)
    assert written["loose.txt"] == "-i https://example.org/simple\nalpha; python_version < '4'\nbeta[x]\ngamma\n"
    assert written["one-1.txt"] == "-i https://example.org/simple\nbeta[x]\n"
    loose, singly = plan.ladder
    assert singly.some and len(singly.commands) == 3 and not loose.some
    assert all("--only-binary" in command for rung in plan.ladder for command in rung.commands)
    hashed = "alpha==1.0 --hash=sha256:00\n"
    with Snapshot.of_repository(make_repository({"requirements.txt": hashed}, "hashed")) as snapshot:
        (plan,) = plans_of(snapshot, "", Options())
    assert plan.ladder == () and [name for name, _ in plan.written] == ["requirements.txt"]
