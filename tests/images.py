"""Builds the container images that tests run in, those that are missing: `python -m tests.images`.

Needs a Docker engine (DOCKER_HOST), debootstrap and root for the base images, a package index for the wheels, and the
SWE-bench tasks in the folder that CODEMONKEYS_TEST_DATA names. Run it with Python 3.11, as the images have it: pip
chooses wheels for the Python that runs it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codemonkeys.demo import INSTANCE_ID, build_task_repository
from codemonkeys.tasks import images, recipes
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import load_tasks

BASE_IMAGES = Path(__file__).with_name("base_images.sh")
"""Builds `BASE` and `LANGUAGES`."""
BASE = "codemonkeys/python:3.11"
LANGUAGES = "codemonkeys/languages:12"
TASKS = ("marshmallow-code__marshmallow-1359", "pallets__flask-5014", "pylint-dev__pylint-7993")


def image_of(task: str) -> str:
    """The image that a task's `task.yaml` names."""
    return f"codemonkeys/{task}:latest"


def build_images(data: Path) -> None:
    """Build the base images, the images of `TASKS` and the demo's; what is there with the same content stays."""
    subprocess.run(["sh", BASE_IMAGES], check=True)
    with tempfile.TemporaryDirectory() as home, ThreadPoolExecutor() as at_once:
        demo = load_tasks(str(build_task_repository(Path(home))), [INSTANCE_ID])
        for name in at_once.map(build, (*load_tasks(str(data / "task_repo"), TASKS), *demo)):
            print(f"{name} is there")


def build(task: Task) -> str:
    """Build the image of a task; returns its name."""
    with images.engine() as client:
        return recipes.build(client, task, recipes.Recipe(base=BASE))


if __name__ == "__main__":
    build_images(Path(os.environ["CODEMONKEYS_TEST_DATA"]))
