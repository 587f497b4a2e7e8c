"""The virtual environment of mined tasks: moved, pinned, and without the repository's own code."""

from __future__ import annotations

import venv
from pathlib import Path

import pytest

from codemonkeys.mining.runtime import PATH_FILE, moved, names_of, runtime_of, site_packages
from codemonkeys.tasks.copying import VERSIONS, copy_generated
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes import local
from sandboxes.base import Environment, Reason, Script
from tests.repositories import make_repository


def install(site: Path, name: str, version: str, files: dict[str, str], direct: str = "") -> None:
    """Put a package into an environment as pip would leave it."""
    about = f"{name}-{version}.dist-info"
    files = {**files, f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    files |= {f"{about}/direct_url.json": direct} if direct else {}
    record = "".join(f"{path},,\n" for path in (*files, f"{about}/RECORD"))
    for path, text in {**files, f"{about}/RECORD": record}.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose package is installed as a copy that holds the fix, and a package that it needs."""
    files = {"src/shop/__init__.py": b"FIXED = False\n", "pyproject.toml": b'[project]\nname = "The.Shop"\n'}
    folder = make_repository(tmp_path / "clone", files)
    venv.EnvBuilder(symlinks=True).create(folder / ".venv")
    site = site_packages(folder / ".venv")
    assert site is not None
    entry_points = {"the_shop-2.0.dist-info/entry_points.txt": "[console_scripts]\nshop = shop:main\n"}
    install(site, "the_shop", "2.0", {"shop/__init__.py": "FIXED = True\n", **entry_points})
    install(site, "needed", "1.5", {"needed.py": "VALUE = 5\n"})
    (site / "other.pth").write_text(f"{folder}/lib\n{folder}-elsewhere\n")
    commit = "0" * 40
    given = f'{{"url": "https://user:canary@example.org/p.git", "vcs_info": {{"vcs": "git", "commit_id": "{commit}"}}}}'
    install(site, "fromgit", "3", {"fromgit.py": ""}, given)
    (folder / ".venv" / "bin" / "tool").write_text(f"#!{folder}/.venv/bin/python\nprint('tool')\n")
    (folder / ".venv" / "bin" / "tool").chmod(0o755)
    return folder


def test_packages_are_pinned_and_the_repositorys_own_is_not_one_of_them(repository: Path) -> None:
    with Snapshot.of_repository(repository) as snapshot:
        runtime = runtime_of(repository / ".venv", repository, snapshot)
        assert names_of(repository, snapshot) == {"the-shop"}
    assert runtime.requirements == f"fromgit @ git+https://example.org/p.git@{'0' * 40}\nneeded==1.5\n"
    assert runtime.installed[PATH_FILE] == "/testbed/src\n/testbed\n/testbed/lib\n"


def test_of_what_an_installation_generated_only_versions_are_taken_back_in_time(tmp_path: Path) -> None:
    """Compiled code and lists of files are of today, and would tell of the fix."""
    today = {"shop/a.py": "", "shop/_version.py": "1", "shop/fast.so": "fixed", "shop.egg-info/SOURCES.txt": "new.py"}
    for name, text in today.items():
        (tmp_path / "today" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "today" / name).write_text(text)
    (tmp_path / "before" / "shop").mkdir(parents=True)
    copy_generated(tmp_path / "today", tmp_path / "before", VERSIONS)
    copied = [path.name for path in (tmp_path / "before").rglob("*") if path.is_file()]
    assert copied == ["_version.py"]


@pytest.mark.slow
@pytest.mark.skipif(bool(local.unavailable()), reason="the local sandbox cannot be used here")
def test_the_moved_environment_has_no_code_of_the_repository_and_runs(repository: Path, tmp_path: Path) -> None:
    with Snapshot.of_repository(repository) as snapshot:
        runtime = runtime_of(repository / ".venv", repository, snapshot)
    copy = moved(runtime, repository, tmp_path / "home")
    site = site_packages(copy)
    assert site is not None and not (site / "shop" / "__init__.py").exists()
    assert (site / "other.pth").read_text() == f"/testbed/lib\n{repository}-elsewhere\n"
    assert (site_packages(repository / ".venv") or site).joinpath("shop/__init__.py").exists()  # the user's own
    program = (
        "import importlib.metadata as m, needed, shop; print(shop.FIXED, needed.VALUE, m.version('the_shop'), "
        "[e.value for e in m.entry_points(group='console_scripts')])"
    )
    folders = (("/testbed", repository), ("/opt/testbed", copy))
    environment = Environment("moved", folders=folders, variables=(("PATH", "/opt/testbed/bin:/usr/bin:/bin"),))
    sandbox = local.LocalSandbox()
    try:
        done = sandbox.run(environment, Script(f'tool; python -c "{program}"', "look.sh", ("bash",)))
    finally:
        sandbox.close()
    assert done.reason is Reason.EXITED
    assert done.output == "tool\nFalse 5 2.0 ['shop:main']\n"
