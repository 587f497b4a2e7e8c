"""A patch on a new branch: its preconditions, that no program of the repository runs, and the resulting commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemonkeys.errors import BadInput
from codemonkeys.tasks.branches import apply_on_branch, branch_of, check_can_apply, message
from tests.repositories import commit_all, git, make_repository
from tests.tasks.test_local_repository import make_evil

PATCH = """\
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1 +1 @@
-x = 1
+x = 2
diff --git a/deep/new.dat b/deep/new.dat
new file mode 100644
--- /dev/null
+++ b/deep/new.dat
@@ -0,0 +1 @@
+data
"""
BRANCH = branch_of("tonight")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "mine", {"a.py": b"x = 1\n", ".gitattributes": b"*.dat filter=evil\n"})


def head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD").decode().strip()


def test_a_patch_goes_on_a_branch_of_its_own(repository: Path, tmp_path: Path) -> None:
    base = head(repository)
    before = git(repository, "branch", "--show-current").decode().strip()
    (repository / "untracked.txt").write_text("mine")
    make_evil(repository, tmp_path / "ran")
    made = apply_on_branch(repository, BRANCH, base, PATCH, "# It \x1b[31mbreaks\n\nlong story")
    assert not (tmp_path / "ran").exists()
    for hostile in ("core.fsmonitor", "core.pager"):
        git(repository, "config", "--unset", hostile)
    assert (repository / "a.py").read_text() == "x = 2\n" and (repository / "deep/new.dat").read_text() == "data\n"
    assert git(repository, "branch", "--show-current").decode().strip() == BRANCH and head(repository) == made
    assert git(repository, "log", "-1", "--format=%P %s").decode().strip() == f"{base} Fix: It breaks"
    assert git(repository, "rev-parse", before).decode().strip() == base
    assert (repository / "untracked.txt").read_text() == "mine"


def test_a_linked_worktree_gets_its_own(repository: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "--quiet", "--detach", str(linked))
    apply_on_branch(linked, BRANCH, head(repository), PATCH, "x")
    assert (linked / "a.py").read_text() == "x = 2\n" and (repository / "a.py").read_text() == "x = 1\n"


def spoil(repository: Path, how: str) -> None:
    match how:
        case "changed":
            (repository / "a.py").write_text("x = 3\n")
        case "staged":
            (repository / "b.py").touch()
            git(repository, "add", "b.py")
        case "branch":
            git(repository, "branch", BRANCH)
        case "above":
            git(repository, "branch", "codemonkeys")
        case "moved":
            (repository / "c.py").touch()
            commit_all(repository)
        case "merging":
            (repository / ".git" / "MERGE_HEAD").write_text(head(repository))
        case "elsewhere":
            # A hostile setting that moves the working tree: what is meant is the folder that was given.
            git(repository, "config", "core.worktree", str(repository.parent))
            (repository / "a.py").write_text("x = 3\n")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("changed", "has uncommitted changes"),
        ("staged", "has uncommitted changes"),
        ("branch", "already has a branch codemonkeys/tonight,"),
        ("above", "already has a branch codemonkeys,"),
        ("moved", "has another commit checked out"),
        ("merging", "in the middle of another operation"),
        ("elsewhere", "has uncommitted changes"),
    ],
)
def test_nothing_of_the_users_is_touched_or_overwritten(repository: Path, how: str, said: str) -> None:
    base = head(repository)
    spoil(repository, how)
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file() and path.name != "index"}
    for attempt in (
        lambda: check_can_apply(repository, BRANCH, base),
        lambda: apply_on_branch(repository, BRANCH, base, PATCH, "x"),
    ):
        with pytest.raises(BadInput, match=said):
            attempt()
    after = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file() and path.name != "index"}
    assert after == before


def test_an_untracked_file_in_the_way_is_kept(repository: Path) -> None:
    (repository / "deep").mkdir()
    (repository / "deep" / "new.dat").write_text("mine")
    with pytest.raises(BadInput, match=f"the patch is on branch {BRANCH}, but that could not be checked out"):
        apply_on_branch(repository, BRANCH, head(repository), PATCH, "x")
    assert (repository / "deep" / "new.dat").read_text() == "mine" and (repository / "a.py").read_text() == "x = 1\n"
    assert git(repository, "show", f"{BRANCH}:a.py") == b"x = 2\n"


def test_messages_are_short_and_harmless() -> None:
    assert message("\n## \x1b]0;t\x07" + "word " * 40).splitlines()[0].startswith("Fix: word word")
    assert all(len(line) <= 75 for line in message("y" * 500).splitlines())
    assert message("").startswith("Fix: an issue")
