"""Whatever an image's repository holds beside its base is gone after the scrub, and seen by the verification before."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandboxes import Environment, Execution, Script, history
from sandboxes.local import LocalSandbox

pytestmark = pytest.mark.slow

FUTURE = "the fix of the future"
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


class Image:
    """Two folders of an image that is to be: the repository at /testbed, and /elsewhere."""

    def __init__(self, place: Path) -> None:
        self.repository, self.elsewhere = place / "testbed", place / "elsewhere"
        self.repository.mkdir()
        self.elsewhere.mkdir()
        self.git("init", "-q", "-b", "main")
        (self.repository / "code.py").write_text("base\n")
        (self.repository / ".gitignore").write_text("*.log\nbuild/\n")
        (self.repository / "kept.log").write_text("tracked and ignored\n")
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "-m", "base")
        (self.repository / "build").mkdir()
        (self.repository / "build" / "made.log").write_text("ignored\n")

    def git(self, *words: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=folder or self.repository,
            env=os.environ | IDENTITY,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit_future(self, folder: Path | None = None) -> str:
        """Commit what nobody may find; returns the commit, which is checked out."""
        ((folder or self.repository) / "code.py").write_text(FUTURE + "\n")
        self.git("commit", "-q", "-a", "-m", "future", folder=folder)
        return self.git("rev-parse", "HEAD", folder=folder)

    def back(self) -> None:
        self.git("checkout", "-q", "-B", "main", ":/base")

    def environment(self) -> Environment:
        folders = (("/testbed", self.repository), ("/elsewhere", self.elsewhere))
        return Environment("image", folders=folders)


def nothing(image: Image) -> None:
    """The history as it should be, but for who committed it."""


def a_branch(image: Image) -> None:
    image.git("checkout", "-q", "-b", "later")
    image.commit_future()
    image.git("checkout", "-q", "main")


def earlier_commits(image: Image) -> None:
    image.commit_future()
    (image.repository / "code.py").write_text("base\n")
    image.git("commit", "-q", "-a", "-m", "base again")


def tags(image: Image) -> None:
    image.commit_future()
    image.git("tag", "light")
    image.git("tag", "-m", "told", "heavy")
    image.back()
    image.git("reflog", "expire", "--expire=now", "--all")


def a_remote(image: Image) -> None:
    image.git("clone", "-q", "--bare", str(image.repository), str(image.elsewhere / "origin.git"))
    image.git("remote", "add", "origin", str(image.elsewhere / "origin.git"))
    image.commit_future()
    image.git("push", "-q", "origin", "HEAD:main")
    image.back()
    image.git("fetch", "-q", "origin")


def a_stash(image: Image) -> None:
    (image.repository / "code.py").write_text(FUTURE + "\n")
    image.git("stash")


def a_reflog(image: Image) -> None:
    image.commit_future()
    image.git("reset", "-q", "--hard", "HEAD~")


def notes_and_replacements(image: Image) -> None:
    future = image.commit_future()
    image.git("reset", "-q", "--hard", "HEAD~")
    image.git("notes", "add", "-m", FUTURE)
    image.git("replace", "HEAD", future)


def an_unreachable_pack(image: Image) -> None:
    image.commit_future()
    image.git("repack", "-a", "-d", "-q")
    image.git("reset", "-q", "--hard", "HEAD~")
    image.git("reflog", "expire", "--expire=now", "--all")


def a_pack_without_index(image: Image) -> None:
    an_unreachable_pack(image)
    for index in (image.repository / ".git" / "objects" / "pack").glob("*.idx"):
        index.with_suffix(".pack").rename(index.with_name("tmp_pack_abc"))
        index.unlink()
    # The objects of the base are written anew: git takes those of an index that matches the files to be there.
    image.git("read-tree", "--empty")
    image.git("add", "-A", "-f")
    image.git("update-ref", "refs/heads/main", image.git("commit-tree", "-m", "base", image.git("write-tree")))


def alternates(image: Image) -> None:
    image.commit_future()
    image.git("clone", "-q", "--bare", str(image.repository), str(image.elsewhere / "borrowed store.git"))
    image.git("reset", "-q", "--hard", "HEAD~")
    (image.repository / ".git/objects/info/alternates").write_text("/elsewhere/borrowed store.git/objects\n")
    image.git("reflog", "expire", "--expire=now", "--all")
    image.git("prune", "--expire=now")


def a_work_tree_elsewhere(image: Image) -> None:
    tree = image.elsewhere / "later"
    image.git("worktree", "add", "-q", "-b", "later", str(tree))
    image.commit_future(tree)
    (image.repository / ".git/worktrees/later/gitdir").write_text("/elsewhere/later/.git\n")


def being_a_work_tree(image: Image) -> None:
    whole = image.elsewhere / "whole"
    image.git("clone", "-q", str(image.repository), str(whole))
    subprocess.run(["rm", "-rf", str(image.repository)], check=True)
    image.git("worktree", "add", "-q", "-b", "here", str(image.repository), folder=whole)
    image.commit_future(whole)
    (image.repository / ".git").write_text("gitdir: /elsewhere/whole/.git/worktrees/testbed\n")


def a_submodule(image: Image) -> None:
    source = image.elsewhere / "source"
    image.git("clone", "-q", str(image.repository), str(source))
    image.git("submodule", "add", "-q", str(source), "sub")
    image.git("commit", "-q", "--amend", "-m", "base")
    image.commit_future(image.repository / "sub")
    image.git("checkout", "-q", "HEAD~", folder=image.repository / "sub")


def a_nested_repository(image: Image) -> None:
    nested = image.repository / "vendor" / "lib"
    image.git("clone", "-q", str(image.repository), str(nested))
    image.commit_future(nested)
    image.git("checkout", "-q", "HEAD~", folder=nested)


def a_clone_elsewhere(image: Image) -> None:
    image.git("clone", "-q", "--bare", str(image.repository), str(image.elsewhere / "mirror.git"))
    clone = image.elsewhere / "clone"
    image.git("clone", "-q", str(image.repository), str(clone))
    image.commit_future(clone)
    image.git("push", "-q", str(image.elsewhere / "mirror.git"), "HEAD:later", folder=clone)
    image.git("checkout", "-q", "HEAD~", folder=clone)


def unfinished_work(image: Image) -> None:
    (image.repository / "code.py").write_text("as the image changed it\n")
    (image.repository / "new.py").write_text("untracked\n")


def a_bundle(image: Image) -> None:
    """One that builds on the base, and one that has all."""
    clone = image.elsewhere / "clone"
    image.git("clone", "-q", str(image.repository), str(clone))
    image.commit_future(clone)
    for name, commits in (("backup.dat", "HEAD~..HEAD"), ("whole.dat", "HEAD")):
        image.git("bundle", "create", "-q", str(image.elsewhere / name), commits, folder=clone)
    subprocess.run(["rm", "-rf", str(clone)], check=True)


def a_store_by_another_name(image: Image) -> None:
    """Loose objects and a pack, without anything that would tell what they are."""
    clone = image.elsewhere / "clone"
    image.git("clone", "-q", str(image.repository), str(clone))
    image.commit_future(clone)
    (clone / ".git" / "objects").rename(image.elsewhere / "data")
    image.git("clone", "-q", "--bare", "--no-local", str(image.repository), str(image.elsewhere / "packed.git"))
    (pack,) = (image.elsewhere / "packed.git" / "objects" / "pack").glob("*.pack")
    pack.rename(image.elsewhere / "blob.bin")
    for rest in ("clone", "packed.git"):
        subprocess.run(["rm", "-rf", str(image.elsewhere / rest)], check=True)


CASES = (
    a_bundle,
    a_store_by_another_name,
    nothing,
    a_branch,
    earlier_commits,
    tags,
    a_remote,
    a_stash,
    a_reflog,
    notes_and_replacements,
    an_unreachable_pack,
    a_pack_without_index,
    alternates,
    a_work_tree_elsewhere,
    being_a_work_tree,
    a_submodule,
    a_nested_repository,
    a_clone_elsewhere,
    unfinished_work,
)
UNSEEN = (nothing, a_clone_elsewhere, a_bundle, a_store_by_another_name)
"""What the repository itself does not show."""

# Every object of every store on the machine, also of those that no git folder names.
SEARCH = f"""
git log --format=%s --all && git status --porcelain && git remote && git stash list
find /testbed /elsewhere -name '*.pack' -o -name 'tmp_pack*' | grep -v '^/testbed/.git/objects/pack/pack-'
find /elsewhere -name '*.dat' -o -name data -o -name blob.bin
find /testbed /elsewhere -type d -name objects | while read -r store; do
    GIT_DIR=$(dirname "$store") git cat-file --batch --batch-all-objects | grep -a '{FUTURE}'
done
grep -r -l '{FUTURE}' /testbed
echo more >> code.py && git diff --stat && git ls-files kept.log && cat build/made.log
"""


def run(sandbox: LocalSandbox, image: Image, script: Script) -> Execution:
    return sandbox.run(image.environment(), script)


@pytest.fixture(scope="module")
def sandbox() -> LocalSandbox:
    return LocalSandbox()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_one_commit_is_left(case: Callable[[Image], None], sandbox: LocalSandbox, tmp_path: Path) -> None:
    image = Image(tmp_path)
    case(image)
    before = run(sandbox, image, history.verify())
    assert (before.exit_code == 0) is (case in UNSEEN), before
    scrubbed = sandbox.build(image.environment(), history.scrub())
    left_out = "left out of the base, as nobody tracks or generates them: 1 files (new.py)"
    told = f"codemonkeys: {left_out}\n" if case is unfinished_work else ""
    assert (scrubbed.exit_code, scrubbed.output) == (0, told), scrubbed
    assert run(sandbox, image, history.verify()).exit_code == 0
    lines = run(sandbox, image, Script(SEARCH, "search.sh", ("sh",))).output.splitlines()
    ignored = ["ignored"] if case is not being_a_work_tree else ["cat: build/made.log: No such file or directory"]
    expected = ["base", " code.py | 1 +", " 1 file changed, 1 insertion(+)", "kept.log", *ignored]
    assert lines == expected, lines


def test_what_an_installation_generates_stays(sandbox: LocalSandbox, tmp_path: Path) -> None:
    image = Image(tmp_path)
    for name in ("pkg/_version.py", "pkg.egg-info/PKG-INFO", "pkg/fast.c", "pkg/fast.pyx", "env/pyvenv.cfg", "env/x"):
        (image.repository / name).parent.mkdir(exist_ok=True)
        (image.repository / name).write_text("made\n")
    for name in ("fix.patch", "pkg/later.py"):
        (image.repository / name).write_text(FUTURE)
    unrelated = image.elsewhere / "unrelated"
    unrelated.mkdir()
    image.git("init", "-q", folder=unrelated)
    (unrelated / "own.txt").write_text("of another project\n")
    image.git("add", "-A", folder=unrelated)
    image.git("commit", "-q", "-m", "other", folder=unrelated)
    image.git("bundle", "create", "-q", "own.bundle", "HEAD", folder=unrelated)
    image.git("add", "pkg/fast.pyx")
    image.git("commit", "-q", "--amend", "-m", "base")
    scrubbed = sandbox.build(image.environment(), history.scrub())
    assert scrubbed.exit_code == 0 and "2 files (fix.patch, pkg/later.py)" in scrubbed.output, scrubbed
    kept = {"pkg/_version.py", "pkg.egg-info/PKG-INFO", "pkg/fast.c", "pkg/fast.pyx", "env/pyvenv.cfg", "env/x"}
    assert kept < set(image.git("ls-files").splitlines())
    assert not (image.repository / "fix.patch").exists() and not (image.repository / "pkg" / "later.py").exists()
    assert (unrelated / "own.bundle").exists() and image.git("log", "--format=%s", folder=unrelated) == "other"


@pytest.mark.parametrize("own", [True, False], ids=["own commit", "told to keep them"])
def test_untracked_files_of_an_image_of_our_own_stay(own: bool, sandbox: LocalSandbox, tmp_path: Path) -> None:
    """All that its recipe has made there was made on purpose."""
    image = Image(tmp_path)
    if own:
        assert sandbox.build(image.environment(), history.scrub()).exit_code == 0
    (image.repository / "built.txt").write_text("made\n")
    scrubbed = sandbox.build(image.environment(), history.scrub(keep_untracked=not own))
    assert (scrubbed.exit_code, scrubbed.output) == (0, "")
    assert "built.txt" in image.git("ls-files").splitlines()
