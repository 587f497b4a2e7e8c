"""A history of a real repository becomes tasks: what holds is one, all else is left out with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from codemonkeys.cli import images
from codemonkeys.cli.exits import Exit
from codemonkeys.grading.service import GradingOptions, grade_predictions
from codemonkeys.mining.candidates import MineRequest
from codemonkeys.mining.checking import Checker, Decision
from codemonkeys.mining.mining import mine_tasks
from codemonkeys.mining.report import LEFT_OUT, REPORT, TASK, Settled
from codemonkeys.tasks.environments import environment_folder, read_inputs
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks
from sandboxes import local
from tests.repositories import git, make_repository

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(local.unavailable()), reason="the local sandbox cannot be used here"),
]
START = {
    "shop.py": "def total(prices):\n    return sum(prices[1:], prices[0])\n\n\ndef label(name):\n    return name\n",
    "test_shop.py": "import os, unittest\nimport shop\n\n\nclass Tests(unittest.TestCase):\n"
    "    def test_sum(self):\n        self.assertEqual(shop.total([1, 2]), 3)\n",
    "README.md": "A shop.\n",
}
EMPTY = "\n    def test_empty(self):\n        self.assertEqual(shop.total([]), 0)\n"
LABEL = '\n    def test_label(self):\n        self.assertEqual(shop.label(" a "), "a")\n'
SAME = "\n    def test_three(self):\n        self.assertEqual(shop.total([1, 1, 1]), 3)\n"
# Its name is another one in each run, as with parameters that are made up.
FLAKY = (
    "\n    def check(self):\n        self.assertTrue(shop.OPEN)\n\n\n"
    'setattr(Tests, f"test_{os.urandom(8).hex()}", Tests.check)\n'
)
ISSUES = {
    7: "total() of an empty list raises IndexError\n\nPrinting the report of a day without sales fails.\r\n\r\n"
    "```diff\n-sum(prices[1:])\n```\n\nIt can be fixed by changing `return sum(prices)` in shop.py."
}


class Mined(NamedTuple):
    """What the calls in the fixture left."""

    repository: Path
    output: Path
    home: Path
    first: list[Settled]
    """Settled before the first call was interrupted."""
    by_subject: Mapping[str, Settled]
    fix: str
    """The commit of issue 7."""

    @property
    def tasks(self) -> list[str]:
        """Ids, the newest first."""
        return [found.task for found in self.by_subject.values() if found.outcome == TASK]


def build_history(folder: Path) -> str:
    """A repository with one commit of each kind; returns that which fixes issue 7."""
    files = dict(START)
    make_repository(folder, {name: text.encode() for name, text in files.items()})

    def commit(message: str, **changed: str) -> str:
        for name, text in changed.items():
            files[f"{name}.py"] = text
            (folder / f"{name}.py").write_text(text)
        git(folder, "commit", "--quiet", "--all", "--allow-empty", "--message", message)
        return git(folder, "rev-parse", "HEAD").decode().strip()

    def shop(old: str, new: str) -> str:
        return files["shop.py"].replace(old, new)

    def tests(more: str) -> str:
        return files["test_shop.py"] + more

    fix = commit(
        "Start at zero (#8)\n\nFixes #7",
        shop=shop("sum(prices[1:], prices[0])", "sum(prices)"),
        test_shop=tests(EMPTY),
    )
    (folder / "README.md").write_text("A shop that can be empty.\n")
    commit("Describe the shop of today")
    commit("Rename an argument of the total", shop=shop("prices", "numbers"), test_shop=tests(SAME))
    commit("Say what a label is made of", shop=f"# A shop.\n{files['shop.py']}", test_shop=tests("\n# Tests.\n"))
    git(folder, "checkout", "--quiet", "-b", "labels")
    commit("Blanks around a name are printed on its label", shop=shop("return name", "return name.strip()"))
    commit("Test of labels", test_shop=tests(LABEL))
    git(folder, "checkout", "--quiet", "main")
    git(folder, "merge", "--quiet", "--no-ff", "labels", "--message", "Merge branch 'labels'")
    commit("fix shop.py", shop=shop("# A shop.", "AGE = 3"), test_shop=tests("\n# More.\n"))
    commit("The shop does not say whether it is open", shop=shop("AGE = 3", "OPEN = 1"), test_shop=tests(FLAKY))
    commit("Nothing changes in this one")
    return fix


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mined]:
    """Mined in two calls: the first is interrupted after its first task."""
    folder = tmp_path_factory.mktemp("mined")
    repository, output, home = folder / "shop", folder / "tasks", folder / "home"
    fix = build_history(repository)
    request = MineRequest(repository, issues=ISSUES, runs=2)
    first: list[Settled] = []

    def interrupt(found: Settled) -> None:
        first.append(found)
        if found.outcome == TASK:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CODEMONKEYS_HOME", str(home))
        with pytest.raises(KeyboardInterrupt):
            mine_tasks(request, output, interrupt)
        settled = mine_tasks(request, output)
        yield Mined(repository, output, home, first, {found.subject: found for found in settled}, fix)


def test_each_commit_is_a_task_or_left_out_with_a_reason(mined: Mined) -> None:
    told = {subject: found.reason or found.outcome for subject, found in mined.by_subject.items()}
    flaky = told.pop("The shop does not say whether it is open")
    assert flaky.startswith("flaky: test_shop.Tests.test_")
    assert told == {
        "Nothing changes in this one": "changes no file",
        "fix shop.py": "no issue text is left without what gives the fix away",
        "Merge branch 'labels'": TASK,
        "Say what a label is made of": "changes only comments, docstrings or layout",
        "Rename an argument of the total": "its tests pass before the fix too",
        "Describe the shop of today": "changes only documentation",
        "Start at zero (#8)": TASK,
        "base": "nothing is known from before it",
    }
    assert {found.outcome for found in mined.by_subject.values()} == {TASK, LEFT_OUT}


def test_the_report_lists_every_commit_once(mined: Mined) -> None:
    lines = [json.loads(line) for line in (mined.output / REPORT).read_text().splitlines()]
    history = git(mined.repository, "log", "--first-parent", "--format=%H").decode().split()
    assert [line["commit"] for line in lines] == history
    assert [line["reason"] for line in lines] == [found.reason for found in mined.by_subject.values()]


def test_the_tests_of_a_task_come_from_its_runs(mined: Mined) -> None:
    found = mined.by_subject["Start at zero (#8)"]
    tests = json.loads((mined.output / "tasks" / found.task / "tests.json").read_text())
    assert tests == {
        "FAIL_TO_PASS": ["test_shop.Tests.test_empty"],
        "PASS_TO_PASS": ["test_shop.Tests.test_sum"],
    }
    assert (found.fail_to_pass, found.pass_to_pass, found.issue) == (1, 1, "#7")


def test_a_merge_is_one_fix_told_by_the_messages_that_it_brought(mined: Mined) -> None:
    folder = mined.output / "tasks" / mined.by_subject["Merge branch 'labels'"].task
    issue = (folder / "problem_statement.md").read_text()
    assert issue == "Blanks around a name are printed on its label\n\nTest of labels\n"
    assert "name.strip()" in (folder / "gold.patch").read_text()
    assert "test_label" in (folder / "test.patch").read_text()
    assert "test_label" not in (folder / "gold.patch").read_text()


def test_the_issue_of_the_file_lost_what_gives_the_fix_away(mined: Mined) -> None:
    (task,) = load_tasks(str(mined.output), [mined.by_subject["Start at zero (#8)"].task])
    assert task.issue.strip() == (
        "total() of an empty list raises IndexError\n\nPrinting the report of a day without sales fails."
    )


def test_the_environment_holds_one_commit_and_nothing_of_the_fix(mined: Mined) -> None:
    folder = mined.output / "tasks" / mined.by_subject["Start at zero (#8)"].task
    place = environment_folder(read_inputs(folder), mined.home) / "testbed"
    assert len(git(place, "log", "--all", "--format=%H").split()) == 1
    objects = git(place, "cat-file", "--batch-all-objects", "--batch-check").decode()
    for file in ("shop.py", "test_shop.py"):
        assert git(mined.repository, "rev-parse", f"{mined.fix}:{file}").decode().strip() not in objects
    assert mined.fix[:7] not in folder.name


def test_the_reference_resolves_and_a_neutral_patch_does_not(mined: Mined, tmp_path: Path) -> None:
    id = mined.by_subject["Start at zero (#8)"].task
    gold = (mined.output / "tasks" / id / "gold.patch").read_text()
    neutral = (
        "diff --git a/new.txt b/new.txt\nnew file mode 100644\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+new\n"
    )
    resolved = {}
    for name, patch in (("gold", gold), ("neutral", neutral)):
        predictions = {id: Prediction(id, name, patch)}
        (verdict,) = grade_predictions(predictions, str(mined.output), GradingOptions("local"), name, tmp_path / name)
        resolved[name] = verdict.resolved
    assert resolved == {"gold": True, "neutral": False}


def test_the_check_of_environments_agrees(mined: Mined, capsys: pytest.CaptureFixture[str]) -> None:
    id = mined.by_subject["Merge branch 'labels'"].task
    assert images.check(str(mined.output), [id], True, None, images.CheckPlace("local")) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == {id: []}


def test_what_was_settled_is_not_run_again_and_nothing_is_written(
    mined: Mined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files() -> dict[str, tuple[int, bytes]]:
        found = (path for path in mined.output.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found if path.name != ".lock"}

    before = files()
    monkeypatch.setattr(Checker, "check", lambda *_: pytest.fail("was run again"))
    again = mine_tasks(MineRequest(mined.repository, issues=ISSUES, runs=2), mined.output)
    assert again == list(mined.by_subject.values())
    assert files() == before
    # What the interrupted call had settled is as it was then.
    assert mined.first == again[: len(mined.first)]


def test_a_task_that_is_there_is_not_overwritten(mined: Mined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    merge = mined.by_subject["Merge branch 'labels'"]
    place = tmp_path / "tasks" / merge.task
    place.mkdir(parents=True)
    (tmp_path / REPORT).touch()
    monkeypatch.setattr(Checker, "check", lambda *_: Decision(why_not="not run"))
    found = mine_tasks(MineRequest(mined.repository, base=merge.commit, runs=2), tmp_path)[0]
    assert found.commit == merge.commit
    assert found.outcome == LEFT_OUT and "is there already" in found.reason
    assert list(place.iterdir()) == []
