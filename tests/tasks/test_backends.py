"""Which sandbox a run uses: by name, from outside, or the first that works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.errors import BadSettings, SandboxUnavailable
from codemonkeys.tasks.backends import BACKENDS, choose_backend, environment_kind
from codemonkeys.tasks.base import Task
from sandboxes import SandboxError, docker, local
from sandboxes.cluster import backends
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox
from tests.plugins import install

ONLY_AN_IMAGE = Task("a__b-1", "a/b", "0" * 40, "", image="swebench/a")
CODE = """
from sandboxes import Backend, local

opened = []

def open_one(run, **options):
    opened.append((run, options))
    return local.LocalSandbox()

FOLDERS = Backend(open_one, lambda: None, "folders")
IMAGE = Backend(open_one, lambda: None, "image")
BROKEN = Backend(open_one, lambda: "It needs a key: set one.", "image")
KIND = Backend(open_one, lambda: None, "folder")
OPTIONS = Backend(lambda run: local.LocalSandbox(), lambda: None, "folders")
other = open_one
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module in the current folder, where no engine answers."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    name = f"sandboxes_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return name


def test_the_two_built_in_backends_open_their_sandboxes() -> None:
    assert (BACKENDS.get("local"), BACKENDS.get("docker")) == (local.BACKEND, docker.BACKEND)
    for backend, kind in ((local.BACKEND, LocalSandbox), (docker.BACKEND, DockerSandbox)):
        sandbox = backend.open("run", reuse=True)
        assert isinstance(sandbox, kind)
        sandbox.close()
    assert [environment_kind(name) for name in ("auto", "local", "docker")] == [None, "folders", "image"]


def test_auto_takes_the_first_that_works_or_says_why_none_does(module: str, tmp_path: Path) -> None:
    assert choose_backend("auto", [], tmp_path) == ("local", local.BACKEND)
    with pytest.raises(
        SandboxUnavailable, match=r"no sandbox can run .*local: a__b-1 exists only as .*; docker: No Docker"
    ):
        choose_backend("auto", [ONLY_AN_IMAGE], tmp_path)


def test_auto_goes_on_to_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = replace(docker.BACKEND, unavailable=lambda: None)
    monkeypatch.setattr(docker, "BACKEND", works)
    monkeypatch.setattr("codemonkeys.tasks.backends.why_not_locally", lambda tasks, home: "they do not fit")
    assert choose_backend("auto", [ONLY_AN_IMAGE], tmp_path) == ("docker", works)


def test_ray_is_the_first_whose_tasks_can_be_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run stays with what it came to; without Ray, the message says what to install."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")  # from an engine the image could be copied
    assert choose_backend("ray", [], tmp_path) == ("ray-local", backends.LOCAL)
    assert choose_backend("ray", [ONLY_AN_IMAGE], tmp_path) == ("ray-docker", backends.DOCKER)
    assert [environment_kind(name) for name in ("ray", "ray-local", "ray-docker")] == [None, "folders", "image"]
    monkeypatch.setattr("sandboxes.cluster.connection.importlib.util.find_spec", lambda name: None)
    with pytest.raises(SandboxUnavailable, match=r"ray-local: It needs Ray.*pip install 'codemonkeys\[ray\]'"):
        choose_backend("ray", [], tmp_path)
    with pytest.raises(SandboxError, match="pip install"):
        backends.LOCAL.open("run", ray_address="auto")


@pytest.mark.parametrize("kind", ["docker", "local"])
def test_one_that_was_named_is_used_or_refused(module: str, tmp_path: Path, kind: str) -> None:
    reason = {"docker": "No Docker engine answers", "local": "a__b-1 exists only as a container image"}[kind]
    with pytest.raises(SandboxUnavailable, match=f"the sandbox {kind} cannot be used: {reason}"):
        choose_backend(kind, [ONLY_AN_IMAGE], tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KIND", "its environment is 'folder', not one of folders, image, here"),
        ("OPTIONS", r"its open does not take .* unexpected keyword argument 'reuse'; write open\(run, \*\*options\)"),
    ],
)
def test_one_from_outside_that_could_not_be_used_is_refused_when_it_is_named(
    module: str, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(BadSettings, match=f"sandbox '{module}:{name}' cannot be loaded: {said}"):
        choose_backend(f"{module}:{name}", [], tmp_path)


def test_one_from_outside_is_used_by_what_its_scripts_run_in(module: str, tmp_path: Path) -> None:
    name, backend = choose_backend(f"{module}:IMAGE", [ONLY_AN_IMAGE], tmp_path)
    assert (name, environment_kind(name)) == (f"{module}:IMAGE", "image")
    backend.open("run", reuse=True).close()
    assert __import__(module).opened == [("run", {"reuse": True})]
    with pytest.raises(
        SandboxUnavailable, match=f"{module}:FOLDERS cannot be used: a__b-1 exists only as a container image"
    ):
        choose_backend(f"{module}:FOLDERS", [ONLY_AN_IMAGE], tmp_path)
    with pytest.raises(SandboxUnavailable, match=f"{module}:BROKEN cannot be used: It needs a key: set one"):
        choose_backend(f"{module}:BROKEN", [ONLY_AN_IMAGE], tmp_path)


def test_an_installed_one_has_a_name_that_auto_never_takes(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = f"mine = installed_{module}:IMAGE\nlocal = installed_{module}:IMAGE"
    site = install(tmp_path / "site", CODE, {"codemonkeys.sandboxes": points}, f"installed_{module}")
    monkeypatch.syspath_prepend(site)
    assert BACKENDS.names() == ["local", "docker", "here", "ray-local", "ray-docker", "mine"]
    assert choose_backend("mine", [ONLY_AN_IMAGE], tmp_path)[0] == "mine"
    assert BACKENDS.get("local") is local.BACKEND, "a built-in name stays ours"
    with pytest.raises(SandboxUnavailable):
        choose_backend("auto", [ONLY_AN_IMAGE], tmp_path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nowhere", "there is no sandbox 'nowhere'; choose one of local, docker, here, ray-local, ray-docker, or name"),
        ("no_such_module:BACKEND", "No module named 'no_such_module'"),
        ("{module}:MISSING", "has no attribute 'MISSING'"),
        ("{module}:other", "it is of type function, not sandboxes.Backend"),
    ],
)
def test_what_is_no_sandbox_is_said(module: str, tmp_path: Path, kind: str, message: str) -> None:
    for choose in (lambda name: choose_backend(name, [], tmp_path), environment_kind):
        with pytest.raises(BadSettings, match=message):
            choose(kind.format(module=module))
