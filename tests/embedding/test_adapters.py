"""The adapters against the interfaces of Harbor 0.25 and inspect 0.3.285, as far as they are used.

Neither is installed here: Harbor needs Python 3.12. `harbor/run.sh` drives Harbor itself.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path, PurePosixPath
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from codemonkeys.embedding.solving import Embedded
from tests.embedding.machine import Machine, in_loop

TOLD: dict[str, Any] = {"n_input_tokens": 7, "n_cache_tokens": 1, "n_output_tokens": 2, "cost_usd": 0.5}


class BaseAgent:
    """What Harbor's does with the arguments that it is given."""

    def __init__(
        self,
        logs_dir: Path,
        model_name: str | None = None,
        logger: object = None,
        mcp_servers: object = None,
        skills_dir: object = None,
        *,
        extra_env: object = None,
        environment_logs_dir: PurePosixPath | None = None,
        **kwargs: Any,
    ) -> None:
        self.logs_dir, self.model_name, self.options = logs_dir, model_name, kwargs


class HarborEnvironment:
    """An environment of Harbor that is a folder of this machine."""

    environment_name = "a-task"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> SimpleNamespace:
        code, output = await self.machine.exec(["bash", "-c", command], timeout_sec or 60)
        return SimpleNamespace(stdout=output, stderr=None, return_code=code)

    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        Path(target_path).write_bytes(Path(source_path).read_bytes())

    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        Path(target_path).write_bytes(Path(source_path).read_bytes())


class InspectSandbox:
    """A sandbox of inspect that is a folder of this machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    async def exec(self, cmd: list[str], timeout: int | None = None, timeout_retry: bool = True) -> SimpleNamespace:
        assert not timeout_retry
        code, output = await self.machine.exec(cmd, timeout or 60)
        return SimpleNamespace(returncode=code, stdout=output, stderr="")

    async def write_file(self, file: str, contents: str | bytes) -> None:
        assert isinstance(contents, bytes)
        Path(file).write_bytes(contents)

    async def read_file(self, file: str, text: bool = True) -> bytes:
        assert not text
        return Path(file).read_bytes()


def install(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    """Let a module of another program be imported."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        path = ".".join(parts[:length])
        if path not in sys.modules:
            monkeypatch.setitem(sys.modules, path, ModuleType(path))
    vars(sys.modules[name]).update(content)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A folder, in which the run itself is left out: it writes a file and reads it back, by every way there is."""

    async def solve(self: Embedded, container: Any) -> str:
        await container.put(str(tmp_path / "given"), b"caf\xe9")
        code, output = await container.exec(["sh", "-c", 'cat given; echo "$0" >&2; exit 3', "it's"], 60)
        assert (code, output) == (3, "caf\ufffdit's\n")
        assert await container.get(str(tmp_path / "given")) == b"caf\xe9"
        return f"diff of {self._issue.text} at {self._issue.workdir}"

    monkeypatch.setattr(Embedded, "solve", solve)
    monkeypatch.setattr(
        Embedded,
        "told",
        lambda self: {**TOLD, "model_usage": {"fake": TOLD}, "state": "predicted", "trajectory": {"steps": []}},
    )
    return Machine(tmp_path)


@in_loop
async def test_harbor_is_told_tokens_costs_and_the_trajectory(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "harbor.agents.base", BaseAgent=BaseAgent)
    install(monkeypatch, "harbor.agents.capabilities", AgentCapabilities=SimpleNamespace)
    install(monkeypatch, "harbor.environments.base", BaseEnvironment=object)
    install(monkeypatch, "harbor.models.agent.context", AgentContext=object, ModelUsage=SimpleNamespace)
    monkeypatch.delitem(sys.modules, "codemonkeys.harbor", raising=False)
    module = importlib.import_module("codemonkeys.harbor")
    monkeypatch.delitem(sys.modules, "codemonkeys.harbor")  # what it is made of goes with the test
    agent = module.CodeMonkeys(
        logs_dir=tmp_path, model_name="fake", config="generation.samples=2", workdir="/app", extra_env={}
    )
    assert agent.name() == "codemonkeys" and agent.capabilities.atif and agent.version() and agent.options == {}
    context = SimpleNamespace()
    environment = HarborEnvironment(machine)
    await agent.setup(environment)
    await agent.run("The issue.", environment, context)
    assert vars(context) == {
        **TOLD,
        "model_usage": {"fake": SimpleNamespace(**TOLD)},
        "metadata": {"state": "predicted"},
    }
    assert json.loads((tmp_path / "trajectory.json").read_text()) == {"steps": []}


@in_loop
async def test_inspect_has_the_patch_in_output_and_store(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = SimpleNamespace(from_content=lambda model, content: (model, content))
    install(monkeypatch, "inspect_ai.model", ModelOutput=output)
    install(
        monkeypatch, "inspect_ai.solver", Generate=object, Solver=object, TaskState=object, solver=lambda made: made
    )
    install(monkeypatch, "inspect_ai.util", SandboxEnvironment=object, sandbox=lambda: InspectSandbox(machine))
    monkeypatch.delitem(sys.modules, "codemonkeys.inspect", raising=False)
    module = importlib.import_module("codemonkeys.inspect")
    monkeypatch.delitem(sys.modules, "codemonkeys.inspect")
    stored: dict[str, Any] = {}
    state = SimpleNamespace(
        uuid="x1", sample_id=3, input_text="The issue.", store=SimpleNamespace(set=stored.__setitem__)
    )
    solve = module.issue_solver("fake", workdir="/app", runs=str(tmp_path))
    assert await solve(state, None) is state
    assert (
        state.output
        == ("codemonkeys/fake", "diff of The issue. at /app")
        == ("codemonkeys/fake", stored["model_patch"])
    )
    assert stored["codemonkeys"]["cost_usd"] == 0.5 and stored["codemonkeys"]["run"] == f"{tmp_path}/x1"
    assert "trajectory" not in stored["codemonkeys"]
