from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from codemonkeys.generation.answers import (
    Answer,
    Create,
    Delete,
    Edit,
    Kind,
    MalformedAnswer,
    Rename,
    Replace,
    marker_for,
    parse_answer,
    render_edits,
)

M = "c0ffee42"


def parse(*lines: str) -> Answer:
    return parse_answer("\n".join(lines), M)


def refused(*lines: str) -> str:
    with pytest.raises(MalformedAnswer) as caught:
        parse(*lines)
    return str(caught.value)


def test_all_edits_in_order_with_prose_around() -> None:
    answer = parse(
        "First I look at ======= and <<<<<<< HEAD.",
        f"<<<<<<< SEARCH {M} src/a b.py",
        "old",
        f"======= {M}",
        "new",
        "",
        f">>>>>>> END {M}",
        "Then:",
        f"<<<<<<< CREATE {M} new.py",
        f">>>>>>> END {M}",
        f"<<<<<<< DELETE {M} gone.py  ",
        f"<<<<<<< RENAME {M} old.py => new dir/x.py",
        "=======",
        "That is all.",
    )
    assert answer == Answer(
        edits=(
            Replace("src/a b.py", "old\n", "new\n\n"),
            Create("new.py", ""),
            Delete("gone.py"),
            Rename("old.py", "new dir/x.py"),
        )
    )
    assert answer.kind == "edits"


def test_test_done_and_choice() -> None:
    assert parse(f"<<<<<<< TEST {M}", "print(1)", f">>>>>>> END {M}") == Answer(test="print(1)\n")
    assert parse("Good.", f"<<<<<<< DONE {M}") == Answer(done=True)
    assert parse(f"<<<<<<< CHOOSE {M} 12") == Answer(choice=12)
    assert parse(f"<<<<<<< CHOOSE {M} 0").kind == "choice"


def test_a_files_own_marker_lines_are_data() -> None:
    body = "<<<<<<< SEARCH x.py\na\n=======\nb\n>>>>>>> REPLACE\n======= 00000000\n>>>>>>> END 00000000\n```\n"
    edit = Replace("docs/format.md", body, body + "Title\n=======\n")
    assert parse_answer(render_edits([edit], M), M).edits == (edit,)


def test_crlf_answer_is_read_as_lf_but_a_single_crlf_line_is_data() -> None:
    lines = [f"<<<<<<< CREATE {M} a.txt", "one", "two", f">>>>>>> END {M}", ""]
    assert parse_answer("\r\n".join(lines), M).edits == (Create("a.txt", "one\ntwo\n"),)
    lines[1] = "one\r"
    assert parse_answer("\n".join(lines), M).edits == (Create("a.txt", "one\r\ntwo\n"),)


@pytest.mark.parametrize("fence", ["```", "~~~"])
def test_fences_next_to_markers(fence: str) -> None:
    script = ["import sys", "sys.exit(2)"]
    inside = parse(f"<<<<<<< TEST {M}", f"{fence}python", *script, fence, "", f">>>>>>> END {M}")
    outside = parse(f"{fence}python", f"<<<<<<< TEST {M}", *script, f">>>>>>> END {M}", fence)
    assert inside == outside == Answer(test="import sys\nsys.exit(2)\n")
    created = parse(f"<<<<<<< CREATE {M} a.py", f"{fence}python", *script, fence, f">>>>>>> END {M}")
    assert created.edits == (Create("a.py", "import sys\nsys.exit(2)\n"),)


def test_fences_that_belong_to_the_file_stay() -> None:
    page = "```python\nx\n```\n"
    for edit in (Create("README.md", page), Replace("a.py", page, page + page), Create("a.py", "```python\nx\n")):
        assert parse_answer(render_edits([edit], M), M).edits == (edit,)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["I think it works."], "no block"),
        ([""], "no block"),
        ([f"<<<<<<< SEARCH {M} a.py", "x", f"======= {M}", "y"], f"not closed: after line 3.*exactly: >>>>>>> END {M}"),
        ([f"<<<<<<< SEARCH {M} a.py", "x", "=======", "y", f">>>>>>> END {M}"], f"Line 5.*exactly: ======= {M}"),
        ([f"<<<<<<< SEARCH {M} a.py", f"<<<<<<< SEARCH {M} b.py"], "Line 2.*still open"),
        ([f"<<<<<<< TEST {M}", "x", f"  >>>>>>> END {M}"], "Line 3.*exactly"),
        ([f"<<<<<<< TEST {M}", "x", f">>>>>>> END {M} now"], "Line 3.*exactly"),
        ([f">>>>>>> END {M}"], "outside of any block"),
        ([f"======= {M}"], "outside of any block"),
        ([f"  <<<<<<< DONE {M}"], "outside of any block"),
        (["<<<<<<< SEARCH a.py", "x", "=======", "y", ">>>>>>> REPLACE"], "Line 1.*lacks the token"),
        (["<<<<<<< SEARCH deadbeef a.py", "x"], "Line 1.*lacks the token"),
        (["<<<<<<< DONE"], "lacks the token"),
        ([f"<<<<<<< SEARCH {M}", "x", f"======= {M}", "y", f">>>>>>> END {M}"], "lacks the path"),
        ([f"<<<<<<< DELETE {M} "], "lacks the path"),
        ([f"<<<<<<< RENAME {M} a.py"], "=> new/path"),
        ([f"<<<<<<< RENAME {M} a => b => c"], "=> new/path"),
        ([f"<<<<<<< CHOOSE {M}"], "number"),
        ([f"<<<<<<< CHOOSE {M} the second"], "number"),
        ([f"<<<<<<< DONE {M} really"], "must be just"),
        ([f"<<<<<<< TEST {M}", "", f">>>>>>> END {M}"], "empty test"),
        ([f"<<<<<<< DONE {M}", f"<<<<<<< DELETE {M} a.py"], "exactly one kind.*edits, done"),
        ([f"<<<<<<< TEST {M}", "x", f">>>>>>> END {M}"] * 2, "exactly one kind.*test, test"),
        ([f"<<<<<<< CHOOSE {M} 1", f"<<<<<<< CHOOSE {M} 2"], "exactly one kind"),
    ],
)
def test_malformed(lines: list[str], said: str) -> None:
    assert re.search(said, refused(*lines), re.DOTALL)


def test_message_shows_only_what_is_allowed() -> None:
    allowed: list[Kind] = ["test", "done"]
    with pytest.raises(MalformedAnswer) as caught:
        parse_answer(f"<<<<<<< CHOOSE {M} 1", M, allowed)
    assert f"<<<<<<< TEST {M}" in str(caught.value) and f"<<<<<<< DONE {M}" in str(caught.value)
    assert "SEARCH" not in str(caught.value)


ADVANCE: list[Kind] = ["edits", "test", "done in advance"]


@pytest.mark.parametrize("work", [f"<<<<<<< DELETE {M} a.py", f"<<<<<<< TEST {M}\nprint(1)\n>>>>>>> END {M}"])
def test_done_may_stand_beside_an_edit_or_a_test_where_that_is_allowed(work: str) -> None:
    done = f"<<<<<<< DONE {M}"
    for text in (f"{work}\n{done}", f"{done}\nand\n{work}"):
        answer = parse_answer(text, M, ADVANCE)
        assert answer.done and answer.kind in ("edits", "test")
        assert replace(answer, done=False) == parse_answer(work, M, ADVANCE)
        with pytest.raises(MalformedAnswer, match="exactly one kind"):
            parse_answer(text, M, ["edits", "test", "done"])
    for text in (done, f"{work}\n{done}\n{done}", f"{work}\n{done}\n<<<<<<< CHOOSE {M} 1"):
        with pytest.raises(MalformedAnswer, match="DONE line may also stand below"):
            parse_answer(text, M, ADVANCE)


@given(st.text(max_size=10), st.lists(st.text(max_size=30), max_size=5))
def test_marker_is_stable_and_in_no_text(task: str, texts: list[str]) -> None:
    first = marker_for(task, texts)
    assert first == marker_for(task, iter(texts))
    second = marker_for(task, [*texts, f"a file that holds {first}"])
    assert second != first and not any(second in text for text in texts)
    assert len(first) >= 6 and set(first) <= set("0123456789abcdef")


LINE = st.one_of(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["=======", "<<<<<<< SEARCH", ">>>>>>> END", "```", "```python", "======= 12345678", "x\r", "\x0c"]
    ),
)
BODY = st.lists(LINE, max_size=6).map(lambda lines: "".join(f"{line}\n" for line in lines))
PATH = st.from_regex(r"[a-z]{1,5}( ?[\w\"'-]){0,3}(/[a-z]{1,5}){0,2}\.(py|md|txt)", fullmatch=True)
EDIT: st.SearchStrategy[Edit] = st.one_of(
    st.builds(Replace, PATH, BODY, BODY),
    st.builds(Create, PATH, BODY),
    st.builds(Delete, PATH),
    st.builds(Rename, PATH, PATH),
)


@given(st.lists(EDIT, min_size=1, max_size=5))
@example([Create("a.txt", "x\r\n"), Create("b.txt", "\n\n")])
def test_render_and_parse_are_inverse(edits: list[Edit]) -> None:
    for edit in edits:  # a fence around all of a source file is taken for the model's own
        assume(not (isinstance(edit, Create) and edit.content.lstrip("\n").startswith(("```", "~~~"))))
    text = render_edits(edits, M)
    assert parse_answer(f"Prose.\n{text}\nMore prose.", M).edits == tuple(edits)
    assert parse_answer(text, M).edits == tuple(edits)


@given(
    st.lists(st.one_of(LINE, st.sampled_from([f"======= {M}", f">>>>>>> END {M}", f"<<<<<<< TEST {M}"])), max_size=8)
)
def test_any_text_parses_or_is_explained(lines: list[str]) -> None:
    try:
        answer = parse(*lines)
    except MalformedAnswer as error:
        assert M in str(error)
    else:
        assert answer.kind == "test"
