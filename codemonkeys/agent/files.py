"""The files of the repository between two forms: changes to a snapshot, and the layer of a session. Pure."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from codemonkeys.generation.edits import Changes, File
from codemonkeys.tasks.snapshot import SUBMODULE, SYMLINK, Snapshot
from sandboxes.layers import Entry, Layer, parents


def changes_of_layer(snapshot: Snapshot, layer: Layer, repository: str) -> Changes:
    """What a layer changes of a repository that lies at this absolute path, git's own data and submodules aside.

    New files are among it, whoever made them.
    """
    changed = layer.below(repository)
    if layer.hides(repository):
        changed = Layer((Entry(repository, "replaced"), *changed.entries))
    files: dict[str, File | None] = {}
    for path in _hidden(snapshot, changed, repository):
        files[path] = None
    for entry in changed.entries:
        path = entry.path[len(repository) + 1 :]
        if not path or ".git" in path.split("/") or _in_submodule(snapshot, path):
            continue
        if entry.kind == "link":
            files[path] = File(entry.content, SYMLINK)
        elif entry.kind == "file":
            files[path] = File(entry.content, "100755" if entry.mode & 0o100 else "100644")
    differing = {path: file for path, file in sorted(files.items()) if file != _original(snapshot, path)}
    return Changes(differing)


def _hidden(snapshot: Snapshot, changed: Layer, repository: str) -> Iterator[str]:
    """Files of the snapshot that a layer removes, or that lie where it has something else."""
    closed = {entry.path[len(repository) + 1 :] for entry in changed.entries if entry.kind != "folder"}
    if closed:
        for entry in snapshot.entries:
            if entry.mode != SUBMODULE and not closed.isdisjoint(["", entry.path, *_above(entry.path)]):
                yield entry.path


def _above(path: str) -> list[str]:
    return [parent[1:] for parent in parents(f"/{path}")]


def _in_submodule(snapshot: Snapshot, path: str) -> bool:
    return any(above in snapshot and snapshot.entry(above).mode == SUBMODULE for above in [path, *_above(path)])


def _original(snapshot: Snapshot, path: str) -> File | None:
    if path not in snapshot:
        return None
    return File(snapshot.read(path), snapshot.entry(path).mode)


def with_changes(snapshot: Snapshot, layer: Layer, repository: str, before: Changes, after: Changes) -> Layer:
    """The layer with the repository's files as changes have them that were made to those before."""
    # Deletions first: a file may take the place of a folder whose files are gone.
    entries: list[Entry] = []
    for path in {**before.files, **after.files}:
        was, now = (changes.files.get(path, _original(snapshot, path)) for changes in (before, after))
        if was == now:
            continue
        full = f"{repository}/{path}"
        if now is None:
            entries.insert(0, Entry(full, "gone"))
        elif now.mode == SYMLINK:
            entries.append(Entry(full, "link", 0, now.content))
        else:
            mode = 0o755 if now.mode == "100755" else 0o644
            entries.append(Entry(full, "file", mode, now.content, time.time_ns()))
    return layer.with_entries(entries)


def of_the_patch(snapshot: Snapshot, changes: Changes, added: Collection[str]) -> Changes:
    """The changes that are part of a fix: those of files that the repository has, and the new files that were added."""
    kept = {path: file for path, file in changes.files.items() if path in snapshot or path in added}
    return Changes(kept)
