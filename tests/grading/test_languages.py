"""Formats of data sets in several languages: a real package of JavaScript and one of C, each in every format."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import codemonkeys
from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.grading.multi_swe import problem
from codemonkeys.grading.parsing import run_parser
from codemonkeys.grading.service import GradingOptions, grade_predictions, grade_run
from codemonkeys.grading.validation import validate
from codemonkeys.grading.verdict import Outcome
from codemonkeys.journal import run_files
from codemonkeys.tasks import images
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.environments import environment_of
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks
from sandboxes import Environment, Script, local
from sandboxes.docker import DockerSandbox
from tests.grading.python_rows import NEUTRAL
from tests.images import LANGUAGES
from tests.tasks.harbor_tasks import harbor_task
from tests.tasks.test_formats import written

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("languages")]
"""Its images are made, and removed, once."""


class Example(NamedTuple):
    """A task: a file of a package of Debian, what its base lacks, tests without and with the hidden ones."""

    language: str
    file: str
    """Where the package has it."""
    lacking: str
    """The lines of it that are the fix."""
    test: str
    """Name of the file with the tests."""
    old: str
    new: str
    command: str
    before: str
    """What the new test does with the hidden tests alone, as Multi-SWE-bench calls it."""


TEST_JS = """\
const ms = require("./index");
const check = (name, good) => console.log(good ? "ok" : "not ok", name);
check("hours", ms("2h") === 7200000);
"""
TEST_C = """\
#include <stdio.h>
#include "utlist.h"
typedef struct word { struct word *next; } word;
int main(void) {
    word a, b, *head = NULL, *each;
    int count = 0;
    LL_APPEND(head, &a);
    LL_APPEND(head, &b);
    LL_FOREACH(head, each) count++;
    printf("%s hours\\n", count == 2 ? "ok" : "not ok");
MORE    return 0;
}
"""
MORE_C = '    LL_COUNT(head, each, count);\n    printf("%s weeks\\n", count == 2 ? "ok" : "not ok");\n'
COUNT_C = """\
#define LL_COUNT(head,el,counter)                                                              \\
    LL_COUNT2(head,el,counter,next)                                                            \\

"""
EXAMPLES = {
    "javascript": Example(
        "javascript",
        "/usr/share/nodejs/ms/index.js",
        "    case 'weeks':\n    case 'week':\n    case 'w':\n      return n * w;\n",
        "test.js",
        TEST_JS,
        f'{TEST_JS}check("weeks", ms("2w") === 1209600000);\n',
        "node test.js",
        "f2p_tests",
    ),
    "c": Example(
        "c",
        "/usr/include/utlist.h",
        COUNT_C,
        "test.c",
        TEST_C.replace("MORE", ""),
        TEST_C.replace(
            "MORE", '    LL_COUNT(head, each, count);\n    printf("%s weeks\\n", count == 2 ? "ok" : "not ok");\n'
        ),
        "tcc -Werror -o /tmp/test test.c && /tmp/test",
        "n2p_tests",
    ),
}
LIVE_PARSER = """\
def parser(log):
    named = [line.rpartition("ok ") for line in log.splitlines()]
    return {name: "fail" if before else "pass" for before, ok, name in named if ok}
"""
SCRIPTS = {
    "lib/agent/log_parsers.py": f"{LIVE_PARSER}\n"
    "def parse_log_words(log):\n"
    '    return {name: {"pass": "PASSED", "fail": "FAILED"}[said] for name, said in parser(log).items()}\n',
    "src/poly_bench_evaluation/constants.py": 'REPO_TO_PARSER_CLASS = {"acme/testbed": "Words"}\n',
    "src/poly_bench_evaluation/parsers.py": f"{LIVE_PARSER}\n"
    "class Words:\n"
    "    def __init__(self, test_content):\n"
    "        self.said = parser(test_content)\n"
    "    def parse(self):\n"
    "        names = {k: [n for n, s in self.said.items() if s == k] for k in ('pass', 'fail')}\n"
    "        return {'passed_tests': names['pass'], 'failed_tests': names['fail']}\n",
    "multi_swe_bench/__init__.py": "",
    "multi_swe_bench/harness/__init__.py": "",
    "multi_swe_bench/harness/image.py": "from dataclasses import dataclass\n"
    "@dataclass\nclass Config:\n    need_clone: bool\n    global_env: object\n    clear_env: bool\n",
    "multi_swe_bench/harness/pull_request.py": "from types import SimpleNamespace as Base\nPullRequest = Base\n",
    "multi_swe_bench/harness/instance.py": "class Instance:\n"
    "    known = {}\n"
    "    @classmethod\n"
    "    def register(cls, org, repo):\n"
    "        return lambda made: cls.known.setdefault(f'{org}/{repo}', made)\n"
    "    @classmethod\n"
    "    def create(cls, pr, config):\n"
    "        return cls.known[f'{pr.org}/{pr.repo}']()\n",
    "multi_swe_bench/harness/repos/__init__.py": "",
    "multi_swe_bench/harness/repos/other.py": "raise ImportError('nobody asked for this one')\n",
    "multi_swe_bench/harness/repos/acme.py": "from types import SimpleNamespace\n"
    "from multi_swe_bench.harness.instance import Instance\n"
    f"{LIVE_PARSER}\n"
    '@Instance.register("Acme", "anvil")\n'
    "class Anvil:\n"
    "    def parse_log(self, log):\n"
    "        names = {k: {n for n, s in parser(log).items() if s == k} for k in ('pass', 'fail')}\n"
    "        return SimpleNamespace(passed_tests=names['pass'], failed_tests=names['fail'], skipped_tests=set())\n",
}


class Built(NamedTuple):
    """An example in an image, and its two patches."""

    image: str
    gold: str
    tests: str


def number_of(language: str) -> int:
    return 1 + list(EXAMPLES).index(language)


def build(client: Any, folder: Path, example: Example) -> Built:
    """An image with the repository where each format has it."""
    repository = folder / example.language
    repository.mkdir()
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]

    def committed(files: dict[str, str]) -> str:
        for name, text in files.items():
            (repository / name).write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        changed = subprocess.run([*git, "diff", "--cached"], check=True, capture_output=True, text=True).stdout
        subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
        subprocess.run([*git, "reset", "-q", "--hard", "base"], check=False, capture_output=True)
        return changed

    right = client.containers.run(LANGUAGES, ["cat", example.file], network_mode="none", remove=True).decode()
    assert right.count(example.lacking) == 1, "the package has changed"
    name = Path(example.file).name
    subprocess.run([*git, "init", "-q"], check=True)
    committed({name: right.replace(example.lacking, ""), example.test: example.old})
    subprocess.run([*git, "tag", "base"], check=True)
    gold, tests = committed({name: right}), committed({example.test: example.new})
    run = f"set -e\ncd /home/anvil\ngit apply --whitespace=nowarn /home/test.patch /home/fix.patch\n{example.command}\n"
    files = {
        f"repo/{path.relative_to(repository)}": path.read_bytes() for path in repository.rglob("*") if path.is_file()
    }
    recipe = (
        f"FROM {LANGUAGES}\nCOPY repo /testbed\nCOPY test.patch fix-run.sh /home/\n"
        "RUN chown -R root /testbed && cp -a /testbed /home/anvil\nWORKDIR /testbed\n"
    )
    files |= {images.DOCKERFILE: recipe.encode(), "test.patch": tests.encode(), "fix-run.sh": run.encode()}
    image = f"mswebench/acme_m_anvil:pr-{number_of(example.language)}"
    images.build_image(client, image, "languages-test", images.Context(files))
    client.images.get(image).tag(poly_image(example.language))
    return Built(image, gold, tests)


def poly_image(language: str) -> str:
    return f"ghcr.io/timesler/swe-polybench.eval.x86_64.acme__anvil-{number_of(language)}:v1.1"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Built]]:
    folder = tmp_path_factory.mktemp("languages")
    with images.engine() as client:
        yield {language: build(client, folder, example) for language, example in EXAMPLES.items()}
        for language in EXAMPLES:
            client.images.remove(poly_image(language))
        for image in images.images_of_ours(client, {"Acme__anvil-1", "Acme__anvil-2", "languages-test"}):
            client.images.remove(image.id, force=True)


def _common(example: Example, built: Built) -> dict[str, Any]:
    return {
        "instance_id": f"acme__anvil-{number_of(example.language)}",
        "repo": "acme/testbed",
        "base_commit": "5" * 40,
        "problem_statement": "Weeks are missing.",
        "patch": built.gold,
        "test_patch": built.tests,
        "language": example.language,
        "FAIL_TO_PASS": ["weeks"],
        "PASS_TO_PASS": ["hours"],
    }


def _rebench_2(example: Example, built: Built) -> dict[str, Any]:
    config = {"test_cmd": [example.command], "log_parser": "parse_log_words"}
    more = {"image_name": built.image, "interface": "", "pr_description": "x", "install_config": config}
    return {**_common(example, built), **more}


def _live(example: Example, built: Built) -> dict[str, Any]:
    commands = {"rebuild_cmds": [], "test_cmds": [f"({example.command}) > log"], "print_cmds": ["cat log"]}
    return {**_common(example, built), **commands, "log_parser": LIVE_PARSER, "docker_image": built.image}


def _poly(example: Example, built: Built) -> dict[str, Any]:
    lists = {"F2P": "['weeks']", "P2P": "['hours']"}
    return {**_common(example, built), **lists, "Dockerfile": "FROM x", "test_command": example.command}


def _multi_swe(example: Example, built: Built) -> dict[str, Any]:
    before = {"f2p_tests": (["hours"], ["weeks"]), "n2p_tests": ([], [])}[example.before]
    lists: dict[str, dict[str, Any]] = {name: {} for name in ("f2p_tests", "p2p_tests", "s2p_tests", "n2p_tests")}
    for test in ("weeks", "hours"):
        lists["p2p_tests" if test in before[0] else example.before][test] = {"fix": "PASS"}
    return {
        "org": "Acme",
        "repo": "anvil",
        "number": number_of(example.language),
        "base": {"sha": "5" * 40},
        "resolved_issues": [{"title": "Weeks are missing.", "body": ""}],
        "fix_patch": built.gold,
        "test_patch": built.tests,
        "lang": example.language,
        "run_result": {"passed_tests": ["hours"], "failed_tests": [], "skipped_tests": []},
        "test_patch_result": {"passed_tests": before[0], "failed_tests": before[1], "skipped_tests": []},
        **lists,
    }


ROWS: dict[str, Callable[[Example, Built], dict[str, Any]]] = {
    "SWE-rebench V2": _rebench_2,
    "SWE-bench Live MultiLang": _live,
    "SWE-PolyBench": _poly,
    "Multi-SWE-bench": _multi_swe,
}


def scripts(folder: Path) -> Path:
    for path, text in SCRIPTS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.mark.long
@pytest.mark.docker
@pytest.mark.parametrize("format", list(ROWS))
def test_only_the_reference_resolves_in_a_container_and_in_the_local_sandbox(
    built: dict[str, Built], format: str, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    source = written(tmp_path / "rows.jsonl", *(ROWS[format](EXAMPLES[name], one) for name, one in built.items()))
    clone = scripts(tmp_path / "clone")
    keys = load_answer_keys(source)
    script, compiled = keys
    misfit = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-no such line\n+x\n"
    for sandbox, first, second, expected in (
        ("docker", keys[script].patch, NEUTRAL, (Outcome.RESOLVED, Outcome.NOT_RESOLVED)),
        ("docker", NEUTRAL, keys[compiled].patch, (Outcome.NOT_RESOLVED, Outcome.RESOLVED)),
        ("local", keys[script].patch, misfit, (Outcome.RESOLVED, Outcome.PATCH_FAILED)),
    ):
        options = GradingOptions(sandbox, isolated=True, workers=2, again=True, scripts=clone)
        predictions = {script: Prediction(script, "m", first), compiled: Prediction(compiled, "m", second)}
        verdicts = grade_predictions(predictions, source, options, "x", tmp_path / "out")
        assert [verdict.outcome for verdict in sorted(verdicts, key=lambda v: v.id)] == list(expected), verdicts
    tasks = {task.id: replace(task, hidden="") for task in load_tasks(source)}
    environments = {id: Environment(id, image=images.ensure_image(task, shared_home)) for id, task in tasks.items()}
    docker = DockerSandbox("checks")
    try:
        problems = validate(source, tasks, environments.__getitem__, docker, tmp_path / "checks", clone)
    finally:
        docker.close()
    assert problems == {script: (), compiled: ()}, "`images check`"


@pytest.mark.parametrize(
    ("tests", "fixed", "said"),
    [
        ({"a": "FAIL"}, {"a": "PASS"}, ""),
        ({}, {"a": "PASS"}, ""),
        ({}, {}, "no test was seen to run"),
        ({"a": "PASS"}, {"a": "FAIL"}, "a passed before, and fails"),
        ({"a": "PASS"}, {"a": "PASS"}, "no test passes that did not before"),
        ({}, {"a": "PASS", "old": "FAIL"}, "old passed without the hidden tests, and fails"),
        ({"old": "FAIL"}, {"a": "PASS", "old": "FAIL"}, ""),
    ],
)
def test_statuses_of_multi_swe_bench_are_compared(tests: dict[str, str], fixed: dict[str, str], said: str) -> None:
    assert problem({"old": "PASS"}, tests, fixed) == said


def test_missing_parsers_are_named_before_anything_runs(tmp_path: Path) -> None:
    one = Built("x", "label", "label")
    for format, said in (
        ("SWE-rebench V2", "lib/agent/log_parsers.py is missing, with the parser 'parse_log_words'"),
        ("SWE-PolyBench", "src/poly_bench_evaluation is missing"),
        ("Multi-SWE-bench", "pip install --target FOLDER multi-swe-bench"),
    ):
        source = written(tmp_path / "rows.jsonl", ROWS[format](EXAMPLES["c"], one))
        (id,) = load_answer_keys(source)
        with pytest.raises(BadInput) as error:
            grade_predictions({id: Prediction(id, "m", NEUTRAL)}, source, GradingOptions(), "x", tmp_path)
        assert said in str(error.value)


@pytest.mark.slow
@pytest.mark.skipif(local.unavailable() is not None, reason="needs namespaces")
def test_a_parser_of_others_runs_apart(tmp_path: Path) -> None:
    """It finds the log and its folder, and nothing of this machine; one that fails says nothing of the patch."""
    (tmp_path / "helper.py").write_text("WORD = 'PASSED'\n")
    program = "sys.path.insert(0, '/scripts')\nimport helper, os\nprint('noise')\n"
    found = run_parser(f"{program}result = {{log: helper.WORD}}", "a\r\nb", {}, tmp_path, "")
    assert found == {"a\r\nb": "PASSED"}
    outside = json.dumps(str(tmp_path / "helper.py"))
    for wrong in (
        f"assert not __import__('os').path.exists({outside}) and None",
        "result = [1]",
        "1 / 0",
        "result = 1",
    ):
        with pytest.raises(EnvironmentFailed, match="parser of its tests"):
            run_parser(wrong, "", {}, tmp_path, "")


def mixed(folder: Path, built: dict[str, Built]) -> Path:
    """Rows of four formats, and a task of Harbor, on one image."""
    example, one = EXAMPLES["javascript"], built["javascript"]
    folder.mkdir()
    for number, make in enumerate(ROWS.values()):
        # The image of a row of PolyBench is named by its id.
        given = {"instance_id": f"mixed__anvil-{number}"} if make in (_rebench_2, _live) else {}
        written(folder / f"{number}.jsonl", {**make(example, one), **given})
    place = f'[environment]\ndocker_image = "{one.image}"\nworkdir = "/testbed"\n'
    task = harbor_task(folder / "harbor-ring", place, None)
    (task / "tests" / "test.sh").write_text(HARBOR_TEST)
    (task / "tests" / "test.js").write_text(example.new)
    return folder


HARBOR_TEST = """\
#!/bin/bash
cp /tests/test.js . && node test.js | grep -q '^ok weeks' && reward=1
echo ${reward:-0} > /logs/verifier/reward.txt
"""


@pytest.mark.docker
def test_a_batch_over_a_folder_of_five_formats_is_solved_and_graded(
    built: dict[str, Built], tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    source, clone = mixed(tmp_path / "mixed", built), scripts(tmp_path / "clone")
    ids = {"mixed__anvil-0", "mixed__anvil-1", "acme__anvil-1", "Acme__anvil-1", "harbor-ring"}
    settings = codemonkeys.load_settings(["generation.samples=1", "sandbox.kind=docker"], model="fake")
    (task,) = load_tasks(source, ["Acme__anvil-1"])
    docker = DockerSandbox("looks")
    try:
        seen = docker.run(environment_of(task, shared_home), Script("ls /home", "look.sh", ("sh",)))
    finally:
        docker.close()
    assert seen.output.split() == ["anvil", "fix-run.sh"], "the hidden tests are in the image, and no script sees them"
    summary = codemonkeys.run_solve(source, settings, runs=tmp_path / "runs", name="mixed")
    assert summary.predicted == 5
    options = GradingOptions("docker", isolated=True, workers=2, scripts=clone)
    verdicts = grade_run(tmp_path / "runs", "mixed", None, options)
    assert {verdict.id: verdict.outcome for verdict in verdicts} == dict.fromkeys(ids, Outcome.NOT_RESOLVED), verdicts
    with run_files.reading(tmp_path / "runs" / "mixed" / "run.db") as connection:
        stored = connection.execute("select count(*) from verdicts where outcome = 'not resolved'").fetchone()
    assert stored[0] == 5
    good = {id: Prediction(id, "m", built["javascript"].gold) for id in ids}
    for sandbox in ("docker", "local"):
        again = GradingOptions(sandbox, isolated=True, workers=2, scripts=clone)
        found = grade_predictions(good, str(source), again, "good", tmp_path / sandbox)
        assert {verdict.id for verdict in found if verdict.resolved} == ids, found
