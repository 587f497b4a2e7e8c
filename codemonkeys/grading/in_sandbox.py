"""Grades in a sandbox in the way of a data set: its files are written, its script runs, its results are read."""

from __future__ import annotations

import base64
import posixpath
import shlex
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

from codemonkeys.errors import BadRecord, EnvironmentFailed
from codemonkeys.grading.containers import ContainerResult, ContainerScript, Way, grade_with
from codemonkeys.grading.sandboxed import LIMITS, SANDBOX_ATTEMPTS, Job
from codemonkeys.grading.verdict import Verdict
from codemonkeys.system.programs import worker_threads
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.wording import option
from sandboxes.base import Environment, Limits, Reason, Sandbox, Script

STOPPED = (Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.OUTPUT_LIMIT)
OUTPUT = "output"


@dataclass(frozen=True)
class WaySandboxGrader:
    """Grades in a sandbox; `environment` returns that of a task, or raises EnvironmentFailed.

    `ways`: by the `log_parser` of a key. `whole`: as `environment`, with the history of the image and its untracked
    files; None where a sandbox cannot have these.
    """

    ways: Mapping[str, Way]
    environment: Callable[[str], Environment]
    sandbox: Sandbox
    whole: Callable[[str], Environment] | None = None
    limits: Limits = LIMITS

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a task whose tests need more of the image than the sandbox has."""
        check_in_sandbox(key, self.ways[key.log_parser], self.whole is not None)

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: object, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs, `workers` at a time; `on_verdict` is called with each verdict, from a worker thread."""
        stopped = Event()

        def grade(job: Job) -> None:
            way = self.ways[job.key.log_parser]
            verdict = grade_with(way, job, partial(self._run, way, job))
            if not stopped.is_set():  # what an interrupt kills has no verdict
                on_verdict(verdict)

        with worker_threads(workers, "grade", stopped.set, self.sandbox.close) as submit:
            for done in [submit(partial(grade, job)) for job in jobs]:
                done.result()

    def _run(self, way: Way, job: Job) -> ContainerResult:
        prepare = self.whole if way.needs_image and self.whole is not None else self.environment
        environment = prepare(job.prediction.instance_id)
        asked = way.script(job, self.limits.seconds)
        # As in a container, the script itself activates what it needs.
        variables = (*environment.variables, *asked.variables.items())
        environment = replace(environment, variables=variables, activate="")
        mark = uuid.uuid4().hex
        script = Script(shell_script(asked, mark), "grade.sh", ("bash",))
        for _ in range(SANDBOX_ATTEMPTS):
            done = self.sandbox.run(environment, script, limits=replace(self.limits, seconds=asked.seconds))
            if done.reason is not Reason.SANDBOX_FAILED:
                break
        if done.reason in STOPPED:
            return ContainerResult(str(done.reason), done.output, {})
        found = results_of(done.output, mark)
        if found is None:
            raise EnvironmentFailed(f"the script did not run to its end ({done.reason}): {done.detail or done.output}")
        return ContainerResult("", found.pop(OUTPUT, b"").decode("utf-8", "replace"), found)


def check_in_sandbox(key: AnswerKey, way: Way, whole: bool) -> None:
    """Raise BadRecord for a task that a way cannot grade in a sandbox. `whole`: whether it can have all of an image."""
    way.check(key)
    if way.needs_image and not whole:
        raise BadRecord(
            f"{key.instance_id}: its tests need the history of its image, or files beside its code, which a sandbox "
            f"leaves out; use {option('sandbox_of_grading', 'docker')}"
        )


def shell_script(asked: ContainerScript, mark: str) -> str:
    """A script of Bash that writes the files, runs the command, and prints what it and the files of results hold."""
    lines = []
    for path, file in asked.files.items():
        packed = base64.encodebytes(file.content).decode()
        name = shlex.quote(path)
        lines.append(f"mkdir -p {shlex.quote(posixpath.dirname(path))}")
        lines.append(f"base64 -d > {name} <<'END'\n{packed}END\nchmod {file.mode:o} {name}")
    lines += ["output=$(mktemp)", f'{shlex.join(asked.command)} > "$output" 2>&1']
    for path in asked.results:
        name = shlex.quote(path)
        lines.append(f"[ -f {name} ] && printf '%s\\n' {shlex.quote(f'{mark} {path}')} && base64 < {name}")
    lines += [f"printf '%s\\n' '{mark} {OUTPUT}'", 'base64 < "$output"', f"printf '%s\\n' '{mark} end'", ""]
    return "\n".join(lines)


def results_of(printed: str, mark: str) -> dict[str, bytes] | None:
    """What such a script printed, by name; None if it did not come to its end."""
    parts = printed.split(f"{mark} ")
    if len(parts) < 3 or parts[-1].strip() != "end":
        return None
    found = {}
    for part in parts[1:-1]:
        name, _, content = part.partition("\n")
        try:
            found[name] = base64.b64decode(content)
        except ValueError:
            return None
    return found
