"""An environment for each kind of sandbox: a small repository and this Python."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes import Environment, conformance, rootfs
from sandboxes.cluster.driver import RaySandbox
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox
from tests.sandboxes.cluster import TwoNodes

BASE_IMAGE = "codemonkeys/python:3.11"
"""Built by tests/base_images.sh."""
TASK_IMAGE = "codemonkeys/pallets__flask-5014:latest"
"""Built by tests/images.py."""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The repository of the conformance suite and a virtual environment; nothing may change them."""
    place = tmp_path_factory.mktemp("environment")
    conformance.prepare_repository(place / "repository")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    return place / "repository", place / "venv"


@pytest.fixture(scope="session")
def local_environment(folders: tuple[Path, Path]) -> Environment:
    repository, venv = folders
    return Environment(
        "conformance",
        folders=(("/testbed", repository), ("/opt/testbed", venv)),
        variables=(("PATH", "/opt/testbed/bin:/usr/bin:/bin"),),
    )


@pytest.fixture(scope="session", params=[False, True], ids=["alone", "bubblewrap"])
def bubblewrap(request: pytest.FixtureRequest) -> bool:
    """Whether the local sandbox is to use bubblewrap: it must hold both ways."""
    if request.param and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    return bool(request.param)


@pytest.fixture(scope="session")
def local(bubblewrap: bool) -> Iterator[LocalSandbox]:
    sandbox = LocalSandbox(bubblewrap)
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def docker_environment(folders: tuple[Path, Path]) -> Iterator[Environment]:
    """An image with the same repository, made on the engine from the base image."""
    import docker

    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        recipe = f"FROM {BASE_IMAGE}\nCOPY --chown=root:root repository /testbed\n".encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe)
        archive.addfile(entry, io.BytesIO(recipe))
        archive.add(folders[0], "repository")
    context.seek(0)
    engine = docker.from_env()
    # The label keeps this image apart from one of equal content that another worker of the test run has and removes.
    label = {"codemonkeys.test": str(uuid.uuid4())}
    image, _ = engine.images.build(fileobj=context, custom_context=True, network_mode="none", rm=True, labels=label)
    yield Environment("conformance", image=str(image.id))
    for made in (*engine.images.list(filters={"label": f"codemonkeys.image={image.id}"}), image):
        engine.images.remove(str(made.id), force=True, noprune=made is not image)
    engine.close()


@pytest.fixture(scope="session")
def image_environment(folders: tuple[Path, Path], shared_home: Path) -> Environment:
    """The root file system of a task's image, with the conformance repository laid over it, for the local sandbox."""
    environment = rootfs.export_image(TASK_IMAGE, shared_home / "images")
    return replace(environment, name="conformance", folders=(("/testbed", folders[0]),))


@pytest.fixture(scope="session")
def docker_sandbox(docker_environment: Environment) -> Iterator[DockerSandbox]:
    """Closed before the image goes, which its waiting containers use."""
    sandbox = DockerSandbox("tests")
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def ray_sandbox(ray_cluster: TwoNodes) -> Iterator[RaySandbox]:
    """Its node gets a copy of environments, as one on another machine would."""
    sandbox = ray_cluster.open(share=False)
    yield sandbox
    sandbox.close()
