from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.tasks.snapshot import AT_ONCE, Snapshot, decode, once_for_each
from tests.repositories import commit_all, git, make_repository

FILES = {
    "src/a.py": b"print('a')\n",
    "b.py": b"",
    "bin/run": b"#!/bin/sh\n",
    "logo.png": b"\x89PNG\0\0",
    "latin.txt": "caf\xe9\r\n".encode("latin-1"),
    "with space/\N{SNOWMAN}.py": "snow = '\N{SNOWMAN}'\n".encode(),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = make_repository(tmp_path / "repository", FILES)
    (folder / "bin/run").chmod(0o755)
    (folder / "link").symlink_to("src/a.py")
    commit_all(folder)
    return folder


def test_entries_are_the_commit_not_the_working_copy(repository: Path) -> None:
    (repository / "src/a.py").write_text("changed\n")
    (repository / "untracked.py").write_text("")
    with Snapshot.of_repository(repository) as snapshot:
        assert [entry.path for entry in snapshot.entries] == sorted([*FILES, "link"])
        assert {path: snapshot.read(path) for path in FILES} == FILES
        assert {entry.path: entry.size for entry in snapshot.entries if entry.path in FILES} == {
            path: len(content) for path, content in FILES.items()
        }
        assert snapshot.entry("bin/run").mode == "100755"
        assert "b.py" in snapshot and "untracked.py" not in snapshot
        assert snapshot.commit == git(repository, "rev-parse", "HEAD").decode().strip()
        assert snapshot.tree == git(repository, "rev-parse", "HEAD^{tree}").decode().strip()


def test_older_commit_and_branch_names(repository: Path) -> None:
    (repository / "b.py").write_text("new\n")
    commit_all(repository)
    for name in ("HEAD~1", git(repository, "rev-parse", "HEAD~1").decode().strip()):
        with Snapshot.of_repository(repository, name) as snapshot:
            assert snapshot.read("b.py") == b""
    with Snapshot.of_repository(repository, "main") as snapshot:
        assert snapshot.read("b.py") == b"new\n"


def test_text(repository: Path) -> None:
    with Snapshot.of_repository(repository) as snapshot:
        assert snapshot.text("src/a.py") == "print('a')\n"
        assert snapshot.text("latin.txt") == "caf\xe9\r\n"
        assert snapshot.text("b.py") == ""
        assert snapshot.text("logo.png") is None
        assert snapshot.text("link") is None
        assert snapshot.read("link") == b"src/a.py"


def test_texts_of_many_files_are_those_of_each(tmp_path: Path) -> None:
    files = {f"{number:03}.txt": b"\n" * number for number in range(2 * AT_ONCE + 1)}
    repository = make_repository(tmp_path / "many", {**files, "logo.png": b"\x89PNG\0", "latin.txt": b"caf\xe9"})
    (repository / "link").symlink_to("latin.txt")
    commit_all(repository)
    with Snapshot.of_repository(repository) as snapshot:
        paths = [entry.path for entry in reversed(snapshot.entries)]
        assert list(snapshot.texts(paths)) == [(path, snapshot.text(path)) for path in paths]
        with pytest.raises(BadInput, match="does not exist"):
            list(snapshot.texts(["000.txt", "nowhere.txt"]))
        blob = snapshot.entry("070.txt").blob
        (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        with pytest.raises(EnvironmentFailed, match=r"lost the content of '070\.txt'"):
            list(snapshot.texts(paths))
        assert snapshot.text("071.txt") == "\n" * 71


def test_what_is_told_once_for_each_snapshot_is_asked_again_of_another(repository: Path) -> None:
    asked = []

    @once_for_each
    def number_of_files(snapshot: Snapshot) -> int:
        asked.append(snapshot.commit)
        return len(snapshot.entries)

    with Snapshot.of_repository(repository) as one, Snapshot.of_repository(repository) as other:
        assert number_of_files(one) == number_of_files(one) == number_of_files(other) == len(one.entries)
        assert len(asked) == 2
    kept = weakref.ref(one)
    del one
    gc.collect()
    assert kept() is None


def test_every_byte_survives_decoding() -> None:
    for content in (bytes(range(256)), "\ufeffx\n".encode(), b""):
        text, encoding = decode(content)
        assert text.encode(encoding) == content


def test_submodule_is_an_entry_without_content(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD").decode().strip()
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/lib")
    git(repository, "commit", "--quiet", "--message=submodule")
    with Snapshot.of_repository(repository) as snapshot:
        assert snapshot.entry("vendor/lib").mode == "160000"
        assert not snapshot.entry("vendor/lib").is_file
        assert snapshot.text("vendor/lib") is None
        with pytest.raises(BadInput, match="submodule"):
            snapshot.read("vendor/lib")


def test_path_that_is_not_utf8(repository: Path) -> None:
    with open(os.fsencode(repository) + b"/caf\xe9.py", "wb") as file:
        file.write(b"x = 1\n")
    commit_all(repository)
    with Snapshot.of_repository(repository) as snapshot:
        assert snapshot.read("caf\udce9.py") == b"x = 1\n"


@pytest.mark.parametrize("commit", ["no-such-branch", "0" * 40, "--all", "HEAD:b.py", ""])
def test_missing_commit(repository: Path, commit: str) -> None:
    with pytest.raises(BadInput, match="has no commit"):
        Snapshot.of_repository(repository, commit)


def test_no_repository(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BadInput, match="is not a git repository"):
            Snapshot.of_repository(folder)


def test_missing_path(repository: Path) -> None:
    with Snapshot.of_repository(repository) as snapshot, pytest.raises(BadInput, match="does not exist"):
        snapshot.read("nowhere.py")


def test_bare_repository_and_linked_worktree(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare.git")
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    for folder in (tmp_path / "bare.git", tmp_path / "side"):
        with Snapshot.of_repository(folder) as snapshot:
            assert snapshot.read("src/a.py") == FILES["src/a.py"]
            assert (snapshot.git_dir / "objects").is_dir()


def test_variables_of_a_git_hook_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other", {"other.py": b""})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git/objects"))
    with Snapshot.of_repository(repository) as snapshot:
        assert snapshot.read("src/a.py") == FILES["src/a.py"]


def test_reads_from_many_threads(tmp_path: Path) -> None:
    files = {f"f{number}.txt": f"{number}\n".encode() * number for number in range(100)}
    with Snapshot.of_repository(make_repository(tmp_path / "r", files)) as snapshot, ThreadPoolExecutor(8) as pool:
        assert dict(zip(files, pool.map(snapshot.read, files), strict=True)) == files


def test_content_that_git_lost(repository: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:src/a.py").decode().strip()
    with Snapshot.of_repository(repository) as snapshot:
        (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
        with pytest.raises(EnvironmentFailed, match="lost the content of 'src/a.py'"):
            snapshot.read("src/a.py")
        assert snapshot.read("b.py") == b""
    with pytest.raises(EnvironmentFailed, match="the repository lacks the content of 'src/a.py'"):
        Snapshot.of_repository(repository)


def test_sha256_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "r")
    commit_all(tmp_path / "r")
    with pytest.raises(BadInput, match="SHA-256"):
        Snapshot.of_repository(tmp_path / "r")


def test_a_folder_is_a_snapshot_of_its_own(make_snapshot: Callable[..., Snapshot]) -> None:
    whole = make_snapshot({"a/b/c.txt": "c\n", "a/d.txt": "d\n", "ab/e.txt": "e\n"})
    inside = whole.within("a")
    assert [entry.path for entry in inside.entries] == ["b/c.txt", "d.txt"] and inside.commit == whole.commit
    assert inside.text("d.txt") == "d\n" and "a/d.txt" not in inside and inside.tree != whole.tree
    assert whole.within("a") is inside and whole.within("") is whole
    with pytest.raises(BadInput, match="no folder 'b'"):
        whole.within("b")
    whole.close()
    with pytest.raises(EnvironmentFailed, match="was closed"):
        inside.read("d.txt")
