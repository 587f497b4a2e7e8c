"""Installs the user's own project beside its dependencies, in the sandbox: metadata, and what a build generates."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.redact import safe_terminal
from codemonkeys.system.programs import LAST_CHARACTERS, LAST_LINES
from codemonkeys.tasks.build_once import make_once
from sandboxes.base import Environment, Limits, Reason, Script
from sandboxes.local import LocalSandbox

PREFIX = "/opt/codemonkeys/package"
PROJECT = ("pyproject.toml", "setup.py", "setup.cfg")
LIMITS = Limits(seconds=900, memory_mb=8192, processes=1024, disk_mb=4096)
PACKAGES = "packages"
"""In the folder for what is built once: installed projects."""
FAILED = "failed.txt"
# In place, so that what the build generates, such as a compiled module, lies where the code looks for it. Some build
# tools need a package more for that than for an ordinary installation, which has at least the metadata.
INSTALL = """\
cd {folder} || exit
install() {{
    python -I -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \\
        --use-pep517 --prefix {prefix} "$@"
}}
install -e . 2>/tmp/in-place || install . || {{ cat /tmp/in-place; exit 1; }}
"""


def install_own(environment: Environment, tree: Path, scope: str, home: Path) -> Environment:
    """The environment with the project of its repository installed; as it was if there is none, or if that fails.

    `tree`: the copy of the commit, in which the build may generate files. `why_not_installed` says why it failed.
    Raises EnvironmentFailed if the sandbox fails.
    """
    folder = project_of(tree, scope)
    if folder is None:
        return environment
    made = home / PACKAGES / environment.name

    def install(making: Path) -> None:
        prefix = making / "prefix"
        prefix.mkdir()
        variables = tuple((name, value) for name, value in environment.variables if name != "PYTHONPATH")
        folders = (*environment.folders, (PREFIX, prefix))
        building = replace(environment, folders=folders, variables=(*variables, ("PBR_VERSION", "0.0.0")))
        where = shlex.quote(f"{environment.repository}/{folder}".rstrip("/"))
        script = Script(INSTALL.format(folder=where, prefix=PREFIX), "install.sh", ("sh",))
        sandbox = LocalSandbox()
        try:
            done = sandbox.build(building, script, LIMITS)
        finally:
            sandbox.close()
        if done.reason is Reason.SANDBOX_FAILED:
            raise EnvironmentFailed(f"{environment.repository}: its project could not be installed: {done.detail}")
        if done.exit_code != 0:
            (making / FAILED).write_text(done.output or done.reason.value, "utf-8", "replace")

    make_once(made, install)
    packages = next(made.glob("prefix/lib/python*/site-packages"), None)
    if packages is None:
        return environment
    inside = f"{PREFIX}/{packages.relative_to(made / 'prefix')}"
    variables = dict(environment.variables)
    variables["PYTHONPATH"] = ":".join(filter(None, (variables.get("PYTHONPATH"), inside)))
    folders = (*environment.folders, (PREFIX, made / "prefix"))
    return replace(environment, folders=folders, variables=tuple(variables.items()))


def project_of(tree: Path, scope: str) -> str | None:
    """The folder of the project that a scope lies in, relative to the root; None if nothing says how to install it."""
    for folder in dict.fromkeys((scope, "")):
        if any((tree / folder / name).is_file() for name in PROJECT) and _builds(tree / folder):
            return folder
    return None


def _builds(folder: Path) -> bool:
    """Whether files of a project say more than how to check or run it."""
    if (folder / "setup.py").is_file() or (folder / "setup.cfg").is_file():
        return True
    text = (folder / "pyproject.toml").read_text("utf-8", "replace")
    return "[build-system]" in text or "[project]" in text


def why_not_installed(environment: Environment, home: Path) -> str | None:
    """The end of what the installation of the repository's project said when it failed; None if it did not."""
    try:
        output = (home / PACKAGES / environment.name / FAILED).read_text("utf-8", "replace")
    except OSError:
        return None
    lines = [line.strip() for line in safe_terminal(output).splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:])[-LAST_CHARACTERS:] or "nothing"
