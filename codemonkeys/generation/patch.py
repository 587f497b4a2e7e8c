"""Patches made and tried by git itself, in a throw-away repository over a snapshot's objects.

Nothing is written to the snapshot's own repository, and no configuration or attribute of the user, the machine or the
codebase has a say: what is compared are blobs. Renames are detected (at 50 %, without a limit on their number: a
function of the two trees alone), since a rename written as a deletion and a creation would make a short patch long.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from weakref import WeakKeyDictionary

from codemonkeys.errors import BadInput
from codemonkeys.generation.edits import Changes, File
from codemonkeys.generation.paths import patch_paths
from codemonkeys.system.files import scratch_folder
from codemonkeys.system.git import Git, ObjectReader, stderr_of
from codemonkeys.tasks.snapshot import SUBMODULE, Snapshot

__all__ = ["changes_of", "check_patch", "make_patch", "patch_paths", "patched_files"]

_DIFF = (
    *("diff-tree", "-r", "--patch", "--binary", "--full-index", "--unified=3", "--diff-algorithm=myers"),
    *(
        "--find-renames=50%",
        "-l0",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ),
)
_APPLY = ("apply", "--cached", "--whitespace=nowarn")

# Takes precedence over every .gitattributes: first unset what could change a diff, then name the language, which
# only decides what follows `@@`.
_ATTRIBUTES = b"""* !diff !text !eol !crlf !filter !ident !whitespace !working-tree-encoding
*.py diff=python
*.go diff=golang
*.rs diff=rust
*.rb diff=ruby
*.java diff=java
*.cs diff=csharp
*.php diff=php
*.c diff=cpp
*.h diff=cpp
*.cc diff=cpp
*.cpp diff=cpp
*.hpp diff=cpp
"""

# Nothing here outlives a call, so nothing need reach the disk, and a pack need not be unpacked.
_CONFIG = "[core]\nrepositoryformatversion = 0\nbare = true\nfsync = none\n[fastimport]\nunpackLimit = 1\n"

_indexes: WeakKeyDictionary[Snapshot, bytes] = WeakKeyDictionary()
_made: WeakKeyDictionary[Snapshot, dict[frozenset[tuple[str, File | None]], str]] = WeakKeyDictionary()
"""Patches made of a snapshot, by what they change."""


def make_patch(snapshot: Snapshot, changes: Changes) -> str:
    """The changes as a unified git diff against the snapshot, files in order of path; ends with a newline.

    A file that is not UTF-8 text before or after is written as a binary patch, so that a patch is always valid text.
    The patch has been applied and gives exactly the changes. Empty if nothing changed.
    Raises EnvironmentFailed if git fails.
    """
    if not changes.files:
        return ""
    # Trajectories often make the same change: git need not be asked again.
    made = _made.setdefault(snapshot, {})
    same = frozenset(changes.files.items())
    if same not in made:
        made[same] = _make(snapshot, changes)
    return made[same]


def _make(snapshot: Snapshot, changes: Changes) -> str:
    with _repository(snapshot, changes) as git:
        git.run("fast-import", "--quiet", stdin=_import_stream(snapshot, changes))
        diff = git.run(*_DIFF, snapshot.tree, "refs/heads/edited")
        # Only the context after `@@`, which git cuts at 80 bytes, can end within a character.
        patch = diff.decode("utf-8", "replace")
        git.run(*_APPLY, stdin=patch.encode())
        git.run("diff-index", "--cached", "--quiet", "refs/heads/edited")
    return patch


def check_patch(snapshot: Snapshot, patch: str) -> str | None:
    """Why a patch does not apply to the snapshot, in git's words; None if it does."""
    with _repository(snapshot) as git:
        done = git.try_run(*_APPLY, "--check", stdin=_bytes(patch))
    return stderr_of(done) if done.returncode else None


def changes_of(snapshot: Snapshot, patch: str) -> Changes:
    """What a patch changes. Raises BadInput if it does not apply to the snapshot."""
    with _repository(snapshot) as git:
        done = git.try_run(*_APPLY, stdin=_bytes(patch))
        if done.returncode:
            raise BadInput(f"The patch does not apply to commit {snapshot.commit}: {stderr_of(done)}")
        raw = git.run("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", snapshot.tree)
        fields = raw.split(b"\0")[:-1]
        found: dict[str, tuple[str, str]] = {}  # path to mode and blob
        for status, path in zip(fields[::2], fields[1::2], strict=True):
            _, mode, _, blob, _ = status.decode().split(" ")
            found[path.decode("utf-8", "surrogateescape")] = (mode, blob)
        with closing(ObjectReader(git)) as objects:
            files = {path: _file(objects, mode, blob) for path, (mode, blob) in sorted(found.items())}
    return Changes(files)


def _file(objects: ObjectReader, mode: str, blob: str) -> File | None:
    if mode == _ABSENT:
        return None
    return File(blob.encode() if mode == SUBMODULE else objects.read(blob), mode)


def patched_files(snapshot: Snapshot, patch: str) -> dict[str, bytes | None]:
    """Path to content of every file that a patch changes; None for a file that it removes.

    Raises BadInput if the patch does not apply to the snapshot.
    """
    return {path: file.content if file else None for path, file in changes_of(snapshot, patch).files.items()}


_ABSENT = "000000"


@contextmanager
def _repository(snapshot: Snapshot, changes: Changes | None = None) -> Iterator[Git]:
    """A bare repository that borrows the snapshot's objects and whose index is the snapshot."""
    attributes = _ATTRIBUTES + (_binary_attributes(snapshot, changes) if changes else b"")
    with scratch_folder() as folder:
        for part in ("objects/info", "refs/heads", "info"):
            (folder / part).mkdir(parents=True)
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "config").write_text(_CONFIG)
        (folder / "objects/info/alternates").write_bytes(os.fsencode(snapshot.git_dir / "objects") + b"\n")
        (folder / "info/attributes").write_bytes(attributes)
        git = Git(folder, folder)
        if snapshot not in _indexes:
            git.run("read-tree", snapshot.tree)
            _indexes[snapshot] = (folder / "index").read_bytes()
        else:
            (folder / "index").write_bytes(_indexes[snapshot])
        yield git


def _binary_attributes(snapshot: Snapshot, changes: Changes) -> bytes:
    """Attribute lines for the files that must not be shown as text, because a patch with them would not be UTF-8."""
    lines = []
    for path, file in changes.files.items():
        before = snapshot.read(path) if path in snapshot else b""
        if _is_plain(before) and (file is None or _is_plain(file.content)):
            continue
        pattern = re.sub(rb"([\\*?\[\]])", rb"\\\1", _raw(path))
        lines.append(_quoted(b"/" + pattern) + b" -diff\n")
    return b"".join(lines)


def _is_plain(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def _import_stream(snapshot: Snapshot, changes: Changes) -> bytes:
    """Input of `git fast-import` that makes refs/heads/edited: the snapshot with the changes."""
    parts = [
        b"commit refs/heads/edited\ncommitter codemonkeys <> 0 +0000\ndata 0\n",
        b'M 040000 %s ""\n' % snapshot.tree.encode(),
    ]
    # Deletions first, so that a folder can take the place of a file.
    parts += [b"D %s\n" % _quoted(_raw(path)) for path, file in changes.files.items() if file is None]
    for path, file in changes.files.items():
        if file:
            head = b"M %s inline %s\ndata %d\n" % (file.mode.encode(), _quoted(_raw(path)), len(file.content))
            parts += [head, file.content, b"\n"]
    return b"".join(parts)


def _quoted(text: bytes) -> bytes:
    """In double quotes, as git reads names in C's style."""
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text).replace(b"\n", b"\\n") + b'"'


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _bytes(patch: str) -> bytes:
    return patch.encode("utf-8", "surrogatepass")
