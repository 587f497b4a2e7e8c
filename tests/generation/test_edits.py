from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.generation.answers import Create, Delete, Edit, Rename, Replace
from codemonkeys.generation.edits import EditRefused, File, apply_edits
from codemonkeys.generation.lines import replace_lines
from codemonkeys.tasks.snapshot import Snapshot
from tests.repositories import commit_all, git, make_repository

FILES = {
    "src/app.py": b"import os\n\n\ndef run():\n    return 1\n\n\ndef stop():\n    return 1\n",
    "src/util.py": b"A = 1\nB = 2\nC = 3\n",
    "empty.py": b"",
    "logo.png": b"\x89PNG\0\0\n",
    "bin/tool": b"#!/bin/sh\necho\n",
    "back\\slash.txt": b"x\n",
}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    folder = make_repository(tmp_path_factory.mktemp("edits") / "repository", FILES)
    (folder / "bin/tool").chmod(0o755)
    (folder / "link.py").symlink_to("src/app.py")
    (folder / "out").symlink_to("/tmp")
    commit_all(folder)
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor")
    git(folder, "commit", "--quiet", "--message=submodule")
    with Snapshot.of_repository(folder) as snapshot:
        yield snapshot


def refused(snapshot: Snapshot, *edits: Edit) -> str:
    with pytest.raises(EditRefused) as caught:
        apply_edits(snapshot, edits)
    return str(caught.value)


def test_several_edits_to_one_file_apply_in_order(snapshot: Snapshot) -> None:
    changes = apply_edits(
        snapshot,
        [
            Replace("src/util.py", "A = 1\n", "A = 10\n"),
            Replace("src/util.py", "C = 3\n", ""),
            Replace("src/util.py", "A = 10\nB = 2\n", "B = 20\n"),
        ],
    )
    assert changes.files == {"src/util.py": File(b"B = 20\n")}


def test_create_delete_rename(snapshot: Snapshot) -> None:
    changes = apply_edits(
        snapshot,
        [
            Rename("bin/tool", "tools/run"),
            Replace("tools/run", "echo\n", "echo done\n"),
            Delete("src/util.py"),
            Create("src/util.py/inner.py", "x\n"),
            Create("new.py", ""),
        ],
    )
    assert list(changes.files.items()) == [
        ("bin/tool", None),
        ("new.py", File(b"")),
        ("src/util.py", None),
        ("src/util.py/inner.py", File(b"x\n")),
        ("tools/run", File(b"#!/bin/sh\necho done\n", "100755")),
    ]


def test_a_file_written_anew_keeps_its_mode(snapshot: Snapshot) -> None:
    changes = apply_edits(snapshot, [Delete("bin/tool"), Create("bin/tool", "#!/bin/bash\n")])
    assert changes.files == {"bin/tool": File(b"#!/bin/bash\n", "100755")}


def test_a_path_with_a_backslash_that_exists_can_be_edited(snapshot: Snapshot) -> None:
    assert apply_edits(snapshot, [Replace("back\\slash.txt", "x\n", "y\n")]).files


def test_edits_that_change_nothing(snapshot: Snapshot) -> None:
    assert "changes nothing" in refused(snapshot, Replace("src/util.py", "A = 1\n", "A = 1\n"))
    undone = [Replace("src/util.py", "A = 1\n", "A = 2\n"), Replace("src/util.py", "A = 2\n", "A = 1\n")]
    assert "as it was" in refused(snapshot, *undone)
    assert "as it was" in refused(snapshot, Create("x.py", "x\n"), Delete("x.py"))


def test_ambiguous_search_names_count_and_lines(snapshot: Snapshot) -> None:
    message = refused(snapshot, Replace("src/app.py", "    return 1\n", "    return 2\n"))
    assert "2 places" in message and "lines 5, 9" in message


def test_missing_search_shows_the_nearest_lines(snapshot: Snapshot) -> None:
    message = refused(snapshot, Replace("src/app.py", "def stop():\n    return 2\n", "x\n"))
    assert "line 9 of the file is\n    return 1" in message
    assert "     8  def stop():" in message
    message = refused(snapshot, Replace("src/app.py", "def run():\n  return 1\n", "x\n"))
    assert "only blanks differ" in message and "     5      return 1" in message
    message = refused(snapshot, Replace("src/app.py", "def stopp( ):\n", "x\n"))
    assert "     8  def stop():" in message


def test_search_matches_whole_lines_only(snapshot: Snapshot) -> None:
    assert "not in the file" in refused(snapshot, Replace("src/util.py", "A =\n", "Z\n"))


def test_messages_are_bounded(snapshot: Snapshot) -> None:
    wanted = "def run():\n" + "".join(f"{'x' * 5000} {number}\n" for number in range(500))
    message = refused(snapshot, *[Replace("src/app.py", wanted, "y\n")] * 50)
    assert len(message) < 20_000 and "42 more edits" in message


def test_all_refusals_come_at_once(snapshot: Snapshot) -> None:
    message = refused(
        snapshot, Delete("no.py"), Replace("src/util.py", "A = 1\n", "A = 2\n"), Create("empty.py", "x\n")
    )
    assert "Edit 1 (DELETE no.py)" in message and "Edit 3 (CREATE empty.py)" in message and "Edit 2" not in message


def test_empty_search(snapshot: Snapshot) -> None:
    assert apply_edits(snapshot, [Replace("empty.py", "", "x = 1\n")]).files == {"empty.py": File(b"x = 1\n")}
    assert "SEARCH part is empty" in refused(snapshot, Replace("src/util.py", "", "x\n"))
    assert "file is empty" in refused(snapshot, Replace("empty.py", "x\n", "y\n"))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Create("src/app.py", "x\n"), "already exists.*use SEARCH"),
        (Create("src", "x\n"), "is a folder"),
        (Create("src/app.py/x.py", "x\n"), "src/app.py is a file"),
        (Rename("src/util.py", "src/app.py"), "already exists"),
        (Rename("src/util.py", "src/util.py"), "already exists"),
        (Rename("src/none.py", "x.py"), "no such file"),
        (Delete("src/apps.py"), "Did you mean: src/app.py"),
        (Replace("lib/util.py", "x\n", "y\n"), "Did you mean: src/util.py"),
        (Delete("src"), "is a folder"),
        (Replace("logo.png", "x\n", "y\n"), "binary"),
        (Replace("link.py", "x\n", "y\n"), "symbolic link"),
        (Delete("link.py"), "symbolic link"),
        (Rename("link.py", "x.py"), "symbolic link"),
        (Create("out/x.py", "x\n"), "symbolic link"),
        (Replace("out/x.py", "x\n", "y\n"), "symbolic link"),
        (Delete("vendor"), "submodule"),
        (Create("vendor/x.py", "x\n"), "submodule"),
        (Create("nul.py", "x\0y\n"), "NUL"),
        (Create("lone.py", "\ud800\n"), "cannot hold"),
    ],
)
def test_refused(snapshot: Snapshot, edit: Edit, said: str) -> None:
    assert pytest.raises(EditRefused, apply_edits, snapshot, [edit]).match(said)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "C:/x.py",
        "c:x.py",
        "\\x.py",
        "\\\\host\\x.py",
        "../x.py",
        "src/../x.py",
        "src/..",
        "..\\x.py",
        ".git/config",
        ".GIT/hooks/pre-commit",
        "sub/.git/config",
        "sub/.Git",
        "git~1/config",
        "GIT~1",
        ".git./config",
        ".git /config",
        ".git\\config",
        ".g\u200cit/config",
        ".git::$INDEX_ALLOCATION/config",
        "",
        "src/",
        "a//b.py",
        "./a.py",
        "a/./b.py",
        "a\0b.py",
        "a\nb.py",
        "a\x1b[2Jb.py",
        "a\x7f.py",
        "a\x85.py",
        "a\\b.py",
        "a\ud800.py",
        "a\udce9.py",
        "x" * 300,
        "x/" * 900 + "x",
    ],
)
def test_path_refused(snapshot: Snapshot, path: str) -> None:
    for edit in (Create(path, "x\n"), Replace(path, "x\n", "y\n"), Delete(path), Rename("src/util.py", path)):
        with pytest.raises(EditRefused):
            apply_edits(snapshot, [edit])


@pytest.mark.parametrize(
    "path", [".gitignore", ".github/x.yml", "src/git.py", "a b.py", "\N{SNOWMAN}.py", "..x", "a..b"]
)
def test_path_accepted(snapshot: Snapshot, path: str) -> None:
    assert apply_edits(snapshot, [Create(path, "x\n")]).files == {path: File(b"x\n")}


@pytest.mark.parametrize(
    ("before", "search", "replacement", "after"),
    [
        (b"a\r\nb\r\n", "b\n", "c\nd\n", b"a\r\nc\r\nd\r\n"),
        (b"a\r\nb\r\n", "b\r\n", "c\r\n", b"a\r\nc\r\n"),
        (b"a\nb\n", "b\r\n", "c\r\n", b"a\nc\n"),
        (b"a\r\nb\nc\r\nd\n", "a\nb\nc\n", "a\nx\nc\n", b"a\r\nx\nc\r\nd\n"),
        (b"a\nb", "b\n", "c\n", b"a\nc"),
        (b"a\r\nb", "b\n", "c\nd\n", b"a\r\nc\r\nd"),
        (b"a\nb", "a\nb\n", "a\nb\nc\n", b"a\nb\nc"),
        (b"a\nb", "a\n", "c\n", b"c\nb"),
        (b"a\nb", "b\n", "", b"a\n"),
        (b"a", "a\n", "", b""),
        (b"\xef\xbb\xbfa\nb\n", "a\n", "c\n", b"\xef\xbb\xbfc\nb\n"),
        (b"\xef\xbb\xbfa\nb\n", "\ufeffa\n", "\ufeffc\n", b"\xef\xbb\xbfc\nb\n"),
        (b"\xef\xbb\xbf", "", "c\n", b"\xef\xbb\xbfc\n"),
        (b"caf\xe9\nx\n", "x\n", "\xfc\n", b"caf\xe9\n\xfc\n"),
        (b"caf\xe9\nx\n", "caf\xe9\n", "th\xe9\n", b"th\xe9\nx\n"),
        (b"caf\xc3\xa9\nx\n", "caf\xe9\n", "\N{SNOWMAN}\n", b"\xe2\x98\x83\nx\n"),
        ("a\u2028b\nc\n".encode(), "a\u2028b\n", "d\n", b"d\nc\n"),
        (b"a\x0cb\x0bc\nd\n", "a\x0cb\x0bc\n", "e\n", b"e\nd\n"),
        (b"a\rb\nc\n", "a\rb\n", "d\n", b"d\nc\n"),
        (b"a\r\r\nb\n", "b\n", "c\n", b"a\r\r\nc\n"),
        (b"x\n=======\ny\n", "=======\n", "-------\n", b"x\n-------\ny\n"),
        (b"x\n\n\ny\n", "x\n\n", "x\n", b"x\n\ny\n"),
    ],
)
def test_bytes(before: bytes, search: str, replacement: str, after: bytes) -> None:
    assert replace_lines(before, search, replacement) == after


def test_text_that_the_files_encoding_cannot_hold() -> None:
    with pytest.raises(EditRefused, match="latin-1"):
        replace_lines(b"caf\xe9\nx\n", "x\n", "\N{SNOWMAN}\n")


ENDING = st.sampled_from(["\n", "\r\n"])
BODIES = st.text(st.sampled_from("ab =\t\x0c\x85\u2028\u2603\xe9\r"), max_size=4).filter(lambda s: not s.endswith("\r"))


@given(
    before=st.lists(st.tuples(BODIES, ENDING), max_size=6),
    old=st.lists(st.tuples(BODIES, ENDING), min_size=1, max_size=4),
    new=st.lists(BODIES, max_size=4),
    after=st.lists(st.tuples(BODIES, ENDING), max_size=6),
    final_newline=st.booleans(),
    bom=st.booleans(),
)
def test_nothing_but_the_place_changes(
    before: list[tuple[str, str]],
    old: list[tuple[str, str]],
    new: list[str],
    after: list[tuple[str, str]],
    final_newline: bool,
    bom: bool,
) -> None:
    """Marked at its first line, so that it stands once, the place is replaced and every other byte stays."""
    old = [("unique", old[0][1]), *old[1:]]
    lines = [*before, *old, *after]
    if not final_newline and lines[-1][0]:
        lines[-1] = (lines[-1][0], "")

    def join(lines: list[tuple[str, str]]) -> bytes:
        return "".join(body + ending for body, ending in lines).encode()

    mark = b"\xef\xbb\xbf" if bom else b""
    content = mark + join(lines)
    result = replace_lines(content, "".join(f"{body}\n" for body, _ in old), "".join(f"{line}\n" for line in new))
    head = mark + join(lines[: len(before)])
    tail = join(lines[len(before) + len(old) :])
    assert result.startswith(head) and result.endswith(tail)
    middle = result[len(head) : len(result) - len(tail)].decode()
    assert [line.removesuffix("\r") for line in middle.split("\n")][: len(new)] == new
    assert middle.count("\n") == len(new) - bool(new and not after and not lines[-1][1])
