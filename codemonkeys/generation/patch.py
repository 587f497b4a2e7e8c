"""Makes and checks patches with git, in a temporary repository that borrows the snapshot's objects.

The snapshot's own repository is never written to. Only blobs are compared: no configuration or attribute of the user,
the machine or the repository under test takes effect. Renames are detected, since a rename written as a deletion and a
creation would make a short patch long; at 50 % similarity and without a limit on their number, so that a patch depends
on the two trees alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from threading import Lock
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

# Takes precedence over every .gitattributes: first unset whatever could change a diff, then set the language, which
# only affects the text after `@@`.
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

# The repository is deleted after each call: writes need not reach the disk, and packs need not be unpacked.
_CONFIG = "[core]\nrepositoryformatversion = 0\nbare = true\nfsync = none\n[fastimport]\nunpackLimit = 1\n"

_ABSENT = "000000"
"""Mode that git gives for a deleted file."""

_indexes: WeakKeyDictionary[Snapshot, bytes] = WeakKeyDictionary()
"""Cache: git's index file for each snapshot."""
_patches: WeakKeyDictionary[Snapshot, dict[frozenset[tuple[str, File | None]], Future[str]]] = WeakKeyDictionary()
"""Cache: patches by their changes, for each snapshot; different trajectories often make the same change, and at the
same time."""
_lock = Lock()
"""Of `_patches`."""


def make_patch(snapshot: Snapshot, changes: Changes) -> str:
    """Unified git diff of the changes against the snapshot, files sorted by path; ends with a newline.

    Empty if there are no changes. A file that is not UTF-8 text before or after becomes a binary patch, so that the
    diff is always valid UTF-8. Verified: applied to the snapshot, the patch gives exactly the changes.
    Raises EnvironmentFailed if git fails.
    """
    if not changes.files:
        return ""
    key, mine = frozenset(changes.files.items()), Future[str]()
    with _lock:
        cache = _patches.setdefault(snapshot, {})
        first = cache.setdefault(key, mine)
    if first is not mine and first.exception() is None:
        return first.result()
    # Whoever came first may have failed because its own session was given up.
    try:
        mine.set_result(_make(snapshot, changes))
    except BaseException as error:
        with _lock:
            cache.pop(key, None)
        mine.set_exception(error)
        raise
    return mine.result()


def _make(snapshot: Snapshot, changes: Changes) -> str:
    with _repository(snapshot, changes) as git:
        git.run("fast-import", "--quiet", stdin=_import_stream(snapshot, changes))
        diff = git.run(*_DIFF, snapshot.tree, "refs/heads/edited")
        # Only the context after `@@`, which git truncates at 80 bytes, can end within a character.
        patch = diff.decode("utf-8", "replace")
        git.run(*_APPLY, stdin=patch.encode())
        git.run("diff-index", "--cached", "--quiet", "refs/heads/edited")
    return patch


def check_patch(snapshot: Snapshot, patch: str) -> str | None:
    """git's message why a patch does not apply to the snapshot; None if it applies."""
    with _repository(snapshot) as git:
        done = git.try_run(*_APPLY, "--check", stdin=_bytes(patch))
    return stderr_of(done) if done.returncode else None


def changes_of(snapshot: Snapshot, patch: str) -> Changes:
    """The changes that a patch makes. Raises BadInput if it does not apply to the snapshot."""
    with _repository(snapshot) as git:
        done = git.try_run(*_APPLY, stdin=_bytes(patch))
        if done.returncode:
            raise BadInput(f"The patch does not apply to commit {snapshot.commit}: {stderr_of(done)}")
        raw = git.run("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", snapshot.tree)
        fields = raw.split(b"\0")[:-1]
        files: dict[str, File | None] = {}
        with closing(ObjectReader(git)) as objects:
            for status, path in zip(fields[::2], fields[1::2], strict=True):
                _, mode, _, blob, _ = status.decode().split(" ")
                files[path.decode("utf-8", "surrogateescape")] = _file(objects, mode, blob)
    return Changes(dict(sorted(files.items())))


def _file(objects: ObjectReader, mode: str, blob: str) -> File | None:
    if mode == _ABSENT:
        return None
    return File(blob.encode() if mode == SUBMODULE else objects.read(blob), mode)


def patched_files(snapshot: Snapshot, patch: str) -> dict[str, bytes | None]:
    """Path to new content of every file that a patch changes; None for a file that it deletes.

    Raises BadInput if the patch does not apply to the snapshot.
    """
    return {path: file.content if file else None for path, file in changes_of(snapshot, patch).files.items()}


@contextmanager
def _repository(snapshot: Snapshot, changes: Changes | None = None) -> Iterator[Git]:
    """git in a temporary bare repository: the snapshot's objects, borrowed, and the snapshot's tree in the index."""
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
    """Attribute lines that make git treat files as binary whose diff would not be valid UTF-8."""
    lines = []
    for path, file in changes.files.items():
        before = snapshot.read(path) if path in snapshot else b""
        if _is_text(before) and (file is None or _is_text(file.content)):
            continue
        pattern = re.sub(rb"([\\*?\[\]])", rb"\\\1", _raw(path))
        lines.append(_quoted(b"/" + pattern) + b" -diff\n")
    return b"".join(lines)


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def _import_stream(snapshot: Snapshot, changes: Changes) -> bytes:
    """Input for `git fast-import`: creates refs/heads/edited, the snapshot with the changes applied."""
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
    """A name in double quotes with C-style escapes, as git reads it."""
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text).replace(b"\n", b"\\n") + b'"'


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _bytes(patch: str) -> bytes:
    return patch.encode("utf-8", "surrogatepass")
