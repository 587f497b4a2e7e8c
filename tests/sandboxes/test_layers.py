"""Layers: values that can be compared, stored and laid, and that name nothing outside of what they are laid over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes import Entry, Layer
from sandboxes.layers import EMPTY, Kind
from sandboxes.upper import place_of

NAMES = st.text(st.sampled_from("ab-. \udcff"), min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
KINDS: st.SearchStrategy[Kind] = st.sampled_from(["file", "link", "folder", "replaced", "gone"])
ENTRIES = st.builds(Entry, st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)), KINDS)


@given(st.lists(ENTRIES, max_size=12))
def test_whatever_is_written_in_turn_makes_a_layer(entries: list[Entry]) -> None:
    layer = EMPTY
    for entry in entries:
        layer = layer.with_entries([entry])
        assert layer.get(entry.path) == entry
    assert Layer(layer.entries).id == layer.id
    assert [entry.path.split("/") for entry in layer.entries] == sorted(
        entry.path.split("/") for entry in layer.entries
    )
    closed = [entry.path for entry in layer.entries if entry.kind not in ("folder", "replaced")]
    assert not [e for e in layer.entries for path in closed if e.path.startswith(f"{path}/")]


@pytest.mark.parametrize("path", ["", "/", "a", "/a/../b", "/a//b", "/./a", "/a/", "//a", "/a\0b"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="absolute path"):
        Layer((Entry(path, "file"),))


def test_nothing_lies_below_what_is_no_folder() -> None:
    for kind in ("file", "link", "gone"):
        with pytest.raises(ValueError, match="cannot stand"):
            Layer((Entry("/a", kind), Entry("/a/b", "file")))
    with pytest.raises(ValueError, match="cannot stand"):
        Layer((Entry("/b", "file"), Entry("/a", "file")))


def test_layers_are_equal_by_what_they_hold() -> None:
    one = Layer((Entry("/a", "file", 0o644, b"x", 1),))
    assert one.id == Layer((Entry("/a", "file", 0o644, b"x", 2),)).id
    for other in (
        Entry("/a", "file", 0o755, b"x"),
        Entry("/a", "file", 0o644, b"y"),
        Entry("/a", "link", 0o644, b"x"),
        Entry("/b", "file", 0o644, b"x"),
    ):
        assert Layer((other,)).id != one.id
    assert EMPTY.id == Layer().id != one.id


def test_what_is_gone_hides_what_lies_below() -> None:
    layer = Layer.of([Entry("/a", "gone"), Entry("/b", "folder"), Entry("/c", "replaced"), Entry("/c/d", "file")])
    assert [path for path in ("/a", "/a/x", "/b", "/b/x", "/c/x", "/c/d", "/d") if layer.hides(path)] == [
        *("/a", "/a/x", "/c/x", "/c/d")
    ]


def test_a_path_lies_in_the_innermost_place() -> None:
    assert place_of("/testbed/a", ["", "/testbed", "/tmp"]) == "/testbed"
    assert place_of("/testbed", ["", "/testbed"]) == ""
    with pytest.raises(ValueError, match="cannot be written"):
        place_of("/etc/passwd", ["/testbed"])
