"""Both sandboxes pass the one conformance suite."""

from __future__ import annotations

import pytest

from sandboxes import Environment, conformance
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox

every_check = pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)


@every_check
def test_local(check: conformance.Check, local: LocalSandbox, local_environment: Environment) -> None:
    check(local, local_environment)


@pytest.mark.docker
@every_check
def test_docker(check: conformance.Check, docker_sandbox: DockerSandbox, docker_environment: Environment) -> None:
    check(docker_sandbox, docker_environment)
