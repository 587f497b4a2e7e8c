"""Patches and texts side by side."""

from __future__ import annotations

from difflib import unified_diff

from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.view.diffs import of_patch, of_texts

LINES = st.lists(st.sampled_from(["one", "two", "three", ""]), max_size=12)


def test_a_patch_before_and_after() -> None:
    patch = (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -3,4 +3,5 @@\n same\n-old\n-older\n"
        "+new\n+newer\n+newest\n end\n"
        "@@ -20 +21 @@\n-last\n+first\n"
        "diff --git a/b.py b/b.py\nnew file mode 100644\n--- /dev/null\n+++ b/b.py\n@@ -0,0 +1 @@\n+<b>\n"
    )
    first, second = of_patch(patch)
    assert [(r.left_number, r.left, r.right_number, r.right) for r in first.rows] == [
        (3, "same", 3, "same"),
        (4, "old", 4, "new"),
        (5, "older", 5, "newer"),
        (None, None, 6, "newest"),
        (6, "end", 7, "end"),
        (None, None, None, None),
        (20, "last", 21, "first"),
    ]
    assert (second.title, second.rows[0].left, second.rows[0].right_number) == ("b.py (new)", None, 1)


@given(LINES, LINES)
def test_both_sides_are_whole_and_numbered(left: list[str], right: list[str]) -> None:
    rows = of_texts("\n".join(left), "\n".join(right))
    for side, lines in (("left", left), ("right", right)):
        shown = [(getattr(row, f"{side}_number"), getattr(row, side)) for row in rows if getattr(row, side) is not None]
        assert shown == list(enumerate("\n".join(lines).splitlines(), 1))
    assert all(row.left == row.right for row in rows if row.kind == "same")


@given(LINES, LINES)
def test_lines_of_a_patch_have_the_numbers_of_the_files(left: list[str], right: list[str]) -> None:
    patch = "\n".join(unified_diff(left, right, "a/a.py", "b/a.py", lineterm=""))
    for file in of_patch(patch):
        for row in file.rows:
            assert row.left_number is None or left[row.left_number - 1] == row.left
            assert row.right_number is None or right[row.right_number - 1] == row.right
