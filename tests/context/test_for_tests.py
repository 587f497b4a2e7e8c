"""What a test conversation sees: the nearest existing test and the chosen files, within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.context.around import HOLDS_TESTS
from codemonkeys.context.choosing import ContextFile
from codemonkeys.context.for_tests import excerpt_for_tests, nearest_test, shortened
from codemonkeys.context.lexical import LexicalIndex
from codemonkeys.tasks.snapshot import Snapshot
from tests.rooms import room

TEST = "from pkg.core import check\n\n\ndef test_check():\n    assert check('a')\n"
LONG = "def long(x):\n" + "    x = x + 1\n" * 400
FILES: dict[str, str | bytes] = {
    "pkg/core.py": "def check(name):\n    return bool(name)\n",
    "pkg/long.py": LONG,
    "tests/conftest.py": "from pkg.core import check\n",
    "tests/test_core.py": TEST,
}
ISSUE = "It breaks when the name is empty."


def nearest(tests: dict[str, str], *chosen: str) -> str | None:
    with LexicalIndex(tests.items()) as index:
        return nearest_test(index, chosen, ISSUE)


def test_a_test_named_like_the_first_file_is_nearest_then_one_that_imports_it() -> None:
    tests = {
        "tests/a/test_core.py": "def test_it(): pass\n",
        "tests/pkg/test_core.py": "def test_it(): pass\n",
        "tests/pkg/test_user.py": "from pkg.core import check\n# the name is empty\n",
        "tests/test_name.py": "# It breaks when the name is empty\n",
    }
    assert nearest(tests, "pkg/core.py", "pkg/user.py") == "tests/pkg/test_core.py"
    assert nearest(tests, "pkg/user.py", "pkg/core.py") == "tests/pkg/test_user.py"
    del tests["tests/a/test_core.py"], tests["tests/pkg/test_core.py"]
    assert nearest(tests, "pkg/core.py") == "tests/pkg/test_user.py"
    assert nearest(tests, "pkg/none.py") == "tests/test_name.py", "the one most like the issue"
    assert nearest({"tests/test_x.py": "x"}, "pkg/none.py") is None
    assert nearest({"src/box.test.js": "it('is')", "src/lid.test.js": "it('is')"}, "src/lid.js") == "src/lid.test.js"


@pytest.mark.parametrize(
    "text",
    [
        *("def test_a(self):", "class BoxTest(TestCase):", "func TestBox(t *testing.T) {", "@Test void a() {}"),
        *("#[test]\nfn a() {}", "#[tokio::test]", "[Fact] void A()", "TEST(Box, opens) {", "it('opens', () => {"),
        *("describe 'a box' do", "public function testBox()", "test('opens', () => {"),
    ],
)
def test_files_with_tests_are_known_in_many_languages(text: str) -> None:
    assert HOLDS_TESTS.search(text)
    assert not HOLDS_TESTS.search("import pytest\n\ncontest = latest(1)\ndef helper(): return 1\n")


def context(*paths: str) -> list[ContextFile]:
    texts = {path: str(FILES[path]) for path in paths}
    return [ContextFile(path, text, len(text) // 4) for path, text in texts.items()]


def test_files_are_whole_or_outlines_within_the_budget(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(FILES), lambda request: "", context={"test_tokens": 200}) as work:
        excerpt = asyncio.run(excerpt_for_tests(work, context("pkg/long.py", "pkg/core.py", "tests/test_core.py")))
        forms = [(file.path, file.form) for file in excerpt.files]
        assert forms == [("pkg/long.py", "outline"), ("pkg/core.py", "whole")]
        assert excerpt.nearest is not None and excerpt.nearest.text == TEST
        note = work.journal.note(work.task.id, "test", 0, "files")
        assert note["nearest test"] == "tests/test_core.py" and note["left out"] == []


def test_what_does_not_fit_is_recorded_as_left_out(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot(FILES)
    for tokens, shown in ((0, []), (10, ["pkg/long.py"]), (2_000, ["pkg/long.py", "pkg/core.py"])):
        with room(tmp_path / str(tokens), snapshot, lambda request: "", context={"test_tokens": tokens}) as work:
            excerpt = asyncio.run(excerpt_for_tests(work, context("pkg/long.py", "pkg/core.py")))
            assert [file.path for file in excerpt.files] == shown
            left_out = work.journal.note(work.task.id, "test", 0, "files")["left out"]
            assert sorted([*shown, *left_out]) == ["pkg/core.py", "pkg/long.py"]


@given(st.text(max_size=400), st.integers(-5, 200))
def test_a_shortened_text_is_within_its_tokens(text: str, tokens: int) -> None:
    shown = shortened(text, tokens, len)
    assert len(shown) <= max(0, tokens) or shown == text == ""
    assert shown == text or len(text) > tokens
