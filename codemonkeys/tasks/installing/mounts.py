"""How an environment that `codemonkeys env` made is shown to scripts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

INSIDE = "/opt/codemonkeys/installed"
"""Where scripts find what is of no place in the repository."""
CACHES = {
    "go": ("go", {"GOMODCACHE": "{place}", "GOPROXY": "off", "GOTOOLCHAIN": "local"}),
    "rust": ("cargo", {"CARGO_HOME": "{place}", "CARGO_NET_OFFLINE": "true"}),
    "java": ("m2", {"MAVEN_OPTS": "-Dmaven.repo.local={place}"}),
}
"""By kind: the folder in the environment, and variables by which its tool finds it."""


def kind_of(installed: Path) -> str:
    """The kind of an environment, by its folder."""
    return installed.name.partition("-")[0]


def venv_of(installed: Sequence[Path]) -> Path | None:
    """The virtual environment among environments, if any."""
    return next((folder / "venv" for folder in installed if kind_of(folder) == "python"), None)


def shown(
    installed: Sequence[Path], repository: str, own: Sequence[Path] = ()
) -> tuple[list[tuple[str, Path]], dict[str, str]]:
    """What to show of environments without a Python: (absolute path inside, folder outside), and variables.

    `repository`: its path inside. `own`: folders `node_modules` of the working tree, which take the place of others.
    """
    folders: list[tuple[str, Path]] = []
    variables: dict[str, str] = {}
    for environment in installed:
        kind = kind_of(environment)
        if kind in CACHES:
            name, names = CACHES[kind]
            place = f"{INSIDE}/{name}"
            folders.append((place, environment / name))
            variables |= {variable: value.replace("{place}", place) for variable, value in names.items()}
        elif kind == "node" and not own:
            folders += [(f"{repository}/{path}", environment / "modules" / path) for path in modules(environment)]
    return [(inside, outside) for inside, outside in folders if outside.is_dir()], variables


def modules(environment: Path) -> list[str]:
    """Paths of the folders `node_modules` that an environment has, relative to the repository."""
    root, found = environment / "modules", []
    for folder, names, _ in os.walk(root):
        if "node_modules" in names:
            found.append(Path(folder, "node_modules").relative_to(root).as_posix())
        names[:] = [name for name in names if name != "node_modules"]
    return sorted(found)
