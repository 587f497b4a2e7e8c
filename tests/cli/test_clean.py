"""`clean` removes what killed processes left behind, and nothing of live processes or other programs."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codemonkeys.tasks import images
from codemonkeys.tasks.build_once import locked
from sandboxes import cgroups
from sandboxes.base import Limits
from sandboxes.cluster.orphans import processes_of
from sandboxes.engine import labels_of
from sandboxes.processes import process_start
from tests.cli.command import Done, codemonkeys, environment

HOLD = """
import os, subprocess, sys, time
from pathlib import Path
from codemonkeys.system.files import scratch_folder
from codemonkeys.tasks.images import engine
from sandboxes import cgroups
from sandboxes.base import Limits
from sandboxes.engine import labels_of
from sandboxes.processes import process_start
group = cgroups.create(Limits(), 8, cgroups.parents())
names = [str(folder) for folder in group.folders] if group else []
if "docker" in sys.argv:
    with engine() as client:
        names.append(client.api.create_container("codemonkeys/python:3.11", ["true"], labels=labels_of("killed"))["Id"])
cluster = Path(os.environ["TMPDIR"], "cm-ray-killed")
cluster.mkdir()
(cluster / "owner").write_text(f"{os.getpid()} {process_start(os.getpid())}")
environment = {**os.environ, "RAY_TMPDIR": str(cluster / "r")}
subprocess.Popen(["sleep", "1000"], env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
with scratch_folder() as folder:
    print(*names, cluster, folder, flush=True)
    time.sleep(1000)
"""


def killed(home: Path, folder: Path, *more: str) -> list[str]:
    """The leftovers of a killed process that owned one resource of each kind."""
    command = [sys.executable, "-c", HOLD, *more]
    process = subprocess.Popen(
        command, env=environment(home, TMPDIR=str(folder)), stdout=subprocess.PIPE, text=True, cwd=folder
    )
    assert process.stdout is not None
    names = process.stdout.readline().split()
    process.kill()
    process.communicate()
    assert names
    return names


def test_only_leftovers_are_removed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    *groups, cluster, scratch = killed(home, tmp_path)
    assert processes_of(Path(cluster))
    foreign = [tmp_path / name for name in ("codemonkeys-scratch-x-1-abc", "cm-ray-mine", "cm-ray-other", "other")]
    for folder in (*foreign, home / "environments" / ".old.making", home / "environments" / ".new.making"):
        folder.mkdir(parents=True)
    (tmp_path / "cm-ray-mine" / "owner").write_text(f"{os.getpid()} {process_start(os.getpid())}")
    alive = cgroups.create(Limits(), 8, cgroups.parents())
    # As the owner in a container is seen that shares only the folder: its process id means nothing here.
    elsewhere = tmp_path / "codemonkeys-scratch-999999999-1-there"
    elsewhere.mkdir()
    held = os.open(elsewhere, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)

    def clean(*options: str) -> Done:
        nowhere = {"TMPDIR": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/nowhere.sock"}
        return codemonkeys("clean", *options, home=home, cwd=tmp_path, **nowhere)

    try:
        with locked(home / "environments" / ".new.lock"):
            told = json.loads(clean("--dry-run", "--json").out)
            names = {row["name"] for row in told}
            # A sandbox that another test opens removes control groups of the dead as well.
            there = {group for group in groups if Path(group).exists()}
            assert {*there, cluster, scratch, str(home / "environments" / ".old.making")} <= names
            assert Path(scratch).exists() and processes_of(Path(cluster))
            done = clean()
        assert done.code == 0 and "Containers were not checked" in done.err, done.err
        assert scratch in done.out and processes_of(Path(cluster)) == []
        gone = [*map(Path, (*groups, cluster, scratch)), home / "environments" / ".old.making"]
        assert not any(path.exists() for path in gone)
        assert all(folder.exists() for folder in (*foreign, home / "environments" / ".new.making"))
        assert alive is None or all(folder.exists() for folder in alive.folders)
        assert elsewhere.exists()
    finally:
        os.close(held)
        if alive:
            alive.remove()
    out = clean().out
    assert str(elsewhere) in out and not elsewhere.exists()
    assert scratch not in out and cluster not in out


def test_environments_that_were_sent_are_removed_when_asked(tmp_path: Path) -> None:
    """They are what runs to come would have to send again: a plain `clean` leaves them."""
    used, unused = (tmp_path / "home" / "sent" / name for name in ("used", "unused"))
    for folder in (used, unused):
        folder.mkdir(parents=True)
        (folder / ".codemonkeys-environment").write_text(f"env {folder.name}\n12.3")

    def clean(*options: str) -> Done:
        nowhere = {"TMPDIR": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/nowhere.sock"}
        return codemonkeys("clean", *options, home=tmp_path / "home", cwd=tmp_path, **nowhere)

    with (used / ".codemonkeys-environment").open() as about:
        fcntl.flock(about, fcntl.LOCK_SH)  # as the agent of a node does
        assert str(used) not in clean().out and unused.is_dir()
        told = json.loads(clean("--sent", "--dry-run", "--json").out)
        kept = {row["name"].partition(" (")[0]: row["kept"] for row in told if row["kind"] == "environment"}
        assert kept == {"env used": "a run uses it", "env unused": ""} and unused.is_dir()
        assert clean("--sent").code == 1 and used.is_dir() and not unused.exists()
    assert clean("--sent").code == 0 and not used.exists()


@pytest.mark.docker
def test_containers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    *_, container, cluster, _ = killed(tmp_path / "home", tmp_path, "docker")
    with images.engine() as client:
        image = "codemonkeys/python:3.11"
        ours = client.api.create_container(image, ["true"], labels=labels_of("alive"))["Id"]
        foreign = client.api.create_container(image, ["true"], labels={"of": "another"})["Id"]
        try:
            done = codemonkeys("clean", home=tmp_path / "home", cwd=tmp_path, TMPDIR=str(tmp_path))
            assert done.code == 0, done.err
            left = {found["Id"] for found in client.api.containers(all=True)}
            assert container not in left and {ours, foreign} <= left
            assert not processes_of(Path(cluster))
        finally:
            for id in (ours, foreign):
                client.api.remove_container(id, force=True)
