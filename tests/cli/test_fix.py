"""`fix` end to end: a repository and an issue in, a patch on standard output, and a branch with `--apply`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.cli.doctor import repository_tests
from codemonkeys.cli.fixing import request_to_fix, tell_what_is_read
from codemonkeys.cli.solving import tell_what_is_missing
from codemonkeys.errors import RunExists
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Checkout, Task
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
        self.runs = folder / "home/.local/state/codemonkeys/runs"

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
    assert "No comma" in (desk.runs / "tonight/issue.json").read_text()

    assert {path.stat().st_mode & 0o777 for path in (desk.runs / "tonight").iterdir()} == {0o600}

    resumed = codemonkeys("resume", "tonight", "--json", home=desk.folder / "home", cwd=desk.folder)
    assert resumed.code == 0 and json.loads(resumed.out)["predicted"] == 1, resumed.err
    other = desk.fix("--run", "tonight", "--issue", "Something else is wrong")
    assert other.code == 2 and "about a different issue" in other.err and desk.state() == before
    graded = codemonkeys("evaluate", "tonight", home=desk.folder / "home", cwd=desk.folder)
    assert graded.code == 2 and "no hidden tests" in graded.err

    (desk.repository / "greeting.py").write_text("HELLO = 'changed'\n")
    dirty = desk.fix("--run", "dirty", "--apply")
    assert dirty.code == 2 and "has uncommitted changes" in dirty.err
    assert not (desk.runs / "dirty").exists(), "refused before anything began"
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
        (("--issue", "missing.md"), "--issue 'missing.md': no such file"),
        (("--base", "nowhere"), "has no commit 'nowhere'"),
        (("--image", "a:1", "--venv", ".venv"), "both --image and --venv: give one of them"),
        (("--run", "../x"), "run name"),
    ],
)
@pytest.mark.xdist_group("fix")
def test_bad_input_leaves_nothing_behind(desk: Desk, arguments: tuple[str, ...], said: str) -> None:
    before = sorted(desk.folder.rglob("runs/*"))
    done = desk.fix(*arguments)
    assert done.code == 2 and said in done.err and done.out == ""
    assert sorted(desk.folder.rglob("runs/*")) == before


def test_a_run_about_something_else_is_named_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.db").touch()
    task = Task("a__a-1", "a/a", "0" * 40, "issue", "python")
    with pytest.raises(RunExists, match=f"codemonkeys resume mine --runs {tmp_path}$"):
        request_to_fix(tmp_path, "mine", task, load_settings())


@pytest.mark.slow
@pytest.mark.xdist_group("fix")
def test_a_run_is_put_into_the_repository_only_if_told_and_found_by_name(desk: Desk) -> None:
    """Called in the repository, as most do: by default nothing is put there, and git never sees a run."""

    def here(*arguments: str) -> Done:
        return codemonkeys(*arguments, home=desk.folder / "home", cwd=desk.repository)

    before = desk.state()
    start = ("fix", ".", "-m", "fake", "-c", "generation.samples=1", "--issue", "No comma")
    done = here(*start, "--run", "aside")
    assert done.code == 0 and desk.state() == before, done.err
    assert "codemonkeys show aside\n" in done.err and (desk.runs / "aside" / "run.db").is_file()
    for command in (("show",), ("status",), ("resume",), ("export", "-o", "../aside.jsonl")):
        found = here(command[0], "aside", *command[1:])
        assert found.code == 0, found.err
    assert "no hidden tests" in here("evaluate", "aside").err
    assert "aside" in here("status").out
    missing = here("show", "nowhere")
    assert missing.code == 2 and f"no run 'nowhere' in runs or {desk.runs}; runs there: " in missing.err

    told = here(*start, "--run", "inside", "--runs", "runs")
    assert told.code == 0 and (desk.repository / "runs" / "inside" / "run.db").is_file()
    assert git(desk.repository, "status", "--porcelain") == b"", "git is not shown the run"
    again = here(*start, "--run", "inside")
    assert again.code == 0 and not (desk.runs / "inside").exists(), "the run that is there goes on"
    shutil.rmtree(desk.repository / "runs")


def test_a_virtual_environment_without_pytest_is_told_by_every_command_that_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository(tmp_path / "project", {"test_a.py": b"def test_it(): pass\n"}).resolve()
    monkeypatch.chdir(folder)
    assert repository_tests() == []
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    checkout = Checkout(folder, venv=folder / ".venv")
    task = Task("a-1", "a", "HEAD", "It breaks.", checkout=checkout)
    tell_what_is_missing([task, replace(task, id="a-2"), replace(task, checkout=None)], load_settings())
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"{folder}/.venv has no pytest") and "pip install pytest" in said
    (check,) = repository_tests()
    assert check.verdict == "warning" and check.detail == said
    (folder / ".venv" / "lib" / "python3.12" / "site-packages" / "pytest").mkdir(parents=True)
    assert [check.verdict for check in repository_tests()] == ["ok"]


def test_what_may_not_be_expected_to_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_repository(tmp_path / "project", {"pkg/a.py": b"1\n"}).resolve()
    tell_what_is_read(folder, folder, "0123456789abcdef")
    (folder / "new.py").touch()
    tell_what_is_read(folder, folder, "0123456789abcdef")
    assert capsys.readouterr().err == ""
    (folder / "pkg" / "a.py").write_text("2\n")
    tell_what_is_read(folder / "pkg", folder, "0123456789abcdef")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{folder}/pkg lies in the repository {folder}, all of which is read; with --scope .")
    tell_what_is_read(folder / "pkg", folder, "0123456789abcdef", "pkg")
    assert "all of which" not in capsys.readouterr().err
    assert second.startswith(
        f"{folder} has uncommitted changes (M pkg/a.py). They are left out, as the base is commit 01"
    )
