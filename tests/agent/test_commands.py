"""What an agent writes: several commands in order, and what is wrong with those that cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.agent.commands import Add, Bash, Command, Edits, Submit, WriteTest, parse_commands
from codemonkeys.generation.answers import Create, Delete, MalformedAnswer, Replace
from codemonkeys.generation.look_ups import Find, RunTests, Show

MARKER = "0123abcd"
END = f">>>>>>> END {MARKER}"


def block(word: str, body: str = "", rest: str = "") -> str:
    return f"<<<<<<< {word} {MARKER}{f' {rest}' if rest else ''}\n{body}{END if body else ''}\n"


ALL: list[tuple[str, Command]] = [
    (block("BASH", "ls -la\n\n  cat <<X\n=======\nX\n"), Bash("ls -la\n\n  cat <<X\n=======\nX\n")),
    (block("ADD", rest="new/file.py"), Add("new/file.py")),
    (block("SHOW", rest="a.py:3-9"), Show("a.py", 3, 9)),
    (block("FIND", rest="one two"), Find(("one", "two"))),
    (block("RUN", rest="tests/test_a.py::test_b"), RunTests("tests/test_a.py", "test_b")),
    (block("TEST", "exit 2\n"), WriteTest("exit 2\n")),
    (block("DELETE", rest="a.py"), Edits((Delete("a.py"),))),
]


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=6), st.booleans())
def test_commands_come_in_order(chosen: list[tuple[str, Command]], crlf: bool) -> None:
    """Edits in a row are one command."""
    text = "I look.\n" + "\nThen:\n".join(text for text, _ in chosen)
    expected: list[Command] = []
    for _, command in chosen:
        last = expected[-1] if expected else None
        if isinstance(command, Edits) and isinstance(last, Edits):
            expected[-1] = Edits((*last.edits, *command.edits))
        else:
            expected.append(command)
    assert list(parse_commands(text.replace("\n", "\r\n") if crlf else text, MARKER)) == expected


def test_edits_and_done_in_one_answer() -> None:
    edit = f"<<<<<<< SEARCH {MARKER} a.py\nx\n======= {MARKER}\ny\n{END}\n"
    text = edit + block("CREATE", "z\n", "b.py") + f"<<<<<<< DONE {MARKER}\n"
    assert parse_commands(text, MARKER) == (Edits((Replace("a.py", "x\n", "y\n"), Create("b.py", "z\n"))), Submit())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no command"),
        ("```bash\nls\n```", "no command"),
        (block("BASH", "ls\n").replace(MARKER, "beefbeef"), "no command"),
        (f"<<<<<<< BASH {MARKER}\nls\n", "BASH block of line 1"),
        (f"<<<<<<< BASH {MARKER} ls\n{END}", "BASH block of line 1"),
        (f"x\n<<<<<<< BASH {MARKER}\nls\n<<<<<<< BASH {MARKER}\n{END}", "BASH block of line 2"),
        (f"<<<<<<< BASH {MARKER}\n \n{END}", "is empty"),
        (block("ADD"), "Line 1 lacks a path"),
        (block("BROWSE", "x\n"), "marker line"),
        (block("CHOOSE", rest="1"), "nothing to choose"),
        (f"<<<<<<< DONE {MARKER}\n" + block("BASH", "ls\n"), "last command"),
        (block("BASH", "ls\n") * 7, "7 commands"),
        (f"{block('BASH', 'ls' + chr(10))}<<<<<<< SEARCH {MARKER} a.py\nx\n", "after line 4"),
    ],
)
def test_what_cannot_be_read_is_told_in_words(text: str, word: str) -> None:
    with pytest.raises(MalformedAnswer, match=word):
        parse_commands(text, MARKER)


PIECES = ["<<<<<<< ", "BASH ", "DONE ", MARKER, "\n", "=======", END, "SEARCH ", "a", " "]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_any_text_is_commands_or_malformed(text: str) -> None:
    try:
        assert parse_commands(text, MARKER)
    except MalformedAnswer as problem:
        assert str(problem)
