"""`fix` as its user meets it: a repository, an issue, a patch on standard output, and a branch if asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Done, codemonkeys
from tests.repositories import git, make_repository

ISSUE = {"title": "No comma \u001b[31m", "body": "Greetings lack a comma."}


class Desk:
    """A user's folder: a repository with a virtual environment, and a file with an issue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = make_repository(
            folder / "project", {"greeting.py": b"HELLO = 'Hello'\n", ".gitignore": b".venv\n"}
        )
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.repository / ".venv"], check=True)
        (folder / "issue.json").write_text(json.dumps(ISSUE))

    def fix(self, *arguments: str) -> Done:
        common = ("-m", "fake", "-c", "generation.samples=2", "--issue", "issue.json")
        return codemonkeys("fix", "project", *common, *arguments, home=self.folder / "home", cwd=self.folder)

    def state(self) -> tuple[bytes, ...]:
        """Everything that a user would see change in the repository."""
        commands = (
            ["status", "--porcelain", "--ignored"],
            ["for-each-ref"],
            ["symbolic-ref", "HEAD"],
            ["stash", "list"],
        )
        return tuple(git(self.repository, *command) for command in commands)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.mark.xdist_group("fix")
def test_the_patch_is_printed_resumed_and_applied(desk: Desk) -> None:
    before = desk.state()
    done = desk.fix("--run", "tonight")
    assert done.code == 0, done.err
    assert done.out.startswith("diff --git a/codemonkeys_dry_run.txt") and "Apply it with `git apply`" in done.err
    git(desk.repository, "apply", "--check", stdin=done.out.encode())
    assert desk.state() == before, "the user's checkout is not changed"
    assert "No comma" in (desk.folder / "runs/tonight/issue.json").read_text()

    resumed = codemonkeys("resume", "tonight", "--json", home=desk.folder / "home", cwd=desk.folder)
    assert resumed.code == 0 and json.loads(resumed.out)["predicted"] == 1, resumed.err
    other = desk.fix("--run", "tonight", "--issue", "Something else is wrong")
    assert other.code == 2 and "about something else" in other.err and desk.state() == before
    graded = codemonkeys("evaluate", "tonight", home=desk.folder / "home", cwd=desk.folder)
    assert graded.code == 2 and "no hidden tests" in graded.err

    (desk.repository / "greeting.py").write_text("HELLO = 'changed'\n")
    dirty = desk.fix("--run", "dirty", "--apply")
    assert dirty.code == 2 and "has uncommitted changes" in dirty.err
    assert not (desk.folder / "runs" / "dirty").exists(), "refused before anything began"
    git(desk.repository, "checkout", "--quiet", "greeting.py")

    applied = desk.fix("--run", "tonight", "--apply", "--json")
    assert applied.code == 0, applied.err
    told = json.loads(applied.out)
    assert told["branch"] == "codemonkeys/tonight" and told["patch"] == done.out and told["spent_usd"] == 0
    assert git(desk.repository, "branch", "--show-current").strip() == b"codemonkeys/tonight"
    assert git(desk.repository, "log", "-1", "--format=%s") == b"Fix: No comma\n"
    assert (desk.repository / "codemonkeys_dry_run.txt").is_file()
    git(desk.repository, "checkout", "--quiet", "main")
    again = desk.fix("--run", "tonight", "--apply")
    assert again.code == 2 and "never overwritten" in again.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--issue", "missing.md"), "no such file"),
        (("--base", "nowhere"), "has no commit 'nowhere'"),
        (("--image", "a:1", "--venv", ".venv"), "give one of them"),
        (("--run", "../x"), "run name"),
    ],
)
@pytest.mark.xdist_group("fix")
def test_bad_input_leaves_nothing_behind(desk: Desk, arguments: tuple[str, ...], said: str) -> None:
    before = sorted(desk.folder.rglob("runs/*"))
    done = desk.fix(*arguments)
    assert done.code == 2 and said in done.err and done.out == ""
    assert sorted(desk.folder.rglob("runs/*")) == before
