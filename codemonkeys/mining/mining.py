"""Mines: runs the tests of candidates in the local sandbox and writes those that hold as tasks."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.grading.sandboxed import LIMITS
from codemonkeys.grading.validation import validate
from codemonkeys.mining.candidates import Candidate, Mine, MineRequest, candidates, open_mine, task_id
from codemonkeys.mining.checking import Checker, Decision, Parser
from codemonkeys.mining.report import FAILED, LEFT_OUT, REPORT, TASK, TO_CHECK, Report, Settled
from codemonkeys.mining.runtime import make_environment, moved
from codemonkeys.mining.task_files import MinedTask, eval_script, write_index, write_task
from codemonkeys.system.files import scratch_folder
from codemonkeys.tasks.build_once import locked
from codemonkeys.tasks.commit_archive import pack_tree
from codemonkeys.tasks.copying import VERSIONS, copy_commit, copy_generated
from codemonkeys.tasks.environments import INPUTS, default_home, environment_of
from codemonkeys.tasks.sources import load_tasks
from sandboxes import local
from sandboxes.base import Environment, Sandbox, SandboxError

OnSettled = Callable[[Settled], None]


def plan(request: MineRequest, output: Path | None) -> tuple[Mine, list[Settled]]:
    """What would be checked, and what is left out already; nothing is run or written.

    `output`: the folder, if there is one, whose tasks are told as such. Raises BadInput, EnvironmentFailed.
    """
    mine = open_mine(request)
    known = Report(output).settled if output is not None and output.is_dir() else {}
    found: list[Settled] = []
    for candidate in candidates(mine, request):
        earlier = known.get(candidate.commit.hash, candidate.settled)
        checks = candidate.settled.outcome == TO_CHECK
        found.append(earlier if checks and earlier.outcome == TASK else candidate.settled)
        if request.limit is not None and sum(one.outcome != LEFT_OUT for one in found) == request.limit:
            break
    return mine, found


def mine_tasks(request: MineRequest, output: Path, on_settled: OnSettled = lambda _: None) -> list[Settled]:
    """Check the candidates and write the tasks; returns what became of each commit, newest first.

    What an earlier call settled with the same inputs is not run again. `on_settled` is called with each commit.
    Raises BadInput, EnvironmentFailed, SandboxError.
    """
    if why := local.unavailable():
        raise EnvironmentFailed(f"mining runs tests in the local sandbox, which cannot be used here: {why}")
    mine = open_mine(request)
    check_output(output)
    output.mkdir(parents=True, exist_ok=True)
    settled: list[Settled] = []
    sandbox = local.LocalSandbox()
    try:
        with locked(output / ".lock"):
            report = Report(output)
            write_index(output, mine.repo)
            (output / "tasks").mkdir(exist_ok=True)
            for found in _settle_all(mine, request, output, report, sandbox):
                report.add(found)
                settled.append(found)
                on_settled(found)
    finally:
        sandbox.close()
    return settled


def check_output(output: Path) -> None:
    """Raise BadInput for a folder that holds something else: nothing of it would be overwritten, but mixed with."""
    if output.exists() and not output.is_dir():
        raise BadInput(f"{output} is not a folder; name another one")
    if output.is_dir() and not (output / REPORT).exists() and any(p.name != ".lock" for p in output.iterdir()):
        if not _is_unfinished(output):
            raise BadInput(f"{output} is not empty and no folder of mined tasks, it has no {REPORT}; name another one")


def _is_unfinished(output: Path) -> bool:
    """Whether a call was stopped before its first commit."""
    return {path.name for path in output.iterdir()} <= {".lock", "sweb.yaml", "tasks"} and not any(
        (output / "tasks").glob("*")
    )


def _settle_all(mine: Mine, request: MineRequest, output: Path, report: Report, sandbox: Sandbox) -> Iterator[Settled]:
    made = 0
    parser: Parser | None = None
    for candidate in candidates(mine, request):
        if candidate.settled.outcome != TO_CHECK:
            yield candidate.settled
            continue
        if parser is None:
            parser = parser_of(mine.suite.parser)
        found = _settle(mine, request, candidate, output, report, sandbox, parser)
        yield found
        made += found.outcome == TASK
        if made == request.limit:
            return


def parser_of(name: str) -> Parser:
    """A parser of swebench; those of the suites read nothing but the log."""
    from swebench.harness.log_parsers import PARSER_REGISTRY

    parse = PARSER_REGISTRY[name]
    return lambda log: dict(parse(log, None))


def _settle(
    mine: Mine,
    request: MineRequest,
    candidate: Candidate,
    output: Path,
    report: Report,
    sandbox: Sandbox,
    parser: Parser,
) -> Settled:
    id = task_id(mine, candidate.commit)
    home = default_home()
    place, digest = output / "tasks" / id, _digest(mine, candidate, request)
    known = report.known(candidate.commit.hash, digest)
    if known is not None and (known.outcome != TASK or place.is_dir()):
        return known
    noted = replace(candidate.settled, inputs=digest)
    if place.exists():
        why = f"{place} is there already, of an earlier call; move it away to mine it again"
        return replace(candidate.settled, outcome=LEFT_OUT, reason=why)
    with scratch_folder() as scratch:
        try:
            inputs = _inputs(mine, candidate, scratch / "tree")
            task = _task(mine, candidate, id, inputs)
            make_environment(inputs, scratch / "tree", moved(mine.runtime, mine.repository, home), home)
            environment = _environment(task, scratch, home)
            limits = replace(LIMITS, seconds=request.seconds)
            checker = Checker(sandbox, environment, task.eval_script, parser, limits)
            decision = checker.check(task.patches.gold, request.runs)
            if not decision.why_not:
                write_task(_fresh(scratch / "made" / "tasks" / id), task, decision)
                decision = decision._replace(why_not=_doubts(scratch, id, environment, sandbox))
        except (EnvironmentFailed, SandboxError) as error:
            return replace(candidate.settled, outcome=FAILED, reason=str(error))
        if not decision.why_not:
            _publish(scratch / "made" / "tasks" / id, place, output / f".{id}.making")
    return _told(noted, id, decision)


def _told(noted: Settled, id: str, decision: Decision) -> Settled:
    if decision.why_not:
        return replace(noted, outcome=LEFT_OUT, reason=decision.why_not, flaky=decision.flaky)
    fixed, kept = len(decision.fail_to_pass), len(decision.pass_to_pass)
    return replace(noted, outcome=TASK, task=id, fail_to_pass=fixed, pass_to_pass=kept, flaky=decision.flaky)


def _inputs(mine: Mine, candidate: Candidate, tree: Path) -> dict[str, bytes]:
    """The files that the environment is built from; `tree` is filled with those of the commit before the fix."""
    tree.mkdir()
    copy_commit(mine.repository, candidate.commit.base, tree)
    shutil.rmtree(tree / ".git")
    if mine.runtime.venv is not None:
        # What is compiled, or lists files, is of today, and would tell of the fix.
        copy_generated(mine.repository, tree, VERSIONS)
    contents = (pack_tree(tree), mine.runtime.requirements.encode(), mine.runtime.install.encode())
    return dict(zip(INPUTS, contents, strict=True))


def _task(mine: Mine, candidate: Candidate, id: str, inputs: Mapping[str, bytes]) -> MinedTask:
    return MinedTask(
        id=id,
        repo=mine.repo,
        base_commit=candidate.commit.base,
        created_at=candidate.commit.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        language=mine.language,
        issue=candidate.issue,
        patches=candidate.patches,
        suite=mine.suite,
        inputs=inputs,
    )


def _digest(mine: Mine, candidate: Candidate, request: MineRequest) -> str:
    """Hash of all that decides what becomes of a commit."""
    script = eval_script(candidate.patches, mine.suite)
    runtime = (mine.runtime.requirements, mine.runtime.install)
    decides = (candidate.commit.base, candidate.patches.gold, candidate.issue, request.runs, request.seconds)
    return hashlib.sha256(repr((script, runtime, decides)).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _environment(task: MinedTask, scratch: Path, home: Path) -> Environment:
    """The environment as every other command prepares it, of the task's files."""
    write_task(_fresh(scratch / "staged" / "tasks" / task.id), task, Decision())
    return environment_of(load_tasks(str(scratch / "staged"), [task.id])[0], home, "folders")


def _doubts(scratch: Path, id: str, environment: Environment, sandbox: Sandbox) -> str:
    """What the grader of all tasks says against this one; empty if it agrees."""
    source = str(scratch / "made")
    tasks = {task.id: task for task in load_tasks(source, [id])}
    problems = validate(source, tasks, lambda _: environment, sandbox, scratch / "logs")[id]
    if any("could not be graded" in problem for problem in problems):
        raise EnvironmentFailed("; ".join(problems))
    return f"the grader does not agree: {'; '.join(problems)}" if problems else ""


def _fresh(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _publish(made: Path, place: Path, making: Path) -> None:
    """Put a task in its place, all of it or nothing."""
    if making.exists():  # left by a process that was killed
        shutil.rmtree(making)
    shutil.copytree(made, making)
    making.rename(place)
