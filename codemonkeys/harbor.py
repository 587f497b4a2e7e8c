"""An agent for Harbor: `harbor run --agent codemonkeys.harbor:CodeMonkeys`. Harbor is imported when that is looked up.

Models are called by Harbor's own process, so no key enters a container; code runs in the task's container.
"""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemonkeys import __version__
from codemonkeys.embedding.solving import Embedded, Issue, configs_of
from codemonkeys.settings import load_settings
from codemonkeys.system.files import write_whole

if TYPE_CHECKING:
    from harbor.environments.base import BaseEnvironment
    from harbor.models.agent.context import AgentContext


class HarborContainer:
    """A task's environment of Harbor as a container; see `AsyncContainer`."""

    def __init__(self, environment: BaseEnvironment) -> None:
        self._environment = environment

    async def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a command."""
        done = await self._environment.exec(shlex.join(words), timeout_sec=int(seconds) + 1)
        return done.return_code, (done.stdout or "") + (done.stderr or "")

    async def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        with tempfile.NamedTemporaryFile(prefix="codemonkeys-") as file:
            file.write(content)
            file.flush()
            Path(file.name).chmod(0o644)
            await self._environment.upload_file(file.name, path)

    async def get(self, path: str) -> bytes:
        """Read a file."""
        with tempfile.TemporaryDirectory(prefix="codemonkeys-") as folder:
            target = Path(folder, "file")
            await self._environment.download_file(path, target)
            return target.read_bytes()


def tell(told: dict[str, Any], context: AgentContext, logs: Path) -> None:
    """Tell Harbor the tokens and costs of a run, and store its trajectory where Harbor looks for it."""
    from harbor.models.agent.context import ModelUsage

    if not told:
        return
    write_whole(logs / "trajectory.json", json.dumps(told.pop("trajectory"), indent=1) + "\n")
    context.metadata = {"state": told.pop("state")}
    context.model_usage = {model: ModelUsage(**used) for model, used in told.pop("model_usage").items()}
    for name, value in told.items():
        setattr(context, name, value)


@cache
def _agent() -> type:
    """The agent's class, whose base is Harbor's."""
    from harbor.agents.base import BaseAgent
    from harbor.agents.capabilities import AgentCapabilities

    class CodeMonkeys(BaseAgent):
        """Several candidates for each task, tested against each other; one is applied in the task's container."""

        capabilities = AgentCapabilities(atif=True)

        def __init__(
            self,
            logs_dir: Path,
            model_name: str | None = None,
            *arguments: Any,
            config: str | Sequence[str] = (),
            profile: str | None = None,
            workdir: str | None = None,
            **more: Any,
        ) -> None:
            """`config`: as `-c`, several separated by semicolons. `profile`: as `--profile`. `workdir`: folder of the
            repository, where commands of the container begin elsewhere. Raises BadSettings."""
            super().__init__(logs_dir, model_name, *arguments, **more)
            self._settings = load_settings(configs_of(config), profile=profile, model=model_name)
            self._workdir = workdir

        @staticmethod
        def name() -> str:
            """The name of the agent."""
            return "codemonkeys"

        def version(self) -> str:
            """The version of the agent."""
            return __version__

        async def setup(self, environment: BaseEnvironment) -> None:
            """Install nothing: what runs in the container is a small program, which `run` puts there."""

        async def run(self, instruction: str, environment: BaseEnvironment, context: AgentContext) -> None:
            """Solve the task and apply the patch; the context gets tokens and costs, also if Harbor ends it early."""
            issue = Issue(environment.environment_name, instruction, self._workdir)
            embedded = Embedded(issue, self._settings, self.logs_dir)
            try:
                await embedded.solve(HarborContainer(environment))
            finally:
                tell(embedded.told(), context, self.logs_dir)

    CodeMonkeys.__qualname__ = CodeMonkeys.__name__
    return CodeMonkeys


def __getattr__(name: str) -> Any:
    if name == "CodeMonkeys":
        return _agent()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
