"""The conformance suite on a node of a cluster that runs scripts in its Docker engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sandboxes import Environment, conformance
from sandboxes.cluster.connection import living
from sandboxes.cluster.driver import RaySandbox
from tests.sandboxes.cluster import TwoNodes, up, wait_for
from tests.sandboxes.test_conformance import every_check, every_session_check

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.xdist_group("ray")]


@pytest.fixture(scope="module")
def sandbox(ray_cluster: TwoNodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RaySandbox]:
    """On one node: the head of the cluster has no engine, and is not used."""
    with ray_cluster.joined(tmp_path_factory.mktemp("node"), 2):
        wait_for(lambda: len(living()) == 2)
        with closing(RaySandbox("tests", "docker", patience=60)) as sandbox:
            assert [node.cores for node in up(sandbox)] == [2]
            yield sandbox


@every_check
def test_ray_docker(check: conformance.Check, sandbox: RaySandbox, docker_environment: Environment) -> None:
    check(sandbox, docker_environment)


@every_session_check
def test_sessions_of_ray_docker(
    check: conformance.SessionCheck, sandbox: RaySandbox, docker_environment: Environment
) -> None:
    check(sandbox, docker_environment)
