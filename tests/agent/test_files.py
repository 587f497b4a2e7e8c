"""The repository's files as changes and as a layer: whatever a session did to them, the patch has it right."""

from __future__ import annotations

from collections.abc import Callable

from codemonkeys.agent.files import changes_of_layer, of_the_patch, with_changes
from codemonkeys.generation.answers import Create, Delete, Edit, Rename, Replace
from codemonkeys.generation.edits import Changes, File, apply_edits
from codemonkeys.generation.patch import changes_of, make_patch
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes import Entry, Layer
from sandboxes.layers import EMPTY

R = "/testbed"
FILES = {"a.py": "one\n", "pkg/b.py": "two\n", "pkg/deep/c.py": "three\n"}


def changed(snapshot: Snapshot, *entries: Entry) -> dict[str, File | None]:
    return dict(changes_of_layer(snapshot, Layer.of(entries), R).files)


def test_contents_modes_and_links(make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot(FILES)
    found = changed(
        snapshot,
        Entry(f"{R}/a.py", "file", 0o755, b"one\n"),
        Entry(f"{R}/pkg/b.py", "link", 0, b"../a.py"),
        Entry(f"{R}/new.bin", "file", 0o600, b"\0\xff"),
        Entry(f"{R}/empty", "folder", 0o755),
    )
    assert found == {
        "a.py": File(b"one\n", "100755"),
        "new.bin": File(b"\0\xff"),
        "pkg/b.py": File(b"../a.py", "120000"),
    }
    patch = make_patch(snapshot, Changes(found))
    assert dict(changes_of(snapshot, patch).files) == found


def test_what_is_gone_takes_all_below_it(make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot(FILES)
    below = {"pkg/b.py": None, "pkg/deep/c.py": None}
    assert changed(snapshot, Entry(f"{R}/pkg", "gone")) == below
    assert changed(snapshot, Entry(f"{R}/pkg", "replaced", 0o755)) == below
    assert changed(snapshot, Entry(f"{R}/pkg", "file", 0o644, b"x")) == {**below, "pkg": File(b"x")}
    kept = Entry(f"{R}/pkg/b.py", "file", 0o644, b"two\n")
    assert changed(snapshot, Entry(f"{R}/pkg", "replaced", 0o755), kept) == {"pkg/deep/c.py": None}
    assert changed(snapshot, Entry(R, "replaced", 0o755)) == {"a.py": None, **below}


def test_what_is_no_part_of_a_fix(make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot(FILES)
    layer = Layer.of(
        [
            Entry("/tmp/notes", "file", 0o644, b"x"),
            Entry(f"{R}/.git/index", "file", 0o644, b"x"),
            Entry(f"{R}/sub/.git/config", "file", 0o644, b"x"),
            Entry(f"{R}/reproduce.py", "file", 0o644, b"x"),
            Entry(f"{R}/a.py", "file", 0o664, b"one\n"),
        ]
    )
    changes = changes_of_layer(snapshot, layer, R)
    assert list(changes.files) == ["reproduce.py"]
    assert of_the_patch(snapshot, changes, ()).files == {}
    assert of_the_patch(snapshot, changes, {"reproduce.py"}) == changes


def test_edits_go_to_the_layer_and_back(make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot(FILES)
    steps: list[list[Edit]] = [
        [Replace("a.py", "one\n", "1\n"), Create("new/x.py", "x\n")],
        [Replace("a.py", "1\n", "11\n"), Rename("pkg/b.py", "pkg/b2.py"), Delete("pkg/deep/c.py")],
        [Create("pkg/deep/c.py", "three\n"), Delete("new/x.py"), Rename("pkg/b2.py", "pkg/b.py")],
        [Replace("a.py", "11\n", "one\n"), Create("b", "b\n")],
    ]
    layer, changes = EMPTY, Changes({})
    for edits in steps:
        after = apply_edits(snapshot, edits, changes)
        layer = with_changes(snapshot, layer, R, changes, after)
        assert changes_of_layer(snapshot, layer, R) == after
        changes = after
    assert dict(changes.files) == {"b": File(b"b\n")}
