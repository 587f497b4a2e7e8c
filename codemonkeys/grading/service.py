"""Grades the predictions of a file or of a run in an available sandbox, and records the verdicts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed, SandboxUnavailable
from codemonkeys.grading.containers import ContainerGrader, EngineContainers, Way
from codemonkeys.grading.evaluation import Grader, evaluate
from codemonkeys.grading.few_images import FewImagesGrader
from codemonkeys.grading.in_sandbox import WaySandboxGrader, check_in_sandbox
from codemonkeys.grading.official import HarnessGrader
from codemonkeys.grading.on_nodes import NodeContainers
from codemonkeys.grading.recall import Recall, recall_of
from codemonkeys.grading.sandboxed import LIMITS, SandboxGrader
from codemonkeys.grading.splitting import SplitGrader
from codemonkeys.grading.verdict import Verdict
from codemonkeys.grading.ways import check_parsers, own_ways
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.verdicts import GradedPatch, Grading, put_verdicts
from codemonkeys.settings import ClusterSettings
from codemonkeys.tasks.answer_key import AnswerKey, load_answer_keys
from codemonkeys.tasks.backends import AUTO, BACKENDS, check_address, choose_backend
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, environment_of
from codemonkeys.tasks.images import ensure_image
from codemonkeys.tasks.kept_images import KeptImages
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.preflight import check_gradable
from codemonkeys.tasks.roots import prepare_whole
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Backend, Environment, EnvironmentKind, ImageSandbox, Sandbox, SandboxError
from sandboxes.nodes import ClusterSandbox


@dataclass(frozen=True)
class GradingOptions:
    """How to grade predictions."""

    sandbox: str | None = None
    """As `sandbox.kind`; None: the first that works on this machine."""
    isolated: bool = False
    """On Docker, use our containers instead of the harness's, which have network access."""
    workers: int | None = None
    """Concurrent tasks; None: the number of processors, or as many as fit on the nodes of a cluster."""
    repeats: int = 1
    """Gradings per prediction; the majority counts."""
    again: bool = False
    """Also grade what earlier logs have a verdict for."""
    scripts: Path | None = None
    """The folder with scripts or parsers by which a data set is graded; None: the one that the rows lie in."""
    keep_images: int | None = None
    """Maximum number of images on disk of those that grading has to pull: as many tasks are graded at a time."""
    ray_address: str | None = None
    """As `operation.cluster.address`: where the nodes of the sandbox `ray` are."""


def quiet(verdict: Verdict) -> None:
    """Ignore a verdict."""


def grade_run(
    runs: Path,
    name: str,
    source: str | None,
    options: GradingOptions,
    output: Path | None = None,
    predictions: Mapping[str, Prediction] | None = None,
    on_verdict: Callable[[Verdict], None] = quiet,
) -> list[Verdict]:
    """Grade the predictions of a run and record the verdicts in its journal, where selection never reads them.

    `source`: of the tasks; by default that of the run. `output`: folder for logs; by default the run's. `predictions`:
    other patches for its tasks, graded instead. `on_verdict` is called with each verdict, possibly from another thread.
    Raises RunBusy, BadInput and its subclasses, SandboxUnavailable.
    """
    database = run_files.database_of(runs, name)
    run_files.RunLock(database.parent).release()  # Refuse a busy run before grading, not after it.
    with run_files.reading(database) as connection:
        source = source or str(queries.run_overview(connection)["source"])
        if predictions is None:
            predictions = {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}
    verdicts = grade_predictions(predictions, source, options, name, output or database.parent, on_verdict)
    put_verdicts(database, {v.id: _graded(v, predictions[v.id].model_patch) for v in verdicts})
    return verdicts


def context_recall(runs: Path, name: str, source: str | None) -> list[Recall]:
    """What the contexts of a run hold of the files that the reference patches edit, for the tasks that have one.

    `source`: of the tasks; by default that of the run. Raises BadInput and its subclasses.
    """
    with run_files.reading(run_files.database_of(runs, name)) as connection:
        run = queries.run_overview(connection)
        notes = queries.context_notes(connection)
    keys = load_answer_keys(source or str(run["source"]), list(notes))
    with_tests = bool(run["settings"].get("context", {}).get("tests", False))
    found = (recall_of(task, notes[task], key.patch, with_tests) for task, key in keys.items())
    return [recall for recall in found if recall is not None]


def _graded(verdict: Verdict, patch: str) -> GradedPatch:
    def grading(v: Verdict) -> Grading:
        return Grading(v.outcome, v.detail, v.tests, v.seconds)

    repeats = [grading(one) for one in verdict.repeats or (verdict,)]
    return GradedPatch(patch, grading(verdict), repeats, verdict.flags, verdict.unstable)


def grade_predictions(
    predictions: Mapping[str, Prediction],
    source: str,
    options: GradingOptions,
    run_id: str,
    output: Path,
    on_verdict: Callable[[Verdict], None] = quiet,
) -> list[Verdict]:
    """Grade predictions for tasks of a source; logs and a summary are written to `output`."""
    check_address(options.sandbox or AUTO, options.ray_address)
    if not predictions:
        return []
    tasks = {task.id: replace(task, hidden="") for task in load_tasks(source, list(predictions))}
    check_gradable(source, list(predictions))
    keys = load_answer_keys(source, list(predictions))
    ways = own_ways(source, options.scripts)
    own = {id: tasks[id] for id, key in keys.items() if key.log_parser in ways}
    for id in own:  # what is missing is said before an engine is looked for
        ways[keys[id].log_parser].check(keys[id])
    check_parsers({id: key for id, key in keys.items() if id not in own})
    with ExitStack() as opened:
        sandboxes = _Sandboxes(opened, f"evaluate-{run_id}", options.ray_address)
        usual = {id: task for id, task in tasks.items() if id not in own}
        graders: list[Grader] = []
        if own:
            graders.append(_way_grader(ways, own, keys, options, sandboxes))
        if usual:
            graders.append(_usual_grader(usual, options, sandboxes))
        grader: Grader = SplitGrader(ways, graders[0], graders[-1])
        if options.keep_images is not None:
            images = KeptImages(list(tasks.values()), default_home(), 0, sandboxes.release)
            opened.callback(images.close)
            grader = FewImagesGrader(grader, tasks, images, max(options.keep_images, 1))
        return evaluate(
            predictions,
            keys,
            grader,
            run_id=run_id,
            folder=output,
            workers=options.workers or sandboxes.at_a_time() or os.cpu_count() or 1,
            repeats=options.repeats,
            again=options.again,
            dataset=source,
            on_verdict=on_verdict,
        )


def open_sandbox(backend: Backend, name: str, ray_address: str | None) -> Sandbox:
    """Open a sandbox to grade in. Raises SandboxUnavailable."""
    try:
        return backend.open(name, **ClusterSettings(address=ray_address).options())
    except SandboxError as error:
        raise SandboxUnavailable(str(error)) from error


class _Sandboxes:
    """The sandboxes of a grading: each is opened once, and closed with it."""

    def __init__(self, opened: ExitStack, name: str, ray_address: str | None) -> None:
        self._opened, self._name, self._ray_address = opened, name, ray_address
        self._found: dict[str, Sandbox] = {}

    def open(self, name: str, backend: Backend) -> Sandbox:
        """The sandbox of a backend, by its name. Raises SandboxUnavailable."""
        if name not in self._found:
            sandbox = open_sandbox(backend, self._name, self._ray_address)
            self._found[name] = self._opened.enter_context(closing(sandbox))
        return self._found[name]

    def release(self, image: str) -> None:
        """Remove the containers that are kept in an image."""
        for sandbox in self._found.values():
            if isinstance(sandbox, ImageSandbox):
                sandbox.release(image)

    def at_a_time(self) -> int:
        """Tasks that may be graded at a time on the nodes of a cluster; 0 without one."""
        return max(map(tasks_at_a_time, self._found.values()), default=0)


def _way_grader(
    ways: Mapping[str, Way],
    tasks: Mapping[str, Task],
    keys: Mapping[str, AnswerKey],
    options: GradingOptions,
    sandboxes: _Sandboxes,
) -> Grader:
    """A grader in containers of the tasks' images, unless another sandbox is asked for or there is no engine."""
    home, kind = default_home(), options.sandbox or AUTO
    if kind == "docker" or (kind == AUTO and BACKENDS.get("docker").unavailable() is None):
        return ContainerGrader(ways, EngineContainers(lambda id: ensure_image(tasks[id], home)), options.isolated)
    name, backend = choose_backend(kind, list(tasks.values()), home)
    return way_grader_in(sandboxes.open(name, backend), backend.environment, ways, tasks, keys, options.isolated)


def way_grader_in(
    sandbox: Sandbox,
    kind: EnvironmentKind,
    ways: Mapping[str, Way],
    tasks: Mapping[str, Task],
    keys: Mapping[str, AnswerKey],
    isolated: bool = False,
) -> Grader:
    """A grader of tasks that are graded in ways of their own, in a sandbox.

    `kind`: of its environments; on nodes with container engines they are graded in containers of these. Raises
    BadRecord for a task that needs more of its image than the sandbox has.
    """
    home = default_home()

    def environment(id: str) -> Environment:
        return environment_of(tasks[id], home, kind)

    if isinstance(sandbox, ClusterSandbox) and kind == "image":
        return ContainerGrader(ways, NodeContainers(environment, sandbox), isolated)
    whole = partial(_whole, tasks, home) if kind == "folders" else None
    for id in tasks:
        check_in_sandbox(keys[id], ways[keys[id].log_parser], whole is not None)
    return WaySandboxGrader(ways, environment, sandbox, whole)


def way_grader_on_nodes(
    sandbox: Sandbox, kind: EnvironmentKind, tasks: Mapping[str, Task]
) -> Callable[[Mapping[str, Way], Mapping[str, AnswerKey]], Grader] | None:
    """What makes a grader of those tasks that are graded in ways of their own on a cluster; None if it is none."""
    if not isinstance(sandbox, ClusterSandbox):
        return None

    def grader(ways: Mapping[str, Way], keys: Mapping[str, AnswerKey]) -> Grader:
        own = {id: tasks[id] for id, key in keys.items() if key.log_parser in ways}
        return way_grader_in(sandbox, kind, ways, own, keys)

    return grader


def tasks_at_a_time(sandbox: Sandbox) -> int:
    """Tasks whose hidden tests fit on the nodes of a cluster at a time; 0 if it is none."""
    if not isinstance(sandbox, ClusterSandbox):
        return 0
    there = sandbox.capacity()
    return max(1, min(there.executions, there.memory_mb // LIMITS.memory_mb))


def _whole(tasks: Mapping[str, Task], home: Path, id: str) -> Environment:
    try:
        return prepare_whole(tasks[id], home)
    except SandboxError as error:
        raise EnvironmentFailed(f"{id}: {error}") from error


def _usual_grader(tasks: Mapping[str, Task], options: GradingOptions, sandboxes: _Sandboxes) -> Grader:
    """The official harness if the sandbox is `docker` and isolation was not requested; else the sandbox."""
    home = default_home()
    name, backend = choose_backend(options.sandbox or AUTO, list(tasks.values()), home)
    if name == "docker" and not options.isolated:
        return HarnessGrader(lambda id: ensure_image(tasks[id], home))
    return SandboxGrader(lambda id: environment_of(tasks[id], home, backend.environment), sandboxes.open(name, backend))
