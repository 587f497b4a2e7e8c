"""The environment in which mined tasks run: a copy of the virtual environment that the repository has, moved.

In the local sandbox the copy stands in for what a task's files would build, so that nothing has to be downloaded. The
files, `requirements.txt` and `install.sh`, make the same of a package index on any other machine.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import re
import shlex
import shutil
import sys
import tomllib
import venv as environments
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

from codemonkeys.tasks.build_once import make_once
from codemonkeys.tasks.environments import environment_folder
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot

AT, REPOSITORY = "/opt/testbed", "/testbed"
"""Where scripts see the virtual environment and the repository."""
PATH_FILE = "codemonkeys_testbed.pth"
NO_PACKAGES = "[metadata]\n"
_TEXT_FILES = ("*.pth", "__editable__*.py", "*.egg-link", "pyvenv.cfg")


@dataclass(frozen=True)
class Runtime:
    """What tasks of a repository run with."""

    venv: Path | None = None
    """The virtual environment as the user has it; None for a Python without packages."""
    requirements: str = ""
    """All packages in it but the repository's own, pinned."""
    installed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Files in `site-packages` by which the repository's own package is known, by name."""
    own: tuple[str, ...] = ()
    """Files of the repository's own package in the user's environment, relative to `site-packages`."""

    @property
    def install(self) -> str:
        """A shell script that installs the repository in place, without building it."""
        lines = ["set -e", """site=$(python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"""]
        for name, text in self.installed.items():
            place = f'"$site"/{shlex.quote(name)}'
            lines += [f'mkdir -p "$(dirname {place})"', f"printf '%s' {shlex.quote(text)} > {place}"]
        return "\n".join(lines) + "\n"


def runtime_of(venv: Path | None, repository: Path, snapshot: Snapshot) -> Runtime:
    """The runtime of a repository; `venv`: its virtual environment, of which nothing is executed."""
    places = [f"{REPOSITORY}/src", REPOSITORY]
    site = site_packages(venv) if venv is not None else None
    if venv is None or site is None:
        return Runtime(None, "", {PATH_FILE: "".join(f"{place}\n" for place in places)})
    names, pins, own = names_of(repository, snapshot), list[str](), list[str]()
    installed = {PATH_FILE: "".join(f"{place}\n" for place in dict.fromkeys((*places, *_linked(site, repository))))}
    for found in distributions(path=[str(site)]):
        name, direct = str(found.metadata["Name"] or ""), _direct(found)
        if normalised(name) in names or direct.get("url") == repository.as_uri():
            # What an installation in place leaves is no code, and may name folders that are searched.
            own += [str(file) for file in found.files or () if not re.match(r".*\.pth$|__editable__", str(file))]
            folder = f"{re.sub('[-_.]+', '_', name)}-{found.version}.dist-info"
            installed[f"{folder}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {found.version}\n"
            if entry_points := found.read_text("entry_points.txt"):
                installed[f"{folder}/entry_points.txt"] = entry_points
        elif name and normalised(name) != "pip":
            pins.append(pin_of(name, found.version, direct))
    return Runtime(venv, "".join(f"{pin}\n" for pin in sorted(set(pins), key=str.lower)), installed, tuple(own))


def site_packages(venv: Path) -> Path | None:
    """The folder with a virtual environment's packages."""
    return next(iter(sorted(venv.glob("lib/python*/site-packages"))), None)


def normalised(name: str) -> str:
    """A name of a package as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(repository: Path, snapshot: Snapshot) -> set[str]:
    """Names that the repository's own package may have, by its files."""

    def text(path: str) -> str:
        return (snapshot.text(path) or "") if path in snapshot else ""

    names = set(re.findall(r"""\bname\s*=\s*["']([\w.-]+)["']""", text("setup.py")))
    try:
        project = tomllib.loads(text("pyproject.toml"))
        for table in (project.get("project"), (project.get("tool") or {}).get("poetry")):
            names |= {str(table["name"])} if isinstance(table, dict) and "name" in table else set()
        config = configparser.ConfigParser(interpolation=None)
        config.read_string(text("setup.cfg") or NO_PACKAGES)
        names |= {config.get("metadata", "name", fallback="")}
    except (tomllib.TOMLDecodeError, configparser.Error, AttributeError, RecursionError):
        pass  # what cannot be read names nothing
    return {normalised(name) for name in names if name} or {normalised(repository.name)}


def _linked(site: Path, repository: Path) -> Iterator[str]:
    """Folders of the repository that files of paths add, as scripts see them."""
    for file in sorted(site.glob("*.pth")):
        for line in file.read_text("utf-8", "replace").splitlines():
            if line.startswith("/") and Path(line.strip()).is_relative_to(repository):
                yield f"{REPOSITORY}/{Path(line.strip()).relative_to(repository)}".removesuffix("/.")


def _direct(found: Distribution) -> dict[str, object]:
    """Where a package was installed from, if not from an index."""
    try:
        told = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def pin_of(name: str, version: str, direct: Mapping[str, object]) -> str:
    """A line of a requirements file that installs exactly this."""
    source = direct.get("vcs_info")
    if isinstance(source, dict) and source.get("vcs") == "git" and source.get("commit_id"):
        address = re.sub("//[^/@]*@", "//", str(direct.get("url")))  # without credentials: tasks are shared
        return f"{name} @ git+{address}@{source['commit_id']}"
    return f"{name}=={version}"


def moved(runtime: Runtime, repository: Path, home: Path) -> Path:
    """The virtual environment as scripts see it: a copy without the repository's own package. Made once.

    What is left of that is its name and version; its code comes from the repository.
    """
    settings = (runtime.venv / "pyvenv.cfg").read_text("utf-8", "replace") if runtime.venv else sys.version
    content = repr((str(runtime.venv), settings, runtime.requirements, runtime.install, runtime.own, str(repository)))
    folder = home / "mined" / hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def fill(making: Path) -> None:
        copy = making / "venv"
        if runtime.venv is None:
            environments.EnvBuilder(symlinks=True, with_pip=False).create(copy)
        else:
            shutil.copytree(runtime.venv, copy, symlinks=True)
        site = site_packages(copy)
        assert site is not None
        for name in runtime.own:
            path = site / name
            if path.is_relative_to(site) and ".." not in path.parts and (path.is_symlink() or path.is_file()):
                path.unlink()
        before = {str(repository): REPOSITORY, str(runtime.venv or copy): AT}
        for path in sorted(texts_of(copy, site), key=str):
            rewrite(path, before)
        for name, text in runtime.installed.items():
            (site / name).parent.mkdir(exist_ok=True)
            (site / name).write_text(text, "utf-8")

    make_once(folder, fill)
    return folder / "venv"


def texts_of(venv: Path, site: Path) -> Iterator[Path]:
    """Files of a virtual environment that name its own place, or that of the repository."""
    found = [path for pattern in _TEXT_FILES for path in (*site.glob(pattern), *venv.glob(pattern))]
    yield from (path for path in [*found, *(venv / "bin").iterdir()] if path.is_file() and not path.is_symlink())


def rewrite(path: Path, places: Mapping[str, str]) -> None:
    """Replace folders in a text file; the longest first, as one may lie in the other."""
    try:
        text = before = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return  # a program
    for old, new in sorted(places.items(), key=lambda place: -len(place[0])):
        text = re.sub(rf"{re.escape(old)}(?![\w.-])", new.replace("\\", r"\\"), text)
    if text != before:
        path.write_text(text, "utf-8")


def make_environment(inputs: Mapping[str, bytes], tree: Path, venv: Path, home: Path) -> Path:
    """Make what the local sandbox would build from a task's files, of a tree with its files and the moved venv.

    Returns its folder.
    """
    folder = environment_folder(inputs, home)

    def fill(making: Path) -> None:
        shutil.copytree(tree, making / "testbed", symlinks=True)
        (making / "venv").symlink_to(venv, target_is_directory=True)
        commit_tree(making / "testbed", making / "testbed" / ".git")

    make_once(folder, fill)
    return folder
