"""What a commit names and does not hold: submodules, and files that Git LFS keeps elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from codemonkeys.tasks.snapshot import SUBMODULE, Snapshot

LFS = b"version https://git-lfs.github.com/spec/v1\n"
"""How a pointer of Git LFS begins."""
POINTER_BYTES = 1024
"""A pointer is shorter."""
NAMED = 3


def stand_ins(snapshot: Snapshot) -> Iterator[str]:
    """What scripts and models do not find of a commit, and what they find in its place, for the user to know."""
    if modules := [entry.path for entry in snapshot.entries if entry.mode == SUBMODULE]:
        yield (
            f"{_named(modules)}: submodules, which are empty folders for scripts and models. If the issue is about "
            "one, give its own folder as the repository"
        )
    attributes = [e.path for e in snapshot.entries if e.is_file and e.path.rpartition("/")[2] == ".gitattributes"]
    if not any("filter=lfs" in (text or "") for _, text in snapshot.texts(attributes)):
        return
    short = [e.path for e in snapshot.entries if e.is_file and len(LFS) < e.size < POINTER_BYTES]
    if pointers := [path for path in short if snapshot.read(path).startswith(LFS)]:
        yield (
            f"{_named(pointers)}: kept by Git LFS, whose pointers scripts find in their place; tests that need the "
            "content tell nothing"
        )


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return f"{', '.join(paths[:NAMED])}{more}"
