"""Which commits may become tasks, told without running anything; and the dry run of the command."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.cli.exits import Exit
from codemonkeys.cli.mining import MineOptions, mine_command
from codemonkeys.errors import BadInput
from codemonkeys.mining.checking import PASSED, decide, last_said
from codemonkeys.mining.history import Commit, FileChange, date_of, path_of
from codemonkeys.mining.issues import issue_of, numbers_in, read_issues, says_something
from codemonkeys.mining.report import Report, Settled
from codemonkeys.mining.suites import PYTEST, suite_for
from codemonkeys.mining.task_files import eval_script
from codemonkeys.mining.triage import split, why_no_task
from tests.repositories import commit_all, git, make_repository


def change(path: str, *lines: str, header: str = "") -> FileChange:
    body = "\n".join(lines)
    return FileChange(path, f"diff --git a/{path} b/{path}\n{header}--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n{body}\n")


CODE = change("src/a.py", "-x = 1", "+x = 2")
TEST = change("tests/test_a.py", "+assert x == 2")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([CODE, TEST], ""),
        ([CODE, TEST, change("docs/a.md", "+text")], ""),
        ([], "changes no file"),
        ([CODE], "changes no tests"),
        ([TEST], "changes only tests"),
        ([TEST, change("CHANGELOG.md", "+text")], "changes only documentation"),
        ([CODE, change("tests/data.json", "+1")], "changes no test file that pytest can run"),
        ([CODE, change("tests/test_a.py", "-x", header="deleted file mode 100644\n")], "changes no test file that"),
        ([change("setup.cfg", "-version = 1.2.3", "+version = 1.2.4rc1"), TEST], "changes only version numbers"),
        (
            [change("a/__init__.py", '-__version__ = "1.2"', '+__version__ = "1.3"'), TEST],
            "changes only version numbers",
        ),
        ([CODE, TEST, change("vendor/x", "+1", header="new file mode 160000\n")], "changes a submodule"),
        ([change("src/a.py", "+\udcff"), TEST], "its diff is not UTF-8"),
    ],
)
def test_changes_that_cannot_make_a_task(changes: list[FileChange], why: str) -> None:
    found = why_no_task(changes, split(changes), PYTEST)
    assert found.startswith(why) and bool(found) == bool(why)


def test_the_script_undoes_what_a_patch_did_to_the_hidden_tests() -> None:
    new = change("tests/test_b c.py", "+x", header="new file mode 100644\n")
    script = eval_script(split([CODE, TEST, new]), PYTEST)
    undo = "rm -rf -- 'tests/test_b c.py'\ngit checkout HEAD -- tests/test_a.py\n"
    assert script.count(undo) == 2
    assert script.index(undo) < script.index("git apply") < script.index("-m pytest") < script.rindex(undo)
    assert "-o addopts= tests/test_a.py 'tests/test_b c.py'\n" in script


def test_a_language_without_known_tests_is_refused() -> None:
    with pytest.raises(BadInput, match="php"):
        suite_for("php", False)


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        ("Fixes #7", (7,)),
        ("A thing (#8)\n\ncloses: a/b#7 and #9, see #5", (7, 9)),
        ("A thing (#8), GH-9", (8, 9)),
        ("resolved https://github.com/a/b/issues/12", (12,)),
        ("No number, not even # 3 or #x", ()),
        (f"#{'9' * 5000}", ()),
    ],
)
def test_numbers_of_issues(message: str, numbers: tuple[int, ...]) -> None:
    assert numbers_in(message) == numbers


def test_the_text_of_a_merge_is_the_issue_or_what_was_written_in_it() -> None:
    merge = Commit("1" * 40, "2" * 40, True, datetime.now(UTC), "Merge pull request #8 from a/b\n\nTotals of nothing")
    assert issue_of(merge, ["One", "Two"], {}).text == "Totals of nothing"
    assert issue_of(merge, ["Closes #3"], {3: "Three", 8: "Eight"}) == ("Three", (3,))
    squashed = Commit("1" * 40, "2" * 40, False, datetime.now(UTC), "Merge pull request #8 from a/b\n\nMerge lists")
    assert issue_of(squashed, [], {}).text == "Merge lists"
    bare = Commit("1" * 40, "2" * 40, True, datetime.now(UTC), "Merge branch 'x' into main")
    assert issue_of(bare, ["One\n", "Two", "One"], {}).text == "One\n\nTwo"


@pytest.mark.parametrize(
    ("text", "enough"), [("fix bug", False), ("#7 #8 #9 1234 5678 90", False), ("It fails on empty input", True)]
)
def test_what_is_long_enough_to_be_an_issue(text: str, enough: bool) -> None:
    assert says_something(text) == enough


def test_issues_from_json_and_jsonl(tmp_path: Path) -> None:
    rows = [
        {"number": 7, "title": "A", "body": "B"},
        {"number": "8", "title": "C", "body": None},
        {"number": 9, "title": "A change", "body": "", "pull_request": {"url": "x"}},
    ]
    for name, text in (("a.json", json.dumps(rows)), ("a.jsonl", "\n".join(map(json.dumps, rows)) + "\n")):
        (tmp_path / name).write_text(text)
        assert read_issues(tmp_path / name) == {7: "A\n\nB", 8: "C"}
    (tmp_path / "one.json").write_text(json.dumps(rows[0]))
    assert read_issues(tmp_path / "one.json") == {7: "A\n\nB"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "issue 1: holds int"),
        ('[{"title": "A"}]', "issue 1: an issue"),
        ('{"number": 1, "title": "A", "body": 2}', "the body of issue 1"),
        ('{"number": 1, "title": "A"}\n{', "line 2: not JSON"),
        ('{"number": 1, "title": "A"}\n{"number": 1, "title": "B"}', "line 2: issue 1 is there twice"),
        ("3", "expected a list"),
    ],
)
def test_a_bad_file_of_issues_is_refused_with_the_place(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "issues").write_text(text)
    with pytest.raises(BadInput, match=said):
        read_issues(tmp_path / "issues")


def test_dates() -> None:
    assert date_of("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    assert date_of("2026-01-31", last=True) == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert date_of("2026-01-31T12:00+02:00", last=True) == datetime(2026, 1, 31, 10, tzinfo=UTC)
    with pytest.raises(BadInput, match="not a date"):
        date_of("yesterday")


OUTCOMES = st.dictionaries(st.sampled_from("abc"), st.sampled_from((PASSED, "FAILED", "ERROR", "SKIPPED")))


@given(st.lists(OUTCOMES, min_size=1, max_size=3), st.lists(OUTCOMES, min_size=1, max_size=3))
def test_only_what_every_run_tells_decides(before: list[dict[str, str]], after: list[dict[str, str]]) -> None:
    found = decide(before, after)
    for name in found.fail_to_pass:
        assert all(run.get(name) != PASSED for run in before) and all(run[name] == PASSED for run in after)
    for name in found.pass_to_pass:
        assert all(run[name] == PASSED for run in before + after)
    assert bool(found.why_not) != bool(found.fail_to_pass)
    assert not {*found.flaky} & {*found.fail_to_pass, *found.pass_to_pass}


def test_what_is_told_of_tests_that_did_not_run() -> None:
    assert last_said("+ python\nImportError: no x\n\nwarnings.warn(\n'\n") == "ImportError: no x"
    assert last_said("one\ntwo  words\n+ :\n'") == "two words"
    assert last_said("") == "nothing was printed"


def test_half_a_line_of_the_report_is_passed_over(tmp_path: Path) -> None:
    one, two = (Settled(name * 40, "2026-01-31", "s", "task", flaky=("t",), inputs="i") for name in "12")
    Report(tmp_path).add(one)
    with (tmp_path / "commits.jsonl").open("a") as file:
        file.write('{"commit": "33')
    report = Report(tmp_path)
    report.add(two)
    report.add(one)
    assert Report(tmp_path).settled == {one.commit: one, two.commit: two}
    assert Report(tmp_path).known(one.commit, "i") == one
    assert Report(tmp_path).known(one.commit, "other") is None
    assert (tmp_path / "commits.jsonl").read_text().count(one.commit) == 1


def test_paths_of_sections() -> None:
    assert path_of("diff --git a/a b/c.py b/a b/c.py\nold mode 100644\nnew mode 100755\n") == "a b/c.py"
    assert path_of(CODE.diff) == "src/a.py"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a commit that may be a fix, and one that may not."""
    folder = make_repository(tmp_path / "shop", {"a.py": b"x = 1\n", "test_a.py": b"import a\n"})
    (folder / "a.py").write_text("x = 2\n")
    (folder / "test_a.py").write_text("import a\nassert a.x == 2\n")
    commit_all(folder)
    git(folder, "commit", "--quiet", "--amend", "--message", "The number of things is wrong")
    (folder / "a.py").write_text("x = 3\n")
    commit_all(folder)
    return folder


def options(repository: Path, output: Path | None = None, **given: str) -> MineOptions:
    told = {"since": None, "until": None, **given}
    return MineOptions(repository, output, told["since"], told["until"], None, None, "HEAD", None, 3, 600.0)


def test_the_dry_run_lists_and_writes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = repository.parent / "out"
    assert mine_command(options(repository, output), False, False, False) == Exit.DONE
    printed = capsys.readouterr().out
    assert "to check" in printed and "left out: changes no tests" in printed
    assert "1 of 3 commits would be checked" in printed and "unittest" in printed
    assert not output.exists()
    assert mine_command(options(repository, until="2000-01-01"), False, True, True) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == []


def test_bad_input_is_refused_before_anything_runs(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="-o FOLDER"):
        mine_command(options(repository), True, False, False)
    with pytest.raises(BadInput, match="one of them"):
        mine_command(options(repository), True, True, False)
    with pytest.raises(BadInput, match="not a date"):
        mine_command(options(repository, since="now"), False, False, False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(BadInput, match="not empty"):
        mine_command(options(repository, tmp_path / "full"), True, False, False)
    with pytest.raises(BadInput, match="no such folder"):
        mine_command(options(tmp_path / "none"), False, False, False)
