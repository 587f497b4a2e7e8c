"""What gives a fix away is taken out of an issue, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.mining.cleaning import Fix, clean, squeezed, telling_lines

PATCH = """\
diff --git a/src/shop/prices.py b/src/shop/prices.py
--- a/src/shop/prices.py
+++ b/src/shop/prices.py
@@ -1,4 +1,4 @@
+from decimal import Decimal
 def total(prices):
-    result = prices[0]
+    result = Decimal("0. No sale")
+    x = 1
     for price in prices:
"""
FIX = Fix(telling_lines(PATCH), ("src/shop/prices.py", "Makefile"), ("0123456789abcdef0123456789abcdef01234567",))
LINE = 'result = Decimal("0. No sale")'
PROSE = "The total of an empty list raises IndexError.\n\nIt should be zero (see the manual, 3.1)."


def test_telling_lines_are_those_that_only_the_fix_has() -> None:
    assert FIX.lines == {LINE}


@pytest.mark.parametrize(
    "more",
    [
        PATCH,
        f"```diff\n{PATCH}```",
        "```\n@@ -1,2 +1,2 @@\n-a\n+b\n```",
        f"```python\ndef total(prices):\n    {LINE}\n```",
        f"~~~\n  {LINE}\n~~~",
        f"Use `{LINE}` instead.",
        'Use result  =  Decimal("0.\nNo sale") instead.',
        f"    {LINE}\n    return result",
        "Fixed by changing src/shop/prices.py.",
        "This was solved in 1.2 by\nstarting at zero.",
        "Look at prices.py for the reason.",
        "The rule in the Makefile is wrong.",
        "The fix is to start at zero.",
        "A possible solution would be zero.",
        "Fix: start at zero.",
        "This commit starts at zero.",
        "This PR closes it.",
        "https://github.com/shop/shop/pull/8",
        "<https://gitlab.com/shop/shop/-/merge_requests/8>",
        "https://github.com/shop/shop/commit/0123456789abcdef",
        "0123456789ab",
        "Fixes #7",
        "Closes: shop/shop#7, #8.",
        "resolves https://github.com/shop/shop/issues/7",
        "Signed-off-by: A B <a@b.c>\nCo-authored-by: C D <c@d.e>",
        "Change-Id: I0123456789",
        "<!-- Describe the bug\nhere -->",
    ],
)
def test_what_gives_the_fix_away_is_taken_out(more: str) -> None:
    for text in (f"{PROSE}\n\n{more}", f"{more}\n\n{PROSE}"):
        assert clean(text, FIX) == PROSE
        assert clean(text.replace("\n", "\r\n"), FIX) == PROSE


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "```python\ntotal([])  # IndexError\n```",
        '```\nTraceback (most recent call last):\n  File "src/shop/prices.py", line 2, in total\nIndexError\n```',
        'Traceback (most recent call last):\n  File "src/shop/prices.py", line 2, in total\nIndexError',
        "It worked in 1.1; something broke it. Is #5 the same?",
        "- first do this\n- then that",
        "# Title\ntext below it",
        "the module myprices.python is not what it is about, nor other_prices.pyc",
        "The colour is #123abc, the number 1234567.",
    ],
)
def test_what_users_see_stays(text: str) -> None:
    assert clean(text, FIX) == text


def test_a_closing_reference_or_a_number_leaves_the_rest_of_its_line() -> None:
    assert clean("Fixes #7: total raises (#8)", FIX) == "total raises"
    assert clean("See [the change](https://github.com/a/b/pull/3) for more.", FIX) == "See the change for more."


def test_only_the_telling_item_of_a_list_goes() -> None:
    assert clean("- total raises\n- fixed by adding zero\n- since 1.1", FIX) == "- total raises\n- since 1.1"


FRAGMENTS = st.sampled_from(
    [
        *("\n", "\n\n", " ", ". ", "```\n", "```", "~~~\n", "> ", "- ", "<!--", "-->", "(", ")", "`"),
        *(PATCH, LINE, f"    {LINE}\n", PROSE, "prices.py", "Fixes #7", "@@ -1 +1 @@\n", "diff --git a/x b/x\n"),
        *(
            "Signed-off-by: A\n",
            "https://github.com/a/b/pull/3",
            "fixed by adding zero",
            "Traceback (most recent call last):\n",
        ),
    ]
)


@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=8)), max_size=12).map("".join))
def test_no_line_of_the_fix_is_left_and_cleaning_again_changes_nothing(text: str) -> None:
    cleaned = clean(text, FIX)
    assert clean(cleaned, FIX) == cleaned
    assert not any(line in squeezed(part) for part in cleaned.split("\n\n") for line in FIX.lines)
    assert not any(line.startswith("diff --git") for line in cleaned.split("\n"))
    assert "github.com/a/b/pull" not in cleaned


@given(st.text())
def test_nothing_is_added(text: str) -> None:
    assert not set(clean(text, FIX)) - set(text) - {"\n"}
