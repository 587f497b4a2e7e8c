import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from codemonkeys.errors import BadInput, BadRecord, EnvironmentFailed, UnknownDataset
from codemonkeys.generation.applying import APPLY_COMMANDS, REFUSED
from codemonkeys.grading.evaluation import HarnessGrader, Outcome, SandboxGrader, Verdict, evaluate, log_folder
from codemonkeys.tasks.answer_key import AnswerKey, load_answer_keys
from codemonkeys.tasks.backends import BACKENDS
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.images import ensure_image
from codemonkeys.tasks.predictions import Prediction, write_predictions
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script
from tests.tiny_task import GOLD, ID, WRONG, make_task_repository

PASSED = "+ : '>>>>> Start Test Output'\nPASSED {0}_comma\nPASSED {0}_name\n+ : '>>>>> End Test Output'\n".format(
    "tests/test_greeting.py::test"
)


class Scripted:
    """A sandbox that answers what it is told to: what a real one cannot be brought to on purpose."""

    name = "scripted"

    def __init__(self, *answers: Execution) -> None:
        self.answers = list(answers)
        self.scripts: list[tuple[Script, str | None]] = []

    def ensure(self, environment: Environment) -> None: ...

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        self.scripts.append((script, patch))
        return self.answers.pop(0)

    def close(self) -> None: ...


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, AnswerKey]:
    return load_answer_keys(make_task_repository(tmp_path / "tiny"))


SandboxKind = Literal["local", "docker"]


def predicted(patch: str, id: str = ID, model: str = "mine/1") -> dict[str, Prediction]:
    return {id: Prediction(id, model, patch)}


def graded(
    folder: Path, predictions: Mapping[str, Prediction], keys: Mapping[str, AnswerKey], sandbox: Sandbox
) -> Verdict:
    (verdict,) = evaluate(
        predictions,
        keys,
        SandboxGrader(lambda _: Environment("tiny"), sandbox, Limits(seconds=9)),
        run_id="run",
        folder=folder,
    )
    return verdict


@pytest.mark.slow
def test_the_log_is_laid_out_as_swebench_lays_it_out(tmp_path: Path, keys: dict[str, AnswerKey]) -> None:
    sandbox = Scripted(Execution(Reason.EXITED, 0, output=PASSED, seconds=3.5))
    verdict = graded(tmp_path, predicted(GOLD), keys, sandbox)
    assert verdict == Verdict(ID, Outcome.RESOLVED, "", {"FAIL_TO_PASS": (1, 0), "PASS_TO_PASS": (1, 0)}, 3.5)
    log = tmp_path / "logs/run_evaluation/run/mine__1" / ID
    assert {path.name for path in log.iterdir()} == {"report.json", "test_output.txt", "eval.sh", "patch.diff"}
    assert (log / "patch.diff").read_text() == GOLD and (log / "test_output.txt").read_text() == PASSED
    script, patch = sandbox.scripts[0]
    assert script == Script((log / "eval.sh").read_text(), "eval.sh", ("bash",)) and patch == GOLD
    assert ">>>>> Test Exit Code: $SWEBENCH_TEST_EXIT_CODE" in script.text, "forged results are told by the exit code"


@pytest.mark.parametrize(
    ("execution", "outcome", "detail"),
    [
        (Execution(Reason.TIMED_OUT, output="+ :"), Outcome.LIMIT_REACHED, "timed out"),
        (Execution(Reason.OUT_OF_MEMORY), Outcome.LIMIT_REACHED, "out of memory"),
        (Execution(Reason.KILLED, signal=9, output="+ :"), Outcome.NOT_RESOLVED, "the log holds no test results"),
        (Execution(Reason.EXITED, 0, output=PASSED.replace("PASSED", "FAILED")), Outcome.NOT_RESOLVED, ""),
        (
            Execution(Reason.EXITED, 0, output=PASSED + ">>>>> Test Exit Code: 1\n"),
            Outcome.NOT_RESOLVED,
            "the log holds no test results",
        ),
        (Execution(Reason.EXITED, 0, output="Cannot allocate memory\n"), Outcome.INFRASTRUCTURE, "out_of_memory"),
    ],
)
def test_ways_to_end_are_told_apart(
    tmp_path: Path, keys: dict[str, AnswerKey], execution: Execution, outcome: Outcome, detail: str
) -> None:
    verdict = graded(tmp_path, predicted(GOLD), keys, Scripted(execution))
    assert (verdict.outcome, verdict.detail, verdict.resolved) == (outcome, detail, False)


def test_a_sandbox_that_fails_is_asked_again_and_never_held_against_the_patch(
    tmp_path: Path, keys: dict[str, AnswerKey]
) -> None:
    failed, passed = Execution(Reason.SANDBOX_FAILED, detail="no room"), Execution(Reason.EXITED, 0, output=PASSED)
    assert graded(tmp_path, predicted(GOLD), keys, Scripted(failed, failed, passed)).resolved
    verdict = graded(tmp_path, predicted(GOLD), keys, Scripted(failed, failed, failed))
    assert (verdict.outcome, verdict.detail) == (Outcome.INFRASTRUCTURE, "no room")
    log = log_folder(tmp_path, "run", predicted(GOLD)[ID])
    assert not (log / "report.json").exists(), "the report of the first grading says nothing about the second"


def test_an_environment_that_fails_stops_no_other_task(tmp_path: Path, keys: dict[str, AnswerKey]) -> None:
    def environment(id: str) -> Environment:
        if id == "broken":
            raise EnvironmentFailed("no room")
        return Environment(id)

    both = keys | {"broken": keys[ID]}
    sandbox = Scripted(Execution(Reason.EXITED, 0, output=PASSED))
    told: list[Verdict] = []
    verdicts = evaluate(
        predicted(GOLD) | predicted(GOLD, "broken"),
        both,
        SandboxGrader(environment, sandbox),
        run_id="run",
        folder=tmp_path,
        workers=2,
        on_verdict=told.append,
    )
    assert [(v.id, v.outcome) for v in verdicts] == [("broken", Outcome.INFRASTRUCTURE), (ID, Outcome.RESOLVED)]
    assert sorted(v.id for v in told) == ["broken", ID]


def test_what_cannot_be_graded_is_refused_before_anything_runs(tmp_path: Path, keys: dict[str, AnswerKey]) -> None:
    sandbox = Scripted()
    with pytest.raises(UnknownDataset, match="prediction other is not in the dataset"):
        graded(tmp_path, predicted(GOLD, "other"), keys, sandbox)
    old = {ID: AnswerKey(ID, "r", "1", GOLD, "", ("a",), (), "", "", "pass_and_fail", "i")}
    with pytest.raises(BadRecord, match="has no eval_script, log_parser"):
        graded(tmp_path, predicted(GOLD), old, sandbox)
    with pytest.raises(BadInput, match="run id '../x'"):
        evaluate({}, keys, SandboxGrader(Environment, sandbox), run_id="../x", folder=tmp_path)


def test_the_summary_is_the_one_swebench_writes(
    tmp_path: Path, keys: dict[str, AnswerKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    from swebench.harness.reporting import make_run_report

    outcomes = {
        "good": Execution(Reason.EXITED, 0, output=PASSED),
        "lost": Execution(Reason.EXITED, 1, output=PASSED.replace("PASSED", "FAILED")),
        "late": Execution(Reason.TIMED_OUT, output="+ :"),
        "torn": Execution(Reason.SANDBOX_FAILED, detail="Cannot connect to the Docker daemon"),
        "odd": Execution(Reason.EXITED, 0, output="ModuleNotFoundError: x"),
    }

    class ByName(Scripted):
        def run(self, environment: Environment, *_: Any, **__: Any) -> Execution:
            return outcomes[environment.name]

    every = {id: keys[ID] for id in (*outcomes, "none", "unasked")}
    predictions = {id: Prediction(id, "mine/1", GOLD if id in outcomes else "") for id in (*outcomes, "none")}
    evaluate(predictions, every, SandboxGrader(Environment, ByName()), run_id="run", folder=tmp_path)
    ours = json.loads((tmp_path / "mine__1.run.json").read_text())

    monkeypatch.chdir(tmp_path)
    write_predictions(tmp_path / "preds.jsonl", predictions)
    rows = [json.loads(line) for line in (tmp_path / "preds.jsonl").read_text().splitlines()]
    theirs = make_run_report(
        {row["instance_id"]: row for row in rows}, [{"instance_id": id} for id in every], "run", None, "theirs"
    )
    assert ours == json.loads(theirs.read_text())
    assert ours["resolved_ids"] == ["good"] and ours["infra_failure_ids"] == ["torn"]


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_task_repository(tmp_path_factory.mktemp("tiny"))


def graded_for_real(
    source: str, home: Path, folder: Path, patches: list[str], id: str, kind: SandboxKind
) -> list[Verdict]:
    """Verdicts of several patches for one task, its hidden tests run in a real sandbox."""
    (task,), keys = load_tasks(source, [id]), load_answer_keys(source, [id])
    backend = BACKENDS.get(kind)
    workspace = prepare(task, home, backend.environment)
    workspace.snapshot.close()
    sandbox = backend.open("test")
    try:
        return [
            verdict
            for patch in patches
            for verdict in evaluate(
                predicted(patch, id),
                keys,
                SandboxGrader(lambda _: workspace.environment, sandbox),
                run_id="run",
                folder=folder,
            )
        ]
    finally:
        sandbox.close()


def test_patches_are_applied_by_the_commands_of_the_harness() -> None:
    from swebench.harness.constants import APPLY_PATCH_FAIL
    from swebench.harness.run_evaluation import GIT_APPLY_CMDS

    assert (list(APPLY_COMMANDS), REFUSED) == (GIT_APPLY_CMDS, APPLY_PATCH_FAIL)


@pytest.mark.parametrize(
    ("patch", "outcome"),
    [
        (GOLD, Outcome.RESOLVED),
        (WRONG, Outcome.NOT_RESOLVED),
        ("", Outcome.EMPTY_PATCH),
        (" \n", Outcome.EMPTY_PATCH),
        # git refuses this one; the last of the harness's more lenient ways does not.
        (
            GOLD.replace(" def greet(name: str)", " def greet(who: str)"),
            Outcome.RESOLVED if shutil.which("patch") else Outcome.PATCH_FAILED,
        ),
        (GOLD.removesuffix("\n"), Outcome.PATCH_FAILED),
        (GOLD.replace("greeting.py", "missing.py"), Outcome.PATCH_FAILED),
        ("END\necho $(exit 3)`exit 3`'\"; exit 0\n", Outcome.PATCH_FAILED),
    ],
)
@pytest.mark.slow
def test_hidden_tests_decide_in_a_real_sandbox(
    tmp_path: Path, shared_home: Path, tiny_source: str, patch: str, outcome: Outcome
) -> None:
    (verdict,) = graded_for_real(tiny_source, shared_home, tmp_path, [patch], ID, "local")
    assert verdict.outcome == outcome, verdict


# What the official harness said of these is in candidates.jsonl.
CHECKED = ("pallets__flask-5014", "pylint-dev__pylint-7993")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.data
@pytest.mark.parametrize("id", CHECKED)
def test_official_verdicts_are_met_in_the_local_sandbox(
    tmp_path: Path, shared_home: Path, data_dir: Path, id: str
) -> None:
    check_official_verdicts(tmp_path, shared_home, data_dir, id, "local")


@pytest.mark.long
@pytest.mark.data
@pytest.mark.docker
@pytest.mark.parametrize("id", CHECKED)
def test_official_verdicts_are_met_in_docker(tmp_path: Path, shared_home: Path, data_dir: Path, id: str) -> None:
    check_official_verdicts(tmp_path, shared_home, data_dir, id, "docker")


def check_official_verdicts(folder: Path, home: Path, data: Path, id: str, kind: SandboxKind) -> None:
    """The reference fix resolves; of the candidates, the first two that resolve and the first two that do not agree."""
    source = str(data / "task_repo")
    lines = (data / "task_repo" / "tasks" / id / "candidates.jsonl").read_text().splitlines()
    candidates = [json.loads(line) for line in lines]
    chosen = [row for wanted in (True, False) for row in [r for r in candidates if r["resolved"] is wanted][:2]]
    patches = [load_answer_keys(source, [id])[id].patch, *[row["model_patch"] for row in chosen]]
    verdicts = graded_for_real(source, home, folder, patches, id, kind)
    assert [verdict.resolved for verdict in verdicts] == [True, *[row["resolved"] for row in chosen]], verdicts


FORGERY = """\
diff --git a/conftest.py b/conftest.py
new file mode 100644
--- /dev/null
+++ b/conftest.py
@@ -0,0 +1,6 @@
+import pytest
+
+@pytest.hookimpl(hookwrapper=True)
+def pytest_runtest_makereport(item, call):
+    outcome = yield
+    outcome.get_result().outcome = "passed"
"""


@pytest.mark.slow
@pytest.mark.data
def test_a_patch_that_forges_the_hidden_tests_is_marked(tmp_path: Path, shared_home: Path, data_dir: Path) -> None:
    """That it is believed is the grading's own weakness, official or not (docs/tampering.md): hence the mark."""
    (verdict,) = graded_for_real(str(data_dir / "task_repo"), shared_home, tmp_path, [FORGERY], CHECKED[0], "local")
    assert verdict.resolved and verdict.flags == ("conftest: conftest.py",)


@pytest.mark.data
@pytest.mark.docker
def test_the_official_harness_agrees(tmp_path: Path, shared_home: Path, data_dir: Path) -> None:
    """`swebench eval` reads our predictions file, on the same image, and reports the same, test by test."""
    from swebench.task.repo import load_task_repo

    id, source = CHECKED[0], str(data_dir / "task_repo")
    (row,) = load_task_repo(source, [id])
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    predictions = predicted(row["patch"], id)
    write_predictions(tmp_path / "preds.jsonl", predictions)
    swebench = str(Path(sys.executable).parent / "swebench")
    command = [swebench, "eval", "rows.jsonl", "-p", "preds.jsonl", "--run-id", "official", "-j", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=500)
    theirs = log_folder(tmp_path, "official", predictions[id]) / "report.json"
    assert theirs.is_file(), done.stdout + done.stderr
    graded_for_real(source, shared_home, tmp_path, [row["patch"]], id, "docker")
    ours = log_folder(tmp_path, "run", predictions[id]) / "report.json"
    assert json.loads(ours.read_text()) == json.loads(theirs.read_text())


@pytest.mark.data
@pytest.mark.docker
def test_the_harness_itself_grades_on_docker(tmp_path: Path, shared_home: Path, data_dir: Path) -> None:
    """Reference fixes resolve, other edits do not, and a missing image is nobody's fault; nothing of it is left."""
    source = str(data_dir / "task_repo")
    resolving, failing, refused, missing = (
        *("marshmallow-code__marshmallow-1359", "pallets__flask-5014", "pylint-dev__pylint-7993"),
        "pytest-dev__pytest-8906",
    )
    ids = [resolving, failing, refused, missing]
    tasks, keys = {task.id: task for task in load_tasks(source, ids)}, load_answer_keys(source, ids)
    tasks[missing] = replace(tasks[missing], image="localhost:1/no/such:image", folder=None)
    nothing = "diff --git a/new.txt b/new.txt\nnew file mode 100644\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+\n"
    patches = {resolving: keys[resolving].patch, failing: nothing, refused: WRONG, missing: keys[missing].patch}
    predictions = {id: Prediction(id, "mine/1", patch) for id, patch in patches.items()}
    grader = HarnessGrader(lambda id: ensure_image(tasks[id], shared_home))
    told: list[str] = []

    def grade(again: bool) -> dict[str, Verdict]:
        verdicts = evaluate(
            predictions,
            keys,
            grader,
            run_id="official",
            folder=tmp_path,
            workers=3,
            again=again,
            dataset=source,
            on_verdict=lambda verdict: told.append(verdict.id),
        )
        return {verdict.id: verdict for verdict in verdicts}

    found = grade(again=True)
    outcomes = {id: verdict.outcome for id, verdict in found.items()}
    assert outcomes == {
        resolving: Outcome.RESOLVED,
        failing: Outcome.NOT_RESOLVED,
        refused: Outcome.PATCH_FAILED,
        missing: Outcome.INFRASTRUCTURE,
    }, found
    assert sorted(told) == sorted(ids)
    assert "greeting.py" in found[refused].detail and "localhost:1/no/such:image" in found[missing].detail
    assert found[resolving].tests["FAIL_TO_PASS"] == (1, 0) and found[resolving].seconds > 0
    summary = json.loads((tmp_path / "mine__1.official.json").read_text())
    assert summary["resolved_ids"] == [resolving] and summary["unresolved_ids"] == [failing]
    assert summary["infra_failure_ids"] == [missing] and summary["error_ids"] == sorted([refused, missing])
    root = tmp_path / "logs" / "run_evaluation" / "official"
    assert sorted(path.name for path in root.iterdir()) == ["harness.log", "mine__1", "run.json", "run.lock"]
    assert json.loads((root / "run.json").read_text())["task_repo"] == source

    # What has a report is not asked again; the others are, and now the image is there.
    told.clear()
    tasks[missing] = tasks[resolving]
    report = log_folder(tmp_path, "official", predictions[resolving]) / "report.json"
    before = report.stat().st_mtime_ns
    del predictions[refused], keys[refused]
    again = grade(again=False)
    assert again[missing].outcome is Outcome.NOT_RESOLVED or again[missing].outcome is Outcome.PATCH_FAILED
    assert report.stat().st_mtime_ns == before and again[resolving].resolved
    assert left_containers() == []


def left_containers() -> list[str]:
    """Names of containers of the harness on the engine, of whatever run of these tests."""
    import docker

    engine = docker.from_env()
    try:
        return [name for c in engine.api.containers(all=True) for name in c["Names"] if ".official." in name]
    finally:
        engine.close()


@pytest.mark.data
@pytest.mark.docker
def test_a_killed_evaluation_leaves_no_container(tmp_path: Path, shared_home: Path, data_dir: Path) -> None:
    """The containers of the harness wait for ever and have no label of ours: its process sees to them."""
    id = CHECKED[1]
    key = load_answer_keys(str(data_dir / "task_repo"), [id])[id]
    program = (
        "import sys; from pathlib import Path\n"
        "from codemonkeys.grading.evaluation import HarnessGrader, evaluate\n"
        "from codemonkeys.tasks.predictions import Prediction\n"
        "from codemonkeys.tasks.answer_key import load_answer_keys\n"
        "source, id, folder = sys.argv[1:]\n"
        "keys = load_answer_keys(source, [id])\n"
        "evaluate({id: Prediction(id, 'm', keys[id].patch)}, keys, HarnessGrader(lambda _: keys[id].image),"
        " run_id='official.killed', folder=Path(folder))\n"
    )
    command = [sys.executable, "-c", program, str(data_dir / "task_repo"), id, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    assert key.image
    wait_for(lambda: any("official.killed" in name for name in left_containers()))
    process.kill()
    process.wait()
    wait_for(lambda: not any("official.killed" in name for name in left_containers()))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds; a minute is far more than it takes."""
    for _ in range(300):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("it never came to hold")
