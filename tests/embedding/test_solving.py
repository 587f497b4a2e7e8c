"""A run inside another program: its container gets the patch and nothing else, it is told what that cost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from codemonkeys.embedding import containers, repository, solving
from codemonkeys.embedding.solving import Embedded, Issue, configs_of
from codemonkeys.errors import BadSettings, ExecutionFailed
from codemonkeys.settings import load_settings
from tests.embedding.machine import Machine, in_loop
from tests.repositories import git, make_repository

MADE = "codemonkeys_dry_run.txt"
"""The file that the fake model's edit makes."""
CONFIG = "generation.samples=2; operation.executions=2"


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own for what is put into the container."""
    place = tmp_path / "library"
    for module in (containers, repository, solving):
        monkeypatch.setattr(module, "LIBRARY", str(place))
    monkeypatch.setattr(containers.ForeignContainer, "library", str(place))
    monkeypatch.setattr(containers.ForeignContainer, "scratch", str(tmp_path))
    monkeypatch.setattr(repository, "_ARCHIVE", str(place / "tree.tar"))
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    return place


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folder = make_repository(tmp_path / "app", {"greeting.py": b"HELLO = 'Hello'\n", ".gitignore": b"kept\n"})
    (folder / "kept").write_text("ignored")
    (folder / "odd").symlink_to("/nowhere")
    return Machine(folder)


def embedded(folder: Path) -> Embedded:
    settings = load_settings(configs_of("generation.samples=2"), model="fake")
    return Embedded(Issue("a task/1", "Greetings lack a comma."), settings, folder)


@in_loop
async def test_the_patch_is_applied_and_costs_are_told(machine: Machine, tmp_path: Path, library: Path) -> None:
    run = embedded(tmp_path / "runs")
    assert run.told() == {}
    patch = await run.solve(machine)
    assert patch.startswith(f"diff --git a/{MADE}")
    status = git(machine.folder, "status", "--porcelain", "--ignored").decode().splitlines()
    assert status == [f"?? {MADE}", "?? odd", "!! kept"]
    told = run.told()
    assert told["n_input_tokens"] > 0 and told["cost_usd"] == 0 and told["state"] == "predicted"
    assert told["model_usage"]["fake"]["n_input_tokens"] == told["n_input_tokens"]
    assert told["trajectory"]["schema_version"].startswith("ATIF-") and told["trajectory"]["trajectory_id"] == run.id
    assert sum("keeper.main('run'" in command for command in machine.ran) >= 2
    assert not library.exists() and not list(tmp_path.glob("codemonkeys-kept-*")), "nothing is left in the container"


@in_loop
async def test_a_container_that_fails_is_no_wrong_patch(machine: Machine, tmp_path: Path) -> None:
    machine.broken = True
    with pytest.raises(ExecutionFailed, match="the engine is gone"):
        await embedded(tmp_path / "runs").solve(machine)
    assert not (machine.folder / MADE).exists()


@in_loop
async def test_what_is_cancelled_applies_nothing_and_tells_its_costs(machine: Machine, tmp_path: Path) -> None:
    run = embedded(tmp_path / "runs")
    solving = asyncio.create_task(run.solve(machine))
    async with asyncio.timeout(120):
        await machine.begun.wait()
    solving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await solving
    assert not (machine.folder / MADE).exists() and run.told()["n_input_tokens"] > 0
    assert git(machine.folder, "status", "--porcelain") == b"?? odd\n"


def test_settings_are_given_as_on_the_command_line() -> None:
    assert configs_of(CONFIG) == ["generation.samples=2", "operation.executions=2"]
    assert configs_of(["a=1;b"]) == ["a=1;b"]
    with pytest.raises(BadSettings, match="nonsense"):
        load_settings(configs_of("nonsense=1"))
