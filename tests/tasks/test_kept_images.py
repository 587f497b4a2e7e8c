"""Images that were pulled go once their tasks have ended, unless they may stay or somebody uses them."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.grading.evaluation import HarnessGrader
from codemonkeys.grading.few_images import FewImagesGrader
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.runs.session import Options, RunRequest
from codemonkeys.runs.solve import request_of, solve
from codemonkeys.settings import load_settings
from codemonkeys.tasks import images, roots
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.kept_images import KeptImages
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.pulling import note_of_pull, note_pull
from sandboxes import Script
from sandboxes.docker import DockerSandbox
from tests.sandboxes.conftest import BASE_IMAGE
from tests.tiny_task import ID, make_task_repository

BUILT = "codemonkeys-test/kept:base"
LOOK = Script("cat greeting.py", "look.sh", ("sh",))


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[list[Task]]:
    """Three tasks, each with an image of its own name that counts as pulled."""
    yield from tagged(BASE_IMAGE, tmp_path)


@pytest.fixture
def runnable(tmp_path: Path) -> Iterator[list[Task]]:
    """The same, with a repository in their image."""
    recipe = f"""\
FROM {BASE_IMAGE}
RUN mkdir -p /testbed && cd /testbed && echo {uuid.uuid4()} > greeting.py && git init -q && git add -A && \
    git -c user.name=a -c user.email=a@b commit -q -m base
"""
    with images.engine() as client:
        images.build_image(client, BUILT, "kept", images.Context({images.DOCKERFILE: recipe.encode()}))
        yield from tagged(BUILT, tmp_path)
        if images.get(client, BUILT) is not None:
            client.images.remove(BUILT, force=True)


def tagged(image: str, home: Path) -> Iterator[list[Task]]:
    """Tasks in an image under three more names."""
    name = f"codemonkeys-test/kept-{uuid.uuid4().hex[:8]}"
    made = [Task(f"kept-{n}", "a/b", "HEAD", "The greeting is wrong.", image=f"{name}:{n}") for n in range(3)]
    with images.engine() as client:
        for number, task in enumerate(made):
            client.images.get(image).tag(name, str(number))
            note_pull(home, str(task.image), task.id)
        yield made
        for task in made:
            if images.get(client, str(task.image)) is not None:
                client.images.remove(task.image)


def there(tasks: list[Task]) -> list[bool]:
    """Whether the image of each task is on the engine."""
    with images.engine() as client:
        return [images.get(client, str(task.image)) is not None for task in tasks]


@pytest.mark.docker
def test_pulled_images_go_beyond_those_that_may_stay(tasks: list[Task], tmp_path: Path) -> None:
    told: list[str] = []
    with contextlib.closing(KeptImages(tasks, tmp_path, 1, tell=told.append)) as kept:
        for task in tasks:
            kept.begin(task)
            kept.end(task)
    assert there(tasks) == [False, False, True] and told == [], "the last one stays"
    assert not note_of_pull(tmp_path, str(tasks[0].image)).exists(), "another pull would be noted anew"

    for reason in ("all stay by default", "its owner had it before", "another task needs it"):
        others = [replace(tasks[2], id=f"{reason}-{number}") for number in range(2)]
        if reason == "its owner had it before":
            note_of_pull(tmp_path, str(tasks[2].image)).unlink()
        with contextlib.closing(KeptImages(others, tmp_path, None if "default" in reason else 0)) as kept:
            kept.begin(others[0])
            kept.end(others[0])
            if reason != "another task needs it":
                kept.end(others[1])
        assert there(tasks)[2], reason
        note_pull(tmp_path, str(tasks[2].image), tasks[2].id)


@pytest.mark.docker
def test_what_another_process_uses_stays(tasks: list[Task], tmp_path: Path) -> None:
    """The lock is one of the file, so two objects stand for two processes."""
    with (
        contextlib.closing(KeptImages(tasks, tmp_path, 0)) as ours,
        contextlib.closing(KeptImages(tasks, tmp_path, 0)) as theirs,
    ):
        for kept in (ours, theirs):
            kept.begin(tasks[0])
        ours.end(tasks[0])
        assert there(tasks)[0]
        theirs.end(tasks[0])
        assert not there(tasks)[0], "who ends last removes it"


@pytest.mark.docker
def test_containers_that_wait_and_copies_go_with_their_image(runnable: list[Task], tmp_path: Path) -> None:
    tasks, task, sandbox, told = runnable, runnable[0], DockerSandbox("kept", reuse=True), list[str]()
    try:
        workspace = prepare(task, tmp_path, "image")
        workspace.snapshot.close()
        prepare(task, tmp_path, "folders").snapshot.close()
        assert roots.copies(tmp_path) and sandbox.run(workspace.environment, LOOK).exit_code == 0
        sandbox.release(str(workspace.environment.image))
        assert sandbox.run(workspace.environment, LOOK).exit_code == 0, "what is ready is made anew"
        with contextlib.closing(KeptImages(tasks, tmp_path, 0, sandbox.release, told.append)) as kept:
            kept.begin(task)
            kept.end(task)
        assert not there(tasks)[0] and not roots.copies(tmp_path) and told == []
    finally:
        sandbox.close()


@pytest.mark.docker
def test_without_the_right_to_remove_it_is_told_and_nothing_fails(runnable: list[Task], tmp_path: Path) -> None:
    tasks, told = runnable, list[str]()
    with images.engine() as client:
        for other in (BUILT, *(str(task.image) for task in tasks[1:])):
            client.images.remove(other)  # its only name must be the one that is to go
        container = client.containers.create(tasks[0].image, ["true"])
        try:
            with contextlib.closing(KeptImages(tasks, tmp_path, 0, tell=told.append)) as kept:
                kept.begin(tasks[0])
                kept.end(tasks[0])
        finally:
            container.remove()
    assert there(tasks)[0] and f"the image {tasks[0].image} could not be removed" in told[0]


@pytest.mark.docker
@pytest.mark.slow
def test_a_run_removes_the_images_of_its_tasks(
    runnable: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path))
    settings = load_settings(
        model="fake",
        sandbox={"kind": "docker"},
        generation={"samples": 1, "edit_turns": 1},
        operation={"keep_images": 1, "tasks": 1},
    )
    request: RunRequest = request_of(runnable, settings, (), tmp_path / "runs", "kept")
    summary = asyncio.run(solve(request, Options(tmp_path / "runs", "kept")))
    assert len(summary.ended) == 3 and there(runnable).count(True) == 1


@pytest.mark.docker
def test_grading_has_few_images_at_a_time(tasks: list[Task], tmp_path: Path) -> None:
    key = load_answer_keys(make_task_repository(tmp_path / "tiny"), [ID])[ID]
    seen: list[int] = []

    class Grader(HarnessGrader):
        def grade(self, jobs, run_id, folder, workers, on_verdict):  # type: ignore[no-untyped-def]
            seen.append(there(tasks).count(True))
            for job in jobs:
                on_verdict(Verdict(job.prediction.instance_id, Outcome.RESOLVED))

    named = {task.id: task for task in tasks}
    jobs = [Job(Prediction(id, "m", "x"), key, tmp_path) for id in named]
    verdicts: list[Verdict] = []
    with contextlib.closing(KeptImages(tasks, tmp_path, 0)) as kept:
        grader = FewImagesGrader(Grader(lambda id: id), named, kept, at_once=2)
        grader.check(key)
        grader.grade(jobs, "x", tmp_path, 2, verdicts.append)
    assert [verdict.id for verdict in verdicts] == list(named) and seen == [3, 1] and there(tasks) == [False] * 3
