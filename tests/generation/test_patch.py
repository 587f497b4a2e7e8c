from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.generation.answers import Create, Delete, Edit, Rename, Replace, parse_answer, render_edits
from codemonkeys.generation.edits import Changes, EditRefused, File, apply_edits
from codemonkeys.generation.patch import changes_of, check_patch, make_patch, patch_paths, patched_files
from codemonkeys.system.git import Git
from codemonkeys.tasks.snapshot import Snapshot
from tests.repositories import commit_all, git, make_repository

FILES = {
    "a.py": b"x = 1\ny = 2\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "no_newline.txt": b"one\ntwo",
    "latin.txt": b"caf\xe9\none\n",
    "late_nul.txt": b"x\n" * 5000 + b"\0\none\n",
    "logo.png": b"\x89PNG\0\0\n" + bytes(range(256)),
    "long.txt": "".join(f"line {number}\n" for number in range(40)).encode(),
    "empty.txt": b"",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", FILES)


@pytest.fixture
def snapshot(repository: Path) -> Iterator[Snapshot]:
    with Snapshot.of_repository(repository) as snapshot:
        yield snapshot


def files_in(folder: Path) -> dict[str, bytes]:
    """Path to content of every file beneath a folder, git's own left out."""
    found = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(parent) / name
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def expected(before: Mapping[str, bytes], changes: Changes) -> dict[str, bytes]:
    after = dict(before)
    for path, file in changes.files.items():
        if file is None:
            del after[path]
        else:
            after[path] = file.content
    return after


def assert_applies(folder: Path, snapshot: Snapshot, changes: Changes) -> str:
    """Make the patch, and let git apply it to the checkout in the folder; the result is the changes, byte for byte."""
    before = files_in(folder)
    patch = make_patch(snapshot, changes)
    assert patch.endswith("\n") and patch.encode().decode() == patch
    git(folder, "apply", "--whitespace=nowarn", "-", stdin=patch.encode())
    assert files_in(folder) == expected(before, changes)
    assert set(changes.files) == set(patch_paths(patch))
    assert check_patch(snapshot, patch) is None
    assert changes_of(snapshot, patch) == changes
    return patch


def test_a_change_that_several_make_at_a_time_is_diffed_once(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails is no result for the others: the session that it belonged to may have been given up."""
    change = apply_edits(snapshot, [Replace("a.py", "x = 1\n", "x = 7\n")])
    diffs, run = [], Git.run

    def counted(git: Git, *arguments: str, stdin: bytes = b"") -> bytes:
        if arguments[0] == "diff-tree":
            diffs.append(arguments)
            if len(diffs) == 1:
                raise EnvironmentFailed("killed")
        return run(git, *arguments, stdin=stdin)

    monkeypatch.setattr(Git, "run", counted)
    with pytest.raises(EnvironmentFailed):
        make_patch(snapshot, change)
    together = Barrier(8)

    def make(number: int) -> str:
        together.wait()
        return make_patch(snapshot, change)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(make, range(8)))) == 1
    assert len(diffs) == 2


def test_every_kind_of_file(repository: Path, snapshot: Snapshot) -> None:
    edits: list[Edit] = [
        Replace("a.py", "x = 1\n", "x = '\N{SNOWMAN}'\n"),
        Replace("crlf.txt", "two\n", "2\n3\n"),
        Replace("no_newline.txt", "two\n", "zwei\n"),
        Replace("latin.txt", "one\n", "\xe9ins\n"),
        Replace("late_nul.txt", "one\n", "eins\n"),
        Rename("logo.png", "img/logo.png"),
        Rename("long.txt", "longer.txt"),
        Replace("longer.txt", "line 3\n", "line three\n"),
        Delete("empty.txt"),
        Create("new/empty.txt", ""),
        Create("new/control.txt", "a\x0cb\x85c\u2028d\re\n"),
    ]
    patch = assert_applies(repository, snapshot, apply_edits(snapshot, edits))
    assert "rename from long.txt\nrename to longer.txt" in patch
    assert "rename from logo.png\nrename to img/logo.png" in patch
    assert patch.count("GIT binary patch") == 2


@pytest.mark.parametrize(
    "path",
    [
        "with space.txt",
        "tab\tin name.txt",
        'quote".txt',
        "back\\slash.txt",
        "\N{SNOWMAN}.txt",
        "[a]*?.txt",
        "!not.txt",
        "#hash.txt",
        "-dash.txt",
        " leading/ and trailing ",
        "b/b/b",
        "a b/a b",
        "caf\udce9.txt",
        "new\nline.txt",
    ],
)
@pytest.mark.parametrize("content", [b"no newline", b"\xff\xfe\n"])
@pytest.mark.slow
def test_odd_paths(tmp_path: Path, path: str, content: bytes) -> None:
    old = Path(os.fsdecode(os.fsencode(path)))
    repository = make_repository(tmp_path / "r", {str(old): b"text before\n", "other": content})
    with Snapshot.of_repository(repository) as snapshot:
        changed = Changes({path: File(content)})
        moved = Changes({f"moved/{path}": File(b"text before\n"), path: None})
        patch = assert_applies(repository, snapshot, changed)
        assert patch_paths(patch) == (path,)
        git(repository, "checkout", "--quiet", ".")
        assert_applies(repository, snapshot, moved)


def test_mode_is_kept_and_shown(repository: Path) -> None:
    (repository / "a.py").chmod(0o755)
    commit_all(repository)
    with Snapshot.of_repository(repository) as snapshot:
        assert_applies(repository, snapshot, apply_edits(snapshot, [Rename("a.py", "b.py")]))
        assert os.access(repository / "b.py", os.X_OK)
        chmod = make_patch(snapshot, Changes({"crlf.txt": File(FILES["crlf.txt"], "100755")}))
        assert "new mode 100755" in chmod and patch_paths(chmod) == ("crlf.txt",)
        assert changes_of(snapshot, chmod).files["crlf.txt"] == File(FILES["crlf.txt"], "100755")


def test_file_and_folder_change_places(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r", {"thing": b"x\n", "folder/inner": b"y\n", "z": b""})
    with Snapshot.of_repository(repository) as snapshot:
        edits: list[Edit] = [
            Delete("thing"),
            Create("thing/inner", "z\n"),
            Delete("folder/inner"),
            Create("folder", "w\n"),
        ]
        changes = apply_edits(snapshot, edits)
        assert_applies(repository, snapshot, changes)


def test_everything_deleted(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r", {"only": b"x\n"})
    with Snapshot.of_repository(repository) as snapshot:
        assert_applies(repository, snapshot, apply_edits(snapshot, [Delete("only")]))


def test_attributes_and_configuration_have_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot
) -> None:
    edits: list[Edit] = [
        Replace("a.py", "x = 1\n", "x = 3\n"),
        Replace("crlf.txt", "two\n", "2\n"),
        Create("n.txt", "\xe9\n"),
    ]
    plain = make_patch(snapshot, apply_edits(snapshot, edits))
    attributes = (
        b"* -diff binary eol=crlf filter=evil ident working-tree-encoding=UTF-16\n*.py diff=evil\n*.txt text=auto\n"
    )
    repository = make_repository(tmp_path / "r", {**FILES, "src/x": b""})
    # Written by plumbing, because the attributes themselves would keep git from adding files as they are.
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=attributes).decode().strip()
    git(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob},.gitattributes")
    git(repository, "commit", "--quiet", "--message=attributes")
    for name, value in {
        "diff.evil.textconv": "echo evil",
        "diff.evil.command": "echo evil",
        "diff.external": "echo evil",
        "diff.noprefix": "true",
        "diff.renames": "copies",
        "core.autocrlf": "true",
        "color.ui": "always",
        "core.quotePath": "false",
    }.items():
        git(repository, "config", name, value)
    git(repository, "config", "--file", str(tmp_path / ".gitconfig"), "diff.external", "echo evil")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "echo evil")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    with Snapshot.of_repository(repository) as other:
        changes = apply_edits(other, edits)
        assert make_patch(other, changes) == plain
        assert changes_of(other, plain) == changes


def test_source_repository_is_never_written(repository: Path, snapshot: Snapshot) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()}

    before = contents()
    patch = make_patch(snapshot, apply_edits(snapshot, [Create("n.txt", "x\n"), Rename("a.py", "b.py")]))
    changes_of(snapshot, patch)
    assert contents() == before


@pytest.mark.slow
def test_hunk_context_cut_within_a_character(tmp_path: Path) -> None:
    body = "".join(f"    x = {number}\n" for number in range(10))
    for width in range(70, 84):
        content = ("def " + "a" * width + "\N{SNOWMAN}" * 9 + f"():\n{body}").encode()
        repository = make_repository(tmp_path / str(width), {"a.py": content})
        with Snapshot.of_repository(repository) as snapshot:
            assert_applies(repository, snapshot, apply_edits(snapshot, [Replace("a.py", "    x = 8\n", "    x = 0\n")]))


def test_same_changes_give_the_same_patch(snapshot: Snapshot) -> None:
    one: list[Edit] = [
        Create("z.txt", "z\n"),
        Replace("a.py", "x = 1\n", "x = 2\n"),
        Replace("crlf.txt", "one\n", "1\n"),
    ]
    patches = {make_patch(snapshot, apply_edits(snapshot, edits)) for edits in (one, one[::-1])}
    assert len(patches) == 1
    assert patch_paths(patches.pop()) == ("a.py", "crlf.txt", "z.txt")


def test_no_changes_no_patch(snapshot: Snapshot) -> None:
    assert make_patch(snapshot, Changes({})) == ""


FOREIGN = """--- a/a.py\t2024-01-01 00:00:00
+++ b/a.py\t2024-01-01 00:00:01
@@ -1,2 +1,2 @@
 x = 1
-y = 2
+y = 3
"""


def test_foreign_patch(snapshot: Snapshot) -> None:
    assert check_patch(snapshot, FOREIGN) is None
    assert patched_files(snapshot, FOREIGN) == {"a.py": b"x = 1\ny = 3\n"}
    assert make_patch(snapshot, changes_of(snapshot, FOREIGN)).startswith("diff --git a/a.py b/a.py\n")
    removal = make_patch(snapshot, Changes({"a.py": None}))
    assert patched_files(snapshot, removal) == {"a.py": None}


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("", "No valid patches"),
        ("I changed a.py.\n", "No valid patches"),
        (FOREIGN.replace("y = 2", "y = 4"), "patch failed: a.py:1"),
        (FOREIGN.replace("a.py", "b.py"), "b.py: does not exist"),
        (FOREIGN.replace("+y = 3\n", ""), "corrupt patch"),
        (FOREIGN.replace("/a.py", "/../a.py"), "a.py"),
        ("--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+x\n", "invalid path '.git/config'"),
        ("--- /dev/null\n+++ b/a.py/x\n@@ -0,0 +1 @@\n+\ud800\n", ""),
    ],
)
def test_patch_that_does_not_apply(snapshot: Snapshot, patch: str, said: str) -> None:
    if said:
        problem = check_patch(snapshot, patch)
        assert problem and said in problem
        with pytest.raises(BadInput, match="does not apply"):
            changes_of(snapshot, patch)
    else:
        check_patch(snapshot, patch)  # whatever git says, it is said and not raised


def test_paths_of_a_patch_are_not_read_from_changed_lines() -> None:
    patch = """diff --git a/x.sql b/x.sql
index 1..2 100644
--- a/x.sql
+++ b/x.sql
@@ -1,3 +1,3 @@ diff --git a/no b/no
--- a/not_a_path
-rename from nor_this
+++ b/not_a_path
+diff --git a/nor b/that
 context
diff --git a/run sh b/run sh
old mode 100644
new mode 100755
"""
    assert patch_paths(patch) == ("x.sql", "run sh")


# Lines that have broken appliers before, and enough equal ones to make searches ambiguous at times.
LINE = st.one_of(
    st.sampled_from(
        ["", "a", "b", "=======", "<<<<<<< HEAD", ">>>>>>> END", "-- x", "++ y", "\\ No newline", "@@ -1 +1 @@"]
    ),
    st.text(st.sampled_from("ab \t\x0c\x0b\x85\xe9\u2028\u2603\r"), max_size=5),
)
NAMES = ["a.py", "b.txt", "d/a.py", "d/e/f.md", "with space.c", "\N{SNOWMAN}.rs", "new.py", "n/new.txt"]


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    lines = draw(st.lists(st.tuples(LINE, st.sampled_from([ending, ending, ending, "\n", "\r\n"])), max_size=12))
    text = "".join(line + end for line, end in lines)
    text = text if draw(st.booleans()) else text.removesuffix("\n").removesuffix("\r")
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "latin-1"]))
    return text.encode(encoding, "replace")


@st.composite
def edits_of(draw: st.DrawFn, files: Mapping[str, bytes]) -> list[Edit]:
    body = st.lists(LINE, max_size=4).map(lambda lines: "".join(f"{line}\n" for line in lines))
    edits: list[Edit] = []
    for _ in range(draw(st.integers(1, 5))):
        path = draw(st.sampled_from(sorted(files)))
        lines = files[path].decode("utf-8-sig", "replace").replace("\r\n", "\n").split("\n")
        start = draw(st.integers(0, len(lines)))
        search = "".join(f"{line}\n" for line in lines[start : start + draw(st.integers(1, 4))])
        edits.append(
            draw(
                st.one_of(
                    st.builds(Replace, st.just(path), st.just(search), body),
                    st.builds(Replace, st.just(path), st.just(search), body),
                    st.builds(Create, st.sampled_from(NAMES), body),
                    st.builds(Delete, st.just(path)),
                    st.builds(Rename, st.just(path), st.sampled_from(NAMES)),
                )
            )
        )
    return edits


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_patch_equals_edits_on_a_real_checkout(data: st.DataObject) -> None:
    files = data.draw(st.dictionaries(st.sampled_from(NAMES), contents(), min_size=1, max_size=4))
    edits = data.draw(edits_of(files))
    with tempfile.TemporaryDirectory() as folder:
        repository = make_repository(Path(folder) / "r", files)
        with Snapshot.of_repository(repository) as snapshot:
            accepted: list[Edit] = []
            for edit in edits:  # what the applier refuses is left out, so that most examples reach git
                try:
                    apply_edits(snapshot, [*accepted, edit])
                except EditRefused as refusal:
                    if "as it was" not in str(refusal):
                        continue
                accepted.append(edit)
            rendered = render_edits(accepted, "c0ffee42")
            try:
                changes = apply_edits(snapshot, accepted)
            except EditRefused:
                return
            read = parse_answer(rendered, "c0ffee42").edits
            assert read == tuple(accepted)
            assert_applies(repository, snapshot, changes)


def test_many_threads_share_a_snapshot(snapshot: Snapshot) -> None:
    def patch(number: int) -> str:
        return make_patch(snapshot, apply_edits(snapshot, [Replace("a.py", "x = 1\n", f"x = {number}\n")]))

    with ThreadPoolExecutor(4) as pool:
        for number, made in enumerate(pool.map(patch, range(2, 12)), 2):
            assert f"+x = {number}\n" in made
