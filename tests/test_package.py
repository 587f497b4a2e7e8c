"""The wheel: whole, without what is not the product, and working from any folder in an empty environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.command import environment
from tests.demo.test_demo import prediction

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release would be."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def tracked(*folders: str) -> set[str]:
    """Files of the repository below some folders."""
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(listed.stdout.splitlines())


def test_wheel_holds_the_packages_and_the_prompts_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    prompts = {f"codemonkeys/{name}" for name in tracked("prompts")}
    assert names == tracked("codemonkeys", "sandboxes") | prompts


def install(python: Path, *arguments: str) -> None:
    """Install packages, as the Makefile does: by pip where only its configuration knows the package index."""
    if subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *arguments], check=False).returncode:
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
        # What is imported is compiled then: a small part of all that comes with it.
        subprocess.run([*pip, "install", "--no-compile", *arguments], check=True)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.xdist_group("demo")
def test_wheel_runs_the_demo_in_an_empty_environment_and_to_the_same_bytes(
    wheel: Path, tmp_path: Path, shared_home: Path, demo_run: Path
) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    install(python, "--require-hashes", "-r", str(ROOT / "requirements.lock"))
    install(python, "--no-deps", str(wheel))
    subprocess.run([UV, "pip", "check", "--python", python], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [python.with_name("codemonkeys"), "demo"],
        cwd=elsewhere,
        env=environment(shared_home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ": resolved. Spent: 0.00 USD" in done.stdout
    assert prediction(elsewhere / "runs", "demo") == prediction(demo_run / "runs", "demo")


@pytest.mark.xdist_group("alone")
def test_groups_of_tests_stay_together(request: pytest.FixtureRequest) -> None:
    """Some versions of pytest and its plugin send them anywhere, and say nothing: tests then trip over each other."""
    assert not getattr(request.config.option, "loadgroup", False) or request.node.nodeid.endswith("@alone")
