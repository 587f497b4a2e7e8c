"""Grades in containers of the tasks' own images, history and all, as the harnesses of other data sets do."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import Any, NamedTuple, Protocol

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.grading.layout import LOG, REPORT, eval_text, verdict_of
from codemonkeys.grading.sandboxed import LIMITS, Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.redact import redact
from codemonkeys.system.files import write_whole
from codemonkeys.system.programs import worker_threads
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.images import engine

LARGEST = 64 << 20
"""Maximum bytes of a file that is read from a container."""
SHELL = "/bin/bash"
AGAIN = 1.0
"""Seconds after which the containers of a grading that was interrupted are looked for again."""


class File(NamedTuple):
    """A file that a container gets."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class ContainerScript:
    """What runs in a container, and what is read from it afterwards."""

    command: tuple[str, ...]
    files: Mapping[str, File]
    """By absolute path."""
    results: tuple[str, ...]
    """Absolute paths of files."""
    seconds: float = LIMITS.seconds
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


class ContainerResult(NamedTuple):
    """How it ended."""

    limit: str
    """Which limit ended it: `timed out` or `out of memory`; empty if it ended by itself."""
    output: str
    results: Mapping[str, bytes]
    """The files that were there."""


class Way(Protocol):
    """How the tasks of a data set are graded."""

    @property
    def needs_image(self) -> bool:
        """Whether the tests need what copies of the image leave out: other commits, and untracked files."""
        ...

    def check(self, key: AnswerKey) -> None:
        """Raise BadInput for a task that cannot be graded, before anything runs."""
        ...

    def script(self, job: Job, seconds: float) -> ContainerScript:
        """What runs for one prediction; `seconds`: the limit where the data set names none."""
        ...

    def verdict(self, job: Job, done: ContainerResult) -> Verdict:
        """The verdict on what ran and ended; writes its files to the job's log folder.

        Raises EnvironmentFailed if what it needs besides cannot run.
        """
        ...


class Containers(Protocol):
    """Where the containers of gradings run."""

    def run(self, id: str, run: str, script: ContainerScript, isolated: bool) -> ContainerResult:
        """Run a script in a fresh container of a task's image, marked as one of a run; `isolated`: without network.

        Raises EnvironmentFailed and OSError if there is no image, or the engine fails.
        """
        ...

    def stop(self, run: str) -> None:
        """Remove the containers of a run, so that nobody waits for them."""
        ...


@dataclass(frozen=True)
class EngineContainers:
    """Containers of this machine's engine; `image` returns a task's image there, or raises EnvironmentFailed."""

    image: Callable[[str], str]

    def run(self, id: str, run: str, script: ContainerScript, isolated: bool) -> ContainerResult:
        """Run a script; see `Containers`."""
        with engine() as client:
            return run_in_container(client, self.image(id), run, script, isolated)

    def stop(self, run: str) -> None:
        """Remove the containers of a run."""
        from sandboxes.engine import LABEL, remove

        with contextlib.suppress(EnvironmentFailed, OSError), engine() as client:
            for found in client.api.containers(all=True, filters={"label": f"{LABEL}.run={run}"}):
                remove(client, found["Id"])


@dataclass(frozen=True)
class ContainerGrader:
    """Grades in containers, which have network access unless `isolated`. `ways`: by the `log_parser` of a key."""

    ways: Mapping[str, Way]
    containers: Containers
    isolated: bool = False
    seconds: float = LIMITS.seconds

    def check(self, key: AnswerKey) -> None:
        """Raise BadInput for a task that this grader cannot grade."""
        self.ways[key.log_parser].check(key)

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: object, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs, `workers` at a time; `on_verdict` is called with each verdict, from a worker thread."""
        stopped, run = Event(), f"evaluate-{run_id}-{uuid.uuid4().hex[:12]}"
        asked: list[Future[None]] = []

        def stop() -> None:
            stopped.set()
            while True:
                self.containers.stop(run)
                # One that just begins has no container yet, and one that is tried again gets another.
                if not (left := [done for done in asked if not done.done()]):
                    return
                wait(left, timeout=AGAIN)

        def grade(job: Job) -> None:
            verdict = self._grade_one(job, run)
            if not stopped.is_set():
                on_verdict(verdict)

        with worker_threads(workers, "grade", stop) as submit:
            for job in jobs:
                asked.append(submit(partial(grade, job)))
            for done in asked:
                done.result()

    def _grade_one(self, job: Job, run: str) -> Verdict:
        id, way = job.prediction.instance_id, self.ways[job.key.log_parser]

        def run_script() -> ContainerResult:
            return self.containers.run(id, run, way.script(job, self.seconds), self.isolated)

        return grade_with(way, job, run_script)


def grade_with(way: Way, job: Job, run: Callable[[], ContainerResult]) -> Verdict:
    """The verdict of a way on what `run` returns; if that or the way cannot tell, one of the infrastructure."""
    id = job.prediction.instance_id
    write_whole(job.log / "patch.diff", job.prediction.model_patch)
    write_whole(job.log / "eval.sh", eval_text(job.key))
    started = time.monotonic()
    try:
        done = run()
        write_whole(job.log / LOG, done.output)
        verdict = Verdict(id, Outcome.LIMIT_REACHED, done.limit) if done.limit else way.verdict(job, done)
    except (EnvironmentFailed, OSError) as error:
        write_whole(job.log / LOG, f"{redact(str(error))}\n")
        return Verdict(id, Outcome.INFRASTRUCTURE, redact(str(error)))
    return replace(verdict, seconds=time.monotonic() - started)


def report_tests(job: Job, passed: set[str], resolved: bool | None = None) -> Verdict:
    """Write the report in the form of swebench: resolved if all tests of both lists are among those that passed.

    `resolved`: where the data set decides otherwise.
    """
    lists = {"FAIL_TO_PASS": job.key.FAIL_TO_PASS, "PASS_TO_PASS": job.key.PASS_TO_PASS}
    status = {
        name: {"success": [t for t in tests if t in passed], "failure": [t for t in tests if t not in passed]}
        for name, tests in lists.items()
    }
    if resolved is None:
        resolved = not any(found["failure"] for found in status.values())
    applied = {"patch_is_None": False, "patch_exists": True, "patch_successfully_applied": True}
    report = {**applied, "resolved": resolved, "infra_failure": False, "tests_status": status}
    write_whole(job.log / REPORT, json.dumps({job.prediction.instance_id: report}, indent=4))
    return verdict_of(job.prediction.instance_id, report)


def run_in_container(client: Any, image: str, run: str, script: ContainerScript, isolated: bool) -> ContainerResult:
    """Run a script in a fresh container, which is removed at the end; `isolated`: without network.

    Raises EnvironmentFailed, DockerException and OSError if the engine fails.
    """
    with _container(client, image, run, script, isolated) as container:
        container.put_archive("/", _packed(script.files))
        container.start()
        if not _ends(container, script.seconds):
            return ContainerResult("timed out", _output(container), {})
        container.reload()
        limit = "out of memory" if container.attrs["State"].get("OOMKilled") else ""
        found = {path: content for path in script.results if (content := _read(container, path)) is not None}
        return ContainerResult(limit, _output(container), found)


def _ends(container: Any, seconds: float) -> bool:
    """Wait for a container to end; False if the engine says that it runs after so many seconds.

    docker-py raises the same errors when the time is over as when the connection is lost: these tell nothing of a
    script. Raises EnvironmentFailed, DockerException and OSError then.
    """
    from requests.exceptions import RequestException

    began = time.monotonic()
    try:
        container.wait(timeout=seconds)
    except RequestException as error:
        waited = time.monotonic() - began
        container.reload()
        if waited >= seconds and container.status == "running":
            return False
        raise EnvironmentFailed(
            f"the Docker engine was lost after {waited:.0f} s of a container, which it now calls {container.status}: "
            f"{redact(str(error))}"
        ) from error
    return True


@contextmanager
def _container(client: Any, image: str, run: str, script: ContainerScript, isolated: bool) -> Iterator[Any]:
    from sandboxes.engine import labels_of, remove

    container = client.containers.create(
        image,
        list(script.command[1:]),
        entrypoint=list(script.command[:1]),
        environment=dict(script.variables),
        labels=labels_of(run),
        mem_limit=f"{LIMITS.memory_mb}m",
        pids_limit=LIMITS.processes,
        network_mode="none" if isolated else None,
        user="root",
    )
    try:
        yield container
    finally:
        remove(client, container.id)


def _packed(files: Mapping[str, File]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, file in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


def _read(container: Any, path: str) -> bytes | None:
    """A file of a container; None if it is not there, or no file, or too large."""
    from docker.errors import NotFound

    try:
        chunks, about = container.get_archive(path)
    except NotFound:
        return None
    if about["size"] > LARGEST:
        chunks.close()
        return None
    packed = io.BytesIO(b"".join(chunks))
    with tarfile.open(fileobj=packed) as archive:
        entry = archive.next()
        held = archive.extractfile(entry) if entry is not None and entry.isreg() else None
        return None if held is None else held.read()


def _output(container: Any) -> str:
    return str(container.logs()[-LARGEST:].decode("utf-8", "replace"))
