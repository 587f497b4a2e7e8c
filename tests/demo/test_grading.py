"""The hidden tests of the demo's task tell a careful edit from one that forgets something."""

import subprocess
from pathlib import Path

import pytest

from codemonkeys.demo import INSTANCE_ID
from codemonkeys.demo.task_repository import SOURCE_FILE
from codemonkeys.grading.evaluation import Outcome, SandboxGrader, Verdict, evaluate
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Environment
from sandboxes.local import LocalSandbox

CARRY = """\
    amounts = dict(zip(reversed(Unit), (years, months, days, hours, minutes, secs, msecs, usecs)))
    for small, large, size in [
        (MICROSECONDS, MILLISECONDS, 1000),
        (MILLISECONDS, SECONDS, 1000),
        (SECONDS, MINUTES, 60),
        (MINUTES, HOURS, 60),
        (HOURS, DAYS, 24),
        (MONTHS, YEARS, 12),
    ]:
        shown = float(format % amounts[small]) if small == min_unit else amounts[small]
        if shown >= size and large not in suppress_set:
            amounts[large] += 1
            amounts[small] = 0
    years, months, days, hours, minutes, secs, msecs, usecs = amounts.values()

"""
NOUN = """\
            shown = float(format % fmt_value) if unit == min_unit else fmt_value
            _fmt_value = 2 if 1 < shown < 2 else int(shown)
"""
OLD_NOUN = "            _fmt_value = 2 if 1 < fmt_value < 2 else int(fmt_value)\n"
TABLE = "    fmts = [\n"


@pytest.fixture(scope="module")
def environment(repository: Path, shared_home: Path) -> Environment:
    (task,) = load_tasks(str(repository))
    workspace = prepare(task, shared_home, "folders")
    workspace.snapshot.close()
    return workspace.environment


def grade(patch: str, repository: Path, environment: Environment, folder: Path) -> Verdict:
    sandbox = LocalSandbox()
    try:
        (verdict,) = evaluate(
            {INSTANCE_ID: Prediction(INSTANCE_ID, "test", patch)},
            load_answer_keys(str(repository)),
            SandboxGrader(lambda _: environment, sandbox),
            run_id="demo",
            folder=folder,
        )
    finally:
        sandbox.close()
    return verdict


def patch_of(repository: Path, folder: Path, carry: str, noun: str) -> str:
    """The edit as a patch of the base."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout

    folder.mkdir()
    packed = repository / "tasks" / INSTANCE_ID / "repo.tar.gz"
    subprocess.run(["tar", "-xzf", packed, "-C", folder, SOURCE_FILE], check=True)
    git("init", "-q")
    git("add", SOURCE_FILE)
    source = (folder / SOURCE_FILE).read_text(encoding="utf-8")
    assert source.count(TABLE) == source.count(OLD_NOUN) == 1
    (folder / SOURCE_FILE).write_text(source.replace(TABLE, carry + TABLE).replace(OLD_NOUN, noun), encoding="utf-8")
    return git("diff")


@pytest.mark.slow
def test_the_reference_fix_resolves_it(repository: Path, environment: Environment, tmp_path: Path) -> None:
    patch = load_answer_keys(str(repository))[INSTANCE_ID].patch
    verdict = grade(patch, repository, environment, tmp_path)
    assert verdict.resolved
    assert verdict.tests == {"FAIL_TO_PASS": (11, 0), "PASS_TO_PASS": (312, 0)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("carry", "noun", "outcome"),
    [
        pytest.param(CARRY, NOUN, Outcome.RESOLVED, id="careful"),
        pytest.param("", OLD_NOUN + "\n", Outcome.NOT_RESOLVED, id="changes nothing"),
        pytest.param(CARRY, OLD_NOUN, Outcome.NOT_RESOLVED, id="forgets the noun"),
        pytest.param("", NOUN, Outcome.NOT_RESOLVED, id="forgets to carry"),
        pytest.param(
            CARRY.replace("        (MONTHS, YEARS, 12),\n", ""), NOUN, Outcome.NOT_RESOLVED, id="forgets the months"
        ),
        pytest.param(
            CARRY.replace(" and large not in suppress_set", ""), NOUN, Outcome.NOT_RESOLVED, id="forgets suppress"
        ),
        pytest.param(
            CARRY.replace("float(format % amounts[small])", "round(amounts[small], 2)"),
            NOUN.replace("float(format % fmt_value)", "round(fmt_value, 2)"),
            Outcome.NOT_RESOLVED,
            id="forgets the format",
        ),
    ],
)
def test_it_is_resolved_only_by_a_careful_edit(
    repository: Path, environment: Environment, tmp_path: Path, carry: str, noun: str, outcome: Outcome
) -> None:
    patch = patch_of(repository, tmp_path / "edit", carry, noun)
    assert grade(patch, repository, environment, tmp_path).outcome is outcome
