"""SWE-bench Pro is graded in its own order: with its scripts, in containers of its images, history and all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import BadInput, BadRecord
from codemonkeys.grading.in_sandbox import check_in_sandbox
from codemonkeys.grading.pro import ProWay, passed_tests, read_scripts, without_binary
from codemonkeys.grading.service import GradingOptions, grade_predictions
from codemonkeys.grading.validation import validate
from codemonkeys.grading.verdict import Outcome
from codemonkeys.tasks import roots
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks
from sandboxes import Environment
from sandboxes.docker import DockerSandbox
from tests.sandboxes.conftest import BASE_IMAGE
from tests.tasks.test_sources import written

TAG = "codemonkeys-test-anvil"
IMAGE = f"jefzda/sweap-images:{TAG}"
GOOD = "diff --git a/ring.txt b/ring.txt\n--- a/ring.txt\n+++ b/ring.txt\n@@ -1 +1 @@\n-dong\n+ding\n"
NEUTRAL = "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+ding\n"
RUN = """\
cd /app
for file in $(echo "$1" | tr , ' '); do sh "$file" && echo "$file ok $MOOD" || echo "$file bad"; done
"""
PARSER = """\
import json, sys
lines = [line.split() for line in open(sys.argv[1]) if line.strip()]
tests = [{"name": line[0], "status": "PASSED" if line[1:] == ["ok", "well"] else "FAILED"} for line in lines]
json.dump({"tests": tests}, open(sys.argv[3], "w"))
"""


def row(id: str, base: str, fixed: str) -> dict[str, Any]:
    return {
        "instance_id": id,
        "repo": "acme/anvil",
        "base_commit": base,
        "problem_statement": json.dumps("It rings wrong."),
        "requirements": "- ding",
        "interface": "",
        "patch": GOOD,
        "test_patch": "t",
        "repo_language": "js",
        "fail_to_pass": "['test/ring.sh']",
        "pass_to_pass": '["test/old.sh"]',
        "before_repo_set_cmd": f"git reset --hard {base}\ngit clean -fd\ngit checkout {fixed} -- test/ring.sh",
        "selected_test_files_to_run": "['test/ring.sh', 'test/old.sh']",
        "dockerhub_tag": TAG,
    }


def scripts(folder: Path, *ids: str) -> Path:
    for id in ids:
        place = folder / "run_scripts" / id
        place.mkdir(parents=True)
        (place / "run_script.sh").write_text(RUN)
        (place / "parser.py").write_text(PARSER)
        recipe = folder / "dockerfiles" / "instance_dockerfile" / id / "Dockerfile"
        recipe.parent.mkdir(parents=True)
        recipe.write_text("FROM x\nENV MOOD=well\nRUN ENV\n")
    return folder


def test_the_order_is_that_of_its_harness(tmp_path: Path) -> None:
    odd = {**row("a-1", "a" * 40, "b" * 40), "selected_test_files_to_run": json.dumps(["a.js", "b c.js; rm -rf /"])}
    (key,) = load_answer_keys(written(tmp_path / "rows.jsonl", [odd])).values()
    lines = key.eval_script.splitlines()
    assert lines[:4] == [
        *("cd /app", f"git reset --hard {'a' * 40}", f"git checkout {'a' * 40}", "git apply -v /workspace/patch.diff"),
    ]
    assert lines[5] == f"git checkout {'b' * 40} -- test/ring.sh", "the last line of its commands alone"
    assert lines[6].startswith("bash /workspace/run_script.sh 'a.js,b c.js; rm -rf /' > /workspace/stdout.log 2> ")
    assert lines[7].endswith("/workspace/stdout.log /workspace/stderr.log /workspace/output.json")
    with pytest.raises(BadRecord, match="not a commit hash"):
        load_answer_keys(written(tmp_path / "rows.jsonl", [{**odd, "base_commit": "x; rm"}]))


def test_binary_content_is_dropped_and_variables_are_exported(tmp_path: Path) -> None:
    picture = "diff --git a/p.png b/p.png\nindex 1..2 100644\nGIT binary patch\nliteral 2\nJc\n\n"
    other = "diff --git a/q.png b/q.png\nBinary files a/q.png and b/q.png differ\n"
    says_so = GOOD.replace("+ding", "+GIT binary patch")
    assert without_binary(picture + GOOD + other) == GOOD and without_binary(says_so) == says_so
    assert read_scripts(scripts(tmp_path, "a-1"), "a-1").exports == "export MOOD=well\n"
    assert read_scripts(tmp_path / "run_scripts", "a-1").run == RUN.encode()


@pytest.mark.parametrize("output", [None, b"", b"[]", b'{"tests": 1}', b'{"tests": [{"name": "x"}]}', b"[" * 100_000])
def test_a_parser_that_wrote_nonsense_lets_nothing_pass(output: bytes | None) -> None:
    assert passed_tests(output) is None


def test_missing_scripts_are_named_before_anything_runs(tmp_path: Path) -> None:
    source = written(tmp_path / "rows.jsonl", [row("a-1", "a" * 40, "b" * 40)])
    predictions = {"a-1": Prediction("a-1", "m", GOOD)}
    for options, place in (
        (GradingOptions(), tmp_path),
        (GradingOptions(scripts=tmp_path / "clone"), tmp_path / "clone"),
    ):
        with pytest.raises(BadInput) as error:
            grade_predictions(predictions, source, options, "x", tmp_path)
        said = str(error.value)
        assert f"{place / 'run_scripts' / 'a-1' / 'run_script.sh'} is missing" in said and "SWE-bench_Pro-os" in said
    scripts(tmp_path, "a-1")
    way = ProWay(tmp_path)
    check_in_sandbox(load_answer_keys(source, ["a-1"])["a-1"], way, whole=True)
    with pytest.raises(BadInput, match="need the history of its image"):
        check_in_sandbox(load_answer_keys(source, ["a-1"])["a-1"], way, whole=False)


@pytest.fixture
def commits(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An image whose repository at /app knows the fix and its tests; hashes of its base and of the fix."""
    from codemonkeys.tasks import images

    app = tmp_path / "app"
    (app / "test").mkdir(parents=True)
    git = ["git", "-C", str(app), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    found = []
    for ring, test in (("dong", "exit 1"), ("ding", "grep -q ding ring.txt")):
        (app / "ring.txt").write_text(f"{ring}\n")
        (app / "test" / "ring.sh").write_text(f"{test}\n")
        (app / "test" / "old.sh").write_text("grep -q '[dr]i*o*ng' ring.txt\n")
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
        found.append(subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout)
    files = {f"app/{path.relative_to(app)}": path.read_bytes() for path in app.rglob("*") if path.is_file()}
    recipe = f"FROM {BASE_IMAGE}\nCOPY app /app\nRUN chown -R root /app\nWORKDIR /app\n"
    with images.engine() as client:
        images.build_image(client, IMAGE, "anvil", images.Context({images.DOCKERFILE: recipe.encode(), **files}))
        try:
            yield found[0].strip(), found[1].strip()
        finally:
            client.images.remove(IMAGE, force=True)


@pytest.mark.docker
def test_the_reference_resolves_and_others_do_not(
    commits: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = {
        "good": GOOD,
        "neutral": NEUTRAL,
        "broken": GOOD.replace("+ding", "+ring"),
        "misfit": GOOD.replace("-dong", "-bong"),
    }
    ids = {name: f"{name}-1" for name in patches}
    source = written(tmp_path / "rows.jsonl", [row(id, *commits) for id in ids.values()])
    scripts(tmp_path, *ids.values())
    tasks = {task.id: task for task in load_tasks(source, ["good-1"])}
    predictions = {ids[name]: Prediction(ids[name], "m", patch) for name, patch in patches.items()}
    options = GradingOptions(isolated=True, workers=2)
    verdicts = {v.id: v for v in grade_predictions(predictions, source, options, "x", tmp_path / "out")}
    assert verdicts["good-1"].outcome is Outcome.RESOLVED, verdicts
    assert verdicts["neutral-1"].outcome is Outcome.NOT_RESOLVED
    assert verdicts["broken-1"].outcome is Outcome.NOT_RESOLVED
    assert verdicts["misfit-1"].outcome is Outcome.PATCH_FAILED
    assert verdicts["neutral-1"].tests == {"FAIL_TO_PASS": (0, 1), "PASS_TO_PASS": (1, 0)}
    log = tmp_path / "out" / "logs" / "run_evaluation" / "x" / "m" / "good-1"
    assert "test/ring.sh ok well" in (log / "test_output.txt").read_text()
    assert json.loads((log / "output.json").read_text())["tests"][0]["status"] == "PASSED"
    image = Environment("anvil", image=IMAGE)
    problems = validate(source, tasks, lambda id: image, DockerSandbox("unused"), tmp_path / "checks")
    assert problems == {"good-1": ()}, "`images check`: the reference fix resolves it, and nothing does not"
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    local = grade_predictions(predictions, source, GradingOptions("local", workers=2), "x", tmp_path / "local")
    assert {v.id: v.outcome for v in local} == {id: v.outcome for id, v in verdicts.items()}
    assert roots.find_copy(tasks["good-1"], tmp_path / "home") is None, "no solver sees a copy with history"
    assert len(roots.copies(tmp_path / "home")) == 1, "`images clean` finds it"
    again = grade_predictions(predictions, source, options, "x", tmp_path / "out")
    assert {v.id: v.outcome for v in again} == {id: v.outcome for id, v in verdicts.items()}
