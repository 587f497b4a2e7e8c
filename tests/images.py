"""Builds the container images that tests run in, those that are missing: `python -m tests.images`.

Needs a Docker engine (DOCKER_HOST), debootstrap and root for the base images, a package index for the wheels, and the
SWE-bench tasks in the folder that CODEMONKEYS_TEST_DATA names. Run it with Python 3.11, as the images have it: pip
chooses wheels for the Python that runs it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from codemonkeys.demo import INSTANCE_ID, build_task_repository
from codemonkeys.tasks import images, recipes
from codemonkeys.tasks.sources import load_tasks

ROOT = Path(__file__).parent.parent
BASE = "codemonkeys/python:3.11"
LANGUAGES = "codemonkeys/languages:12"
"""With Node.js, a C compiler, and a small package of each language."""
LANGUAGE_PACKAGES = "nodejs,tcc,libc6-dev,make,node-ms,uthash-dev"
TASKS = ("marshmallow-code__marshmallow-1359", "pallets__flask-5014", "pylint-dev__pylint-7993")


def image_of(task: str) -> str:
    """The image that a task's `task.yaml` names."""
    return f"codemonkeys/{task}:latest"


def build_images(data: Path) -> None:
    """Build the base images, the images of `TASKS` and the demo's; what is there with the same content stays."""
    bootstrap = ["sh", str(ROOT / "sandboxes" / "images" / "debian-python.sh")]
    subprocess.run([*bootstrap, BASE], check=True)
    subprocess.run([*bootstrap, LANGUAGES], check=True, env={**os.environ, "INCLUDE": LANGUAGE_PACKAGES})
    with tempfile.TemporaryDirectory() as home, images.engine() as client:
        demo = load_tasks(str(build_task_repository(Path(home))), [INSTANCE_ID])
        for task in (*load_tasks(str(data / "task_repo"), TASKS), *demo):
            print(f"{recipes.build(client, task, recipes.Recipe(base=BASE))} is there")


if __name__ == "__main__":
    build_images(Path(os.environ["CODEMONKEYS_TEST_DATA"]))
