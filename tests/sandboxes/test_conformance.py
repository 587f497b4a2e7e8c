"""Every sandbox passes the one conformance suite."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandboxes import Environment, Execution, Limits, Reason, Sandbox, Script, conformance
from sandboxes.cluster.driver import RaySandbox
from sandboxes.conformance.__main__ import main
from sandboxes.docker import DockerSandbox
from sandboxes.local import LocalSandbox

pytestmark = pytest.mark.slow

# It reads every file that a sandbox shows.
SLOW = ("no_key_is_found",)
CHECKS = [
    pytest.param(check, id=check.__name__, marks=[pytest.mark.slow] * (check.__name__ in SLOW))
    for check in conformance.CHECKS
]
SESSION_CHECKS = [pytest.param(check, id=check.__name__) for check in conformance.SESSION_CHECKS]
every_session_check = pytest.mark.parametrize("check", SESSION_CHECKS)
every_check = pytest.mark.parametrize("check", CHECKS)


@every_check
def test_local(check: conformance.Check, local: LocalSandbox, local_environment: Environment) -> None:
    check(local, local_environment)


@every_session_check
def test_sessions_of_local(
    check: conformance.SessionCheck, local: LocalSandbox, local_environment: Environment
) -> None:
    check(local, local_environment)


@pytest.mark.docker
@every_check
def test_local_on_an_image(check: conformance.Check, image_environment: Environment) -> None:
    sandbox = LocalSandbox(bubblewrap=False)
    check(sandbox, image_environment)
    sandbox.close()


@pytest.mark.docker
@every_check
def test_docker(check: conformance.Check, docker_sandbox: DockerSandbox, docker_environment: Environment) -> None:
    check(docker_sandbox, docker_environment)


@pytest.mark.docker
@every_session_check
def test_sessions_of_docker(
    check: conformance.SessionCheck, docker_sandbox: DockerSandbox, docker_environment: Environment
) -> None:
    check(docker_sandbox, docker_environment)


@pytest.mark.xdist_group("ray")
@every_check
def test_ray(check: conformance.Check, ray_sandbox: RaySandbox, local_environment: Environment) -> None:
    check(ray_sandbox, local_environment)


@pytest.mark.xdist_group("ray")
@every_session_check
def test_sessions_of_ray(
    check: conformance.SessionCheck, ray_sandbox: RaySandbox, local_environment: Environment
) -> None:
    check(ray_sandbox, local_environment)


def local_on_this_machine(repository: Path) -> tuple[Sandbox, Environment]:
    """A factory as a third party would write it."""
    place = repository.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    folders = (("/testbed", repository), ("/opt/testbed", place))
    path = "/opt/testbed/bin:/usr/bin:/bin"
    return LocalSandbox(), Environment("mine", folders=folders, variables=(("PATH", path),))


class Bare:
    """No sandbox at all: what a toy would be."""

    name = "bare"

    def ensure(self, environment: Environment) -> None:
        """There is nothing to see to."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        text = script.text.encode(errors="surrogateescape")
        with tempfile.NamedTemporaryFile(suffix=".py") as file:
            file.write(text)
            file.flush()
            command = [sys.executable, file.name] if script.command == ("python",) else [*script.command, file.name]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=environment.repository)
        return Execution(Reason.EXITED, done.returncode & 255, None, done.stdout.decode(errors="replace"))

    def close(self) -> None:
        """There is nothing to end."""


def bare(repository: Path) -> tuple[Sandbox, Environment]:
    return Bare(), Environment("mine", repository=str(repository))


def test_the_suite_runs_against_a_backend_of_someone_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{__name__}:local_on_this_machine", "-k", "exit"]) == 0
    told = capsys.readouterr().out
    assert "exit_codes_are_faithful" in told and "FAILS" not in told
    assert told.splitlines()[-1] == "3 of 3 checks hold"


@pytest.mark.parametrize("word", ["network", "host_is_hidden", "nothing_survives", "out_of_reach", "signals"])
def test_the_suite_finds_a_toy_out(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{__name__}:bare", "-k", word]) == 1
    assert "FAILS" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["no.such.module:factory", f"{__name__}:nobody", f"{__name__}:every_check", "json"])
def test_what_is_no_factory_is_said(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert f"{name} is not a factory" in capsys.readouterr().err
