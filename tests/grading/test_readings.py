"""What is read from logs and patches, whatever they hold."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.grading.containers import ContainerScript, File
from codemonkeys.grading.in_sandbox import check_in_sandbox, results_of, shell_script
from codemonkeys.grading.layout import eval_text
from codemonkeys.grading.live import resolution
from codemonkeys.grading.multi_swe import problem, statuses_of
from codemonkeys.grading.own_script import STATUSES, pytest_statuses
from codemonkeys.grading.r2e import plain, summary_statuses
from codemonkeys.grading.rebench import without_times
from codemonkeys.grading.service import GradingOptions, grade_predictions
from codemonkeys.grading.smith import SmithWay, smith_statuses
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.formats.reversing import reversed_patch
from codemonkeys.tasks.formats.scripts import changed_files, pytest_script
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks
from tests.tasks.test_formats import COMMON, LISTS, ROWS, written

NAMES = st.from_regex(r"[a-z]{1,4}\.py::[A-Za-z_]{1,6}(?:\[[a-z0-9-]{1,5}\])?", fullmatch=True)
LOGS = st.text() | st.lists(st.sampled_from(["PASSED a.py::b", "FAILED a.py::b - x", "::", "ERROR", "\x1b[1m"])).map(
    "\n".join
)


@given(st.dictionaries(NAMES, st.sampled_from(STATUSES)), st.booleans())
def test_what_pytest_says_is_what_is_read(said: dict[str, str], verbose: bool) -> None:
    lines = [f"{name} {status}  [ 5%]" if verbose else f"{status} {name} - why" for name, status in said.items()]
    log = "\n".join(["noise", *lines, "= 1 passed ="])
    assert pytest_statuses(log) == said
    if verbose:
        assert smith_statuses(log) == {name: status for name, status in said.items() if status != "XPASS"}


def test_the_summary_counts_more_than_the_verbose_line_and_names_may_have_spaces() -> None:
    log = "a.py::t[x y] FAILED [1%]\nPASSED a.py::t[x y]\n\x1b[31mERROR\x1b[0m a.py::u - why\n"
    assert pytest_statuses(log) == {"a.py::t[x": "PASSED", "a.py::t[x y]": "PASSED", "a.py::u": "ERROR"}


@given(LOGS)
@example("short test summary info\nPASSED")
def test_no_log_breaks_a_reading(log: str) -> None:
    for read in (pytest_statuses, smith_statuses, summary_statuses):
        assert all(isinstance(name, str) for name in read(log))
    once = without_times(log)
    assert without_times(f"{once} [12 ms]").strip() in (once, without_times(once))


def test_the_summary_of_r2e_gym_has_names_without_files() -> None:
    summary = "PASSED r/a.py::C::t\nFAILED r/a.py::u - E\nERROR r/b.py\n= done ="
    log = f"PASSED x.py::no\n= short test summary info =\n{summary}"
    assert summary_statuses(log) == {"C.t": "PASSED", "u": "FAILED", "": "ERROR"}
    assert plain("\x1b[1mC.t\x1b[0m - why") == "C.t" and summary_statuses("PASSED a::b") == {}


@pytest.mark.parametrize(
    ("statuses", "resolved"),
    [
        ({"f": "pass", "k": "pass"}, True),
        ({"f": "pass"}, True),
        ({"f": "pass", "k": "fail"}, False),
        ({"k": "pass"}, False),
        ({"f": "skip"}, False),
        ({}, False),
    ],
)
def test_live_counts_what_the_log_names(statuses: dict[str, str], resolved: bool) -> None:
    assert resolution(statuses, ("f",), ("k",))[1] is resolved


def test_results_of_multi_swe_bench_that_are_none() -> None:
    assert statuses_of(None) == statuses_of("x") == statuses_of({"passed_tests": None}) == {}
    assert statuses_of({"passed_tests": ["a"], "skipped_tests": ["b"]}) == {"a": "PASS", "b": "SKIP"}
    assert problem({}, {"b": "SKIP"}, {"a": "PASS", "b": "FAIL"}) == ""


@given(st.binary(max_size=300), st.binary(max_size=300), st.text(max_size=20))
def test_what_a_sandbox_prints_is_read_back(content: bytes, output: bytes, noise: str) -> None:
    packed = [base64.encodebytes(data).decode() for data in (content, output)]
    printed = f"{noise}m1 /a/b\n{packed[0]}m1 output\n{packed[1]}m1 end\n"
    assert results_of(printed, "m1") == {"/a/b": content, "output": output}
    assert results_of(printed.removesuffix("end\n"), "m1") is None and results_of(noise, "m1") is None


def test_the_script_for_a_sandbox_does_what_a_container_does(tmp_path: Path) -> None:
    """Its files are written, whatever their names and bytes; what it leaves is printed, and nothing else."""
    odd = tmp_path / "it's $HOME" / "in"
    out = tmp_path / "out"
    files = {
        str(odd): File(b"END\n\x00\xff"),
        str(tmp_path / "run.sh"): File(f"cat \"$1\" > '{out}'\necho said\n".encode()),
    }
    asked = ContainerScript(("bash", str(tmp_path / "run.sh"), str(odd)), files, (str(out), str(tmp_path / "none")))
    done = subprocess.run(["bash", "-c", shell_script(asked, "m1")], capture_output=True, text=True, check=True)
    assert results_of(done.stdout, "m1") == {str(out): b"END\n\x00\xff", "output": b"said\n"}


LINES = st.lists(st.sampled_from(["a", "b", "+", "-", "@@ -1 +1 @@", "\\", " "]), max_size=5)
TEXTS = st.tuples(LINES, st.booleans()).map(lambda made: "\n".join(made[0]) + ("\n" if made[1] and made[0] else ""))
TREES = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.tuples(TEXTS, st.booleans()))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES, TREES)
def test_a_reversed_patch_undoes_a_patch(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, tuple[str, bool]], after: dict[str, tuple[str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("reversed")

    def git(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], input=stdin.encode(), capture_output=True, check=True
        )
        return done.stdout.decode()

    def tree(files: dict[str, tuple[str, bool]]) -> str:
        for name in ("x", "y", "z"):
            (folder / name).unlink(missing_ok=True)
        for name, (text, runs) in files.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755 if runs else 0o644)
        git("add", "-A")
        return git("write-tree").strip()

    git("init", "-q")
    first, second = tree(before), tree(after)
    patch = git("diff-tree", "-p", "-M", first, second)
    if patch:
        git("apply", "--index", "-", stdin=reversed_patch(patch))
    assert git("write-tree").strip() == first and reversed_patch(reversed_patch(patch)).count("\n") == patch.count("\n")


def test_hidden_tests_are_added_and_taken_away() -> None:
    patch = (
        "diff --git a/t/a b.py b/t/a b.py\n--- a/t/a b.py\n+++ b/t/a b.py\n@@ -1 +1 @@\n-x\n+y\n"
        "diff --git a/t/n.py b/t/n.py\nnew file mode 100644\n--- /dev/null\n+++ b/t/n.py\n@@ -0,0 +1 @@\n+z\n"
        "diff --git a/t/d.json b/t/d.json\ndeleted file mode 100644\n--- a/t/d.json\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n"
    )
    assert [tuple(file) for file in changed_files(patch)] == [
        *(("t/a b.py", False, False), ("t/n.py", True, False), ("t/d.json", False, True)),
    ]
    lines = pytest_script(patch, "pytest -rA").splitlines()
    run = lines.index(": '>>>>> Start Test Output'")
    assert lines[run + 1] == "pytest -rA 't/a b.py' t/n.py" and lines[run + 2] == ": '>>>>> End Test Output'"
    assert lines[run + 3 :] == ["git checkout HEAD -- 't/a b.py' t/d.json", "rm -f -- t/n.py"]


def test_swe_gym_is_known_by_its_ids_and_mypy_by_its_cases(tmp_path: Path) -> None:
    patch = "diff --git a/t.test b/t.test\n--- a/t.test\n+++ b/t.test\n@@ -0,0 +1 @@\n+[case testIt's]\n+[case two]\n"
    rows = [{**COMMON, **LISTS, "instance_id": id, "test_patch": patch} for id in ("python__mypy-1", "acme__anvil-1")]
    gym, other = load_answer_keys(written(tmp_path / "rows.jsonl", *rows)).values()
    assert "pytest -n0 -rA -k 'testIt'\"'\"'s or two'\n" in gym.eval_script and gym.log_parser == "parse_log_pytest"
    assert (other.eval_script, other.log_parser) == ("", "")


def test_smith_has_the_branch_of_its_task_and_the_bug_reversed(tmp_path: Path) -> None:
    bug = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-ding\n+dong\n"
    row = {**ROWS["SWE-smith"][0], "patch": bug, "FAIL_TO_PASS": ["t/a.py::b"]}
    source = written(tmp_path / "rows.jsonl", row)
    (task,), (key,) = load_tasks(source), load_answer_keys(source).values()
    assert task.branch == row["instance_id"] and "+ding\n-dong\n" in key.patch
    assert "git checkout -q HEAD~1" in key.eval_script and key.eval_script.rstrip().splitlines()[-2].endswith(" t/a.py")
    predictions = {task.id: Prediction(task.id, "m", key.patch)}
    with pytest.raises(BadInput, match="need the history of its image"):
        check_in_sandbox(key, SmithWay(tmp_path), whole=False)
    written(tmp_path / "rows.jsonl", {**row, "FAIL_TO_PASS": ["a test of another runner"]})
    with pytest.raises(BadRecord, match="has a command or parser of its own"):
        grade_predictions(predictions, source, GradingOptions(), "x", tmp_path)


def test_a_verdict_is_kept_for_the_same_tests_only(tmp_path: Path) -> None:
    texts = set()
    for changes in ({}, {"test_patch": "other"}, {"log_parser": "other"}, {"FAIL_TO_PASS": ["other"]}):
        source = written(tmp_path / "rows.jsonl", {**ROWS["SWE-bench Live"][0], **changes})
        texts.add(eval_text(*load_answer_keys(source).values()))
    assert len(texts) == 4


def test_columns_that_make_no_script_are_named(tmp_path: Path) -> None:
    for name, changes, said in (
        ("SWE-rebench", {"install_config": "x"}, "column 'install_config'"),
        ("SWE-rebench V2", {"install_config": {"test_cmd": [1]}}, "neither a command nor a list of commands"),
        ("SWE-bench Live", {"test_cmds": 3}, "column 'test_cmds' is neither"),
        ("R2E-Gym", {"expected_output_json": "[1]"}, "not a mapping of tests"),
        ("Multi-SWE-bench", {"f2p_tests": 3}, "column 'f2p_tests' is not a mapping"),
    ):
        with pytest.raises(BadRecord, match=said):
            load_answer_keys(written(tmp_path / "rows.jsonl", {**ROWS[name][0], **changes}))


def test_a_parser_that_swebench_does_not_have_is_refused(tmp_path: Path) -> None:
    row = {
        **ROWS["SWE-rebench"][0],
        "install_config": json.dumps({"test_cmd": "pytest", "log_parser": "parse_log_odd"}),
    }
    source = written(tmp_path / "rows.jsonl", row)
    with pytest.raises(BadRecord, match="its log_parser is 'parse_log_odd'"):
        grade_predictions(
            {"acme__anvil-7": Prediction("acme__anvil-7", "m", "x")}, source, GradingOptions(), "x", tmp_path
        )
