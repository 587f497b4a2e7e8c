"""A local git repository at one of its commits as an environment, with a virtual environment or Python of the user."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.tasks.environments import PYTHON
from codemonkeys.tasks.once import make_once
from codemonkeys.tasks.repository import commit_tree
from sandboxes.base import Environment

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def from_checkout(
    repository: Path, commit: str, home: Path, venv: Path | None = None, python: Path | None = None
) -> tuple[Environment, Path]:
    """Environment, for the local sandbox, and repository of one commit: the files of `repository` at `commit`.

    Scripts find both where they lie outside: the repository, so that an editable install leads to the files under test,
    and `venv`, whose programs name their own place. Without a `venv` they run with `python`, the packages it has, and
    the repository and its `src` on the import path; by default that is the Python codemonkeys was installed with.
    Only what is committed is there: no file that git ignores, such as a compiled module, and no submodule. The
    repository itself is only read; what is made is kept in `home`.
    Raises BadInput for a folder that is no repository, an unknown commit or no virtual environment, EnvironmentFailed.
    """
    top = Path(_git(repository, "rev-parse", "--show-toplevel").strip())
    hash = _git(top, "rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}").strip()
    tracked = _git(top, "ls-tree", "-r", "-z", "--name-only", hash).encode("utf-8", "surrogateescape")
    if venv is not None and not (venv / "pyvenv.cfg").is_file():
        raise BadInput(f"{venv} is no virtual environment: it has no pyvenv.cfg")
    name = f"{top.name}-{hash[:12]}-{hashlib.sha256(os.fsencode(top)).hexdigest()[:8]}"
    folder = home / "checkouts" / name

    def export(making: Path) -> None:
        tree, index = making / "tree", str(making / "index")
        tree.mkdir()
        _git(top, "read-tree", hash, index=index)
        _git(top, "checkout-index", "--all", "--force", f"--prefix={tree}/", index=index)
        (making / "index").unlink()
        commit_tree(tree, tree / ".git", tracked)

    make_once(folder, export)
    if venv is None:
        interpreter = python or PYTHON
        venv = home / "pythons" / hashlib.sha256(os.fsencode(interpreter) + b"\0" + os.fsencode(top)).hexdigest()[:16]
        make_once(venv, lambda making: _make_venv(making, interpreter, top))
    venv = venv.absolute()
    environment = Environment(
        name=f"{name}-{_content(venv)}",
        folders=((str(top), folder / "tree"), (str(venv), venv)),
        repository=str(top),
        variables=(("PATH", f"{venv}/bin:{SYSTEM_PATH}"), ("VIRTUAL_ENV", str(venv))),
    )
    return environment, folder / "tree"


def _git(repository: Path, *words: str, index: str | None = None) -> str:
    """What git says about a repository; no hook or monitor of its runs, and no setting of the user counts."""
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        **({"GIT_INDEX_FILE": index} if index else {}),
    }
    safe = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    try:
        done = subprocess.run(
            ["git", *safe, *words],
            cwd=repository,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(f"{error.filename}: no such folder or program; give a git repository, and install git") from None
    if done.returncode:
        raise BadInput(f"{repository}: git {words[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _make_venv(folder: Path, python: Path, repository: Path) -> None:
    """A virtual environment with the packages of a Python, so that `python` is that one wherever it lies."""
    command = [str(python), "-m", "venv", "--without-pip", "--system-site-packages", str(folder)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise EnvironmentFailed(f"{python} does not run: {error.strerror}; name another Python") from None
    if done.returncode:
        raise EnvironmentFailed(f"{python} makes no virtual environment: {(done.stdout + done.stderr).strip()[-2000:]}")
    (site,) = folder.glob("lib/python*/site-packages")
    # After the standard library, so that no file of the repository takes the place of one of its modules.
    (site / "repository.pth").write_text(f"{repository}\n{repository}/src\n")


def _content(venv: Path) -> str:
    """Names what is installed in a virtual environment: its packages with their times, as pip changes these."""
    seen = [f"{path.name} {path.stat().st_mtime_ns}" for path in sorted(venv.glob("lib*/python*/site-packages/*"))]
    return hashlib.sha256("\n".join([(venv / "pyvenv.cfg").read_text(), *seen]).encode()).hexdigest()[:16]
