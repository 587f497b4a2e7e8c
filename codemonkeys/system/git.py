"""Runs git. No other module starts it or decides what environment it gets.

`Git` works on one repository on this disk and sees nothing but that: no configuration of the user or the machine, no
variable of ours, no network. `run_online` is the one exception, for cloning.
"""

from __future__ import annotations

import os
import subprocess
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system import programs
from codemonkeys.system.variables import variables_without_secrets

VARIABLES = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    # What a partial clone lacks is not fetched: its configuration names the program that would do so.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "commit.gpgSign": "false",
    "log.showSignature": "false",
    "submodule.recurse": "false",
}
"""Override the repository's configuration, which could otherwise make git run programs."""
ONLINE = ("-c", "safe.directory=*", "-c", "protocol.ext.allow=never")
ELSEWHERE = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
)
"""Variables that git sets for its hooks and that name their repository; inherited when a hook starts us."""


def identity(name: str, date: str | None = None) -> dict[str, str]:
    """Variables for author and committer of a commit. With a fixed date, equal trees make equal commits."""
    person = {"NAME": name, "EMAIL": f"{name}@localhost"} | ({"DATE": date} if date else {})
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}


@dataclass(frozen=True)
class Git:
    """git for one repository."""

    git_dir: Path
    """Absolute; may be the `.git` file of a linked working tree."""
    folder: Path
    """Working directory of git, named in messages."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables in addition to `VARIABLES`."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Configuration that overrides the repository's, in addition to `SETTINGS`."""

    @property
    def environment(self) -> dict[str, str]:
        """All environment variables of the process."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "GIT_DIR": str(self.git_dir), **VARIABLES}
        settings = {**SETTINGS, **self.settings}
        # Not by -c, which would cut a name at its first equals sign.
        environment["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (name, value) in enumerate(settings.items()):
            environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        return {**environment, **self.variables}

    def run(self, *arguments: str, stdin: bytes | IO[bytes] = b"", stdout: IO[bytes] | None = None) -> bytes:
        """Standard output, unless it goes to a file. Raises EnvironmentFailed if git fails or is not installed."""
        done = self.try_run(*arguments, stdin=stdin, stdout=stdout)
        if done.returncode:
            raise EnvironmentFailed(
                f"git {arguments[0]} failed (exit {done.returncode}) in {self.folder}: {_reason(done)}; "
                "check git and the free disk space"
            )
        return done.stdout

    def text(self, *arguments: str, stdin: bytes = b"") -> str:
        """The output of `run` without surrounding newlines; bytes that are not UTF-8 as surrogate escapes."""
        return self.run(*arguments, stdin=stdin).decode("utf-8", "surrogateescape").strip("\n")

    def try_run(
        self, *arguments: str, stdin: bytes | IO[bytes] = b"", stdout: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Output and exit code. Raises EnvironmentFailed only if git is not installed."""
        given = stdin if isinstance(stdin, bytes) else None
        source = subprocess.PIPE if isinstance(stdin, bytes) else stdin
        process = _start(arguments, self.environment, self.folder, source, stdout or subprocess.PIPE, subprocess.PIPE)
        return programs.finish(process, given)


class ObjectReader:
    """Reads the objects of a repository through one `git cat-file`, started by the first read.

    Not safe for use by several threads at once.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, name: str) -> bytes:
        """The content of the object with this hash. Raises EnvironmentFailed if it is missing or damaged."""
        return self.read_all([name])[0]

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """The contents of the objects with these hashes. Raises EnvironmentFailed if one is missing or damaged.

        All are asked for before the first is read, so give a few hundred at most: git takes no more
        names while nobody reads.
        """
        try:
            contents = self._ask(names)
        except BaseException:
            self.close()  # The rest of this answer would be read as the answer to the next request.
            raise
        if len(contents) < len(names):
            self.close()
            missing = names[len(contents)]
            raise EnvironmentFailed(f"git cannot read object {missing} of {self._git.folder}; see what git fsck says")
        return contents

    def _ask(self, names: Sequence[str]) -> list[bytes]:
        """The contents up to the first that cannot be read."""
        if self._process is None:
            self._process = _start(
                ("cat-file", "--batch"),
                self._git.environment,
                self._git.folder,
                subprocess.PIPE,
                subprocess.PIPE,
                subprocess.DEVNULL,
            )
            self._end = weakref.finalize(self, _kill, self._process)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        contents: list[bytes] = []
        try:
            stdin.write("".join(f"{name}\n" for name in names).encode())
            stdin.flush()
        except BrokenPipeError:
            return contents
        for _ in names:
            header = stdout.readline().split()  # hash, type, size; or hash, "missing"
            if len(header) != 3:
                break
            size = int(header[2])
            content = stdout.read(size + 1)
            if len(content) <= size or content[-1:] != b"\n":
                break
            contents.append(content[:-1])
        return contents

    def close(self) -> None:
        """End the process; another read would start a new one."""
        if self._process is not None:
            self._process = None
            self._end()


def find_repository(folder: Path) -> Git | None:
    """git for a folder that is a working tree, a linked working tree or a bare repository; None for any other folder.

    The git directory is given explicitly, so that git neither searches parent folders nor checks who owns it.
    Raises EnvironmentFailed if git cannot read the repository, for example because its configuration is damaged.
    """
    folder = folder.absolute()
    for git_dir in (folder / ".git", folder):
        if folder.is_dir() and git_dir.exists():
            git = Git(git_dir, folder)
            done = git.try_run("rev-parse", "--git-dir")
            if done.returncode == 0:
                return git
            if b"not a git repository" not in done.stderr:
                raise EnvironmentFailed(f"git cannot read {folder}: {_reason(done)}")
    return None


def run_online(*arguments: str, folder: Path, seconds: float, variables: Mapping[str, str] | None = None) -> None:
    """Run git with network and the user's configuration: proxies, credential helpers, mirrors, Git LFS.

    Its environment has no API keys, and it never prompts. Raises EnvironmentFailed, also after `seconds`.
    """
    environment = {k: v for k, v in variables_without_secrets().items() if k not in ELSEWHERE}
    process = _start(
        (*ONLINE, *arguments),
        {**environment, "GIT_TERMINAL_PROMPT": "0", **(variables or {})},
        folder,
        subprocess.DEVNULL,
        subprocess.PIPE,
        subprocess.PIPE,
    )
    try:
        done = programs.finish(process, seconds=seconds)
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"git {arguments[0]} took longer than {seconds:.0f} s; try later") from None
    if done.returncode:
        raise EnvironmentFailed(f"git {arguments[0]} failed (exit {done.returncode}): {_reason(done)}")


def stderr_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git says went wrong."""
    return done.stderr.decode("utf-8", "replace").strip()


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    return stderr_of(done)[-2000:] or "no message"


def _start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int,
) -> subprocess.Popen[bytes]:
    try:
        return programs.start(["git", *arguments], environment, folder, stdin, stdout, stderr)
    except OSError as error:
        raise EnvironmentFailed(f"git cannot be run: {error}; install git") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
