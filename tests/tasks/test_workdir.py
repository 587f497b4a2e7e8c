"""Repositories that lie elsewhere than at /testbed: found in the image, read, and run in both sandboxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.tasks import images
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.sources import load_tasks
from sandboxes import Script
from sandboxes.base import EnvironmentKind, Sandbox
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox
from tests.sandboxes.conftest import BASE_IMAGE
from tests.tasks.harbor_tasks import harbor_task

DOCKERFILE = f"""\
FROM {BASE_IMAGE}
COPY anvil /srv/anvil
WORKDIR /srv/anvil
RUN git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -q -m base
"""
PATCH = "diff --git a/ring.txt b/ring.txt\n--- a/ring.txt\n+++ b/ring.txt\n@@ -1 +1 @@\n-dong\n+ding\n"
LOOK = Script("pwd; cat ring.txt; ./say.sh", "look.sh", ("sh",))


def dockerfile_task(folder: Path) -> Task:
    """A Harbor task with a Dockerfile and no word about where its repository lies."""
    environment = harbor_task(folder / "ringing", dockerfile=DOCKERFILE) / "environment"
    (environment / "anvil").mkdir()
    (environment / "anvil" / "ring.txt").write_text("dong\n")
    (environment / "anvil" / "say.sh").write_text("#!/bin/sh\necho said\n")
    (environment / "anvil" / "say.sh").chmod(0o755)
    (environment / "outside").symlink_to("/etc/hostname")
    (task,) = load_tasks(str(folder / "ringing"))
    return task


def test_a_build_context_is_whole_and_does_not_follow_links(tmp_path: Path) -> None:
    task = dockerfile_task(tmp_path)
    assert task.folder is not None
    context = images.read_context(task.folder)
    assert set(context.files) == {"Dockerfile", "anvil/ring.txt", "anvil/say.sh"}
    assert context.executable == {"anvil/say.sh"}


@pytest.fixture
def ringing(tmp_path: Path) -> Iterator[Task]:
    task = dockerfile_task(tmp_path)
    yield task
    with images.engine() as client:
        for made in images.images_of_ours(client, {task.id}):
            client.images.remove(made.id, force=True)


@pytest.mark.docker
def test_both_sandboxes_run_where_the_image_has_its_repository(ringing: Task, tmp_path: Path) -> None:
    sandboxes: list[tuple[EnvironmentKind, Sandbox]] = [
        ("image", DockerSandbox("workdir", ahead=0)),
        ("folders", LocalSandbox()),
    ]
    for kind, opened in sandboxes:
        try:
            workspace = prepare(ringing, tmp_path / "home", kind)
            with workspace.snapshot as snapshot:
                assert set(snapshot.entries) and snapshot.text("ring.txt") == "dong\n"
            assert workspace.environment.repository == "/srv/anvil"
            assert workspace.environment.name.endswith("-srv-anvil"), "another place is another environment"
            for patch, ring in ((None, "dong"), (PATCH, "ding")):
                done = opened.run(workspace.environment, LOOK, patch)
                assert done.output == f"/srv/anvil\n{ring}\nsaid\n", (kind, done)
        finally:
            opened.close()
    with images.engine() as client:
        image = images.ensure_image(ringing, tmp_path / "home")
        assert images.repository_of(client, replace(ringing, workdir="/named"), image) == "/named"
        bare = images.Context({images.DOCKERFILE: f"FROM {BASE_IMAGE}\nWORKDIR /tmp\n".encode()})
        elsewhere = images.build_image(client, "codemonkeys/elsewhere:test", ringing.id, bare)
        assert images.repository_of(client, ringing, elsewhere) == "/testbed", "no repository in its WORKDIR"
