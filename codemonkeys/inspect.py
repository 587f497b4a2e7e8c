"""A solver for inspect: `inspect eval TASK --solver codemonkeys/issue_solver`. Imports inspect when that is looked up.

Models are called by codemonkeys, and are not among what inspect counts; code runs in the sample's sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemonkeys.embedding.solving import Embedded, Issue, configs_of
from codemonkeys.settings import load_settings

if TYPE_CHECKING:
    from inspect_ai.solver import Generate, Solver, TaskState
    from inspect_ai.util import SandboxEnvironment

RUNS = "logs/codemonkeys"


class InspectContainer:
    """A sandbox of inspect as a container; see `AsyncContainer`."""

    def __init__(self, environment: SandboxEnvironment) -> None:
        self._environment = environment

    async def exec(self, words: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a command, once: it may have changed something when it fails."""
        done = await self._environment.exec(list(words), timeout=int(seconds) + 1, timeout_retry=False)
        return done.returncode, done.stdout + done.stderr

    async def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        await self._environment.write_file(path, content)

    async def get(self, path: str) -> bytes:
        """Read a file."""
        content: bytes = await self._environment.read_file(path, text=False)
        return content


@cache
def _solver() -> Any:
    """The solver, registered with inspect."""
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import solver
    from inspect_ai.util import sandbox

    def issue_solver(
        model: str,
        config: str | Sequence[str] = (),
        profile: str | None = None,
        workdir: str | None = None,
        runs: str = RUNS,
    ) -> Solver:
        """Solve the issue that the sample's input tells, and apply the patch in its sandbox, where scorers find it.

        `model`, `config`, `profile`: as on our command line, several configs separated by semicolons. `workdir`: folder
        of the repository, where commands begin elsewhere. `runs`: keeps a run for each sample. The patch is the output,
        and `model_patch` in the store; tokens, costs and the folder of the run are in the store as `codemonkeys`.
        """
        settings = load_settings(configs_of(config), profile=profile, model=model)

        async def solve(state: TaskState, generate: Generate) -> TaskState:
            folder = Path(runs) / state.uuid
            embedded = Embedded(Issue(str(state.sample_id), state.input_text, workdir), settings, folder)
            try:
                patch = await embedded.solve(InspectContainer(sandbox()))
            finally:
                told = embedded.told() | {"run": str(folder)}
                told.pop("trajectory", None)
                state.store.set("codemonkeys", told)
            state.store.set("model_patch", patch)
            state.output = ModelOutput.from_content(f"codemonkeys/{model}", patch)
            return state

        return solve

    return solver(issue_solver)


def __getattr__(name: str) -> Any:
    if name == "issue_solver":
        return _solver()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
