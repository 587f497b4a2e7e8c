"""Builds the container images that tests run in, those that are missing: `python -m tests.images`.

Needs a Docker engine (DOCKER_HOST), debootstrap and root for the base image, a package index for the wheels, and the
SWE-bench tasks in the folder that CODEMONKEYS_TEST_DATA names. Run it with Python 3.11, as the images have it: pip
chooses wheels for the Python that runs it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from codemonkeys.demo import INSTANCE_ID, build_task_repository

ROOT = Path(__file__).parent.parent
BASE = "codemonkeys/python:3.11"
TASKS = ("marshmallow-code__marshmallow-1359", "pallets__flask-5014", "pylint-dev__pylint-7993")
LABEL = "codemonkeys.test.content"


def image_of(task: str) -> str:
    """The image that a task's `task.yaml` names."""
    return f"codemonkeys/{task}:latest"


def build_images(data: Path) -> None:
    """Build the base image, the images of `TASKS` and the demo's; what is there with the same content stays."""
    subprocess.run(["sh", str(ROOT / "sandboxes" / "images" / "debian-python.sh"), BASE], check=True)
    for task in TASKS:
        build_task_image(data / "task_repo" / "tasks" / task, image_of(task))
    with tempfile.TemporaryDirectory() as home:
        build_task_image(build_task_repository(Path(home)) / "tasks" / INSTANCE_ID, image_of(INSTANCE_ID))


def build_task_image(folder: Path, image: str) -> None:
    """Build the image of one task folder: wheels are fetched out here, the build itself has no network."""
    inputs = [folder / name for name in ("Dockerfile", "repo.tar.gz", "requirements.txt", "install.sh")]
    base = _docker("image", "inspect", "--format", "{{.Id}}", BASE).stdout
    content = hashlib.sha256(base.encode() + b"".join(path.read_bytes() for path in inputs)).hexdigest()
    there = _docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', image, check=False)
    if there.stdout.strip() == content:
        print(f"{image} exists")
        return
    with tempfile.TemporaryDirectory() as context:
        for path in inputs:
            shutil.copyfile(path, Path(context, path.name))
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", f"{context}/wheels"]
        subprocess.run([*pip, "-r", f"{context}/requirements.txt"], check=True)
        arguments = ["--network", "none", "--build-arg", f"BASE={BASE}", "--label", f"{LABEL}={content}"]
        # The classic builder: it needs no other image than the base.
        done = _docker("build", *arguments, "--tag", image, context, check=False, DOCKER_BUILDKIT="0")
        if done.returncode:
            sys.exit(f"{image} could not be built:\n{done.stdout}\n{done.stderr}")
    print(f"{image} built")


def _docker(*arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], check=check, capture_output=True, text=True, env=os.environ | variables
    )


if __name__ == "__main__":
    build_images(Path(os.environ["CODEMONKEYS_TEST_DATA"]))
