"""Two issues of real packages as rows of every format whose tests pytest runs, on the images that the tests have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codemonkeys.tasks.answer_key import AnswerKey, load_answer_keys
from codemonkeys.tasks.formats.reversing import reversed_patch

PACKAGES = {"flask": "pallets__flask-5014", "marshmallow": "marshmallow-code__marshmallow-1359"}
SELECTED = {"flask": "", "marshmallow": "::TestParentAndName"}
"""Those of its tests that its image of R2E-Gym runs."""
NEUTRAL = "diff --git a/new.txt b/new.txt\nnew file mode 100644\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+ding\n"
PYTEST = "python -m pytest -rA -p no:cacheprovider -o addopts="
LIVE_PARSER = """\
import re
def parser(log):
    print("noise")
    return {m[2]: "pass" if m[1] == "PASSED" else "fail" for m in re.finditer("^(PASSED|FAILED) (\\\\S+)", log, re.M)}
"""
POLY_PARSER = """\
class ByWords:
    def __init__(self, test_content):
        self.words = [line.split() for line in test_content.splitlines()]
    def parse(self):
        named = {kind: [words[1] for words in self.words if words[:1] == [kind] and words[1:]] for kind in
                 ("PASSED", "FAILED")}
        return {"passed_tests": named["PASSED"], "failed_tests": named["FAILED"]}
"""
REBENCH_PARSERS = """\
from agent.statuses import PASSED
def by_words(log):
    return {line.split()[1]: PASSED for line in log.splitlines() if line.startswith(PASSED + " ")}
parse_log_pytest = by_words
NAME_TO_PARSER = {"parse_log_words": by_words}
"""


def keys_of(data: Path) -> dict[str, AnswerKey]:
    """The answers of the two issues, by the name of their package."""
    keys = load_answer_keys(data / "task_repo", list(PACKAGES.values()))
    return {name: keys[id] for name, id in PACKAGES.items()}


def test_file(key: AnswerKey) -> str:
    """The file with all tests of an issue."""
    return key.FAIL_TO_PASS[0].partition("::")[0]


def image_of(name: str) -> str:
    """The image that the tests have."""
    return f"codemonkeys/{PACKAGES[name]}:latest"


def prepared_image(name: str) -> str:
    """That image with what those of R2E-Gym and SWE-smith have besides."""
    return f"codemonkeys-test/prepared-{name}:latest"


def branch_of(name: str) -> str:
    """Id of the issue in SWE-smith, and the branch of its image."""
    return f"acme__{name}.12345678.combine_file__abc123"


def prepared_recipe(name: str, key: AnswerKey) -> str:
    """The Dockerfile of `prepared_image`; beside it lie gold.diff and test.diff."""
    file, branch, commit = test_file(key), branch_of(name), "git -c user.name=a -c user.email=a@b commit -q"
    steps = [
        "cd /testbed",
        "ln -s /opt/testbed .venv",
        f"echo 'cd /testbed && .venv/bin/{PYTEST} r2e_tests/{Path(file).name}{SELECTED[name]}' > run_tests.sh",
        "git apply /build/test.diff && cp -r tests /r2e_tests",
        "git apply /build/gold.diff && git checkout -q -b clean",
        f"{commit} -a -m clean && git checkout -q -b {branch}",
        f"git apply -R /build/gold.diff && {commit} -a -m bug",
        f"git rm -q {file} && {commit} -m tests",
        "git checkout -q -f main 2>/dev/null || git checkout -q -f master",
    ]
    return f"FROM {image_of(name)}\nCOPY gold.diff test.diff /build/\nRUN {' && '.join(steps)}\n"


def scripts(folder: Path) -> Path:
    """A folder as clones of the harnesses are, with parsers."""
    for path, text in {
        "src/poly_bench_evaluation/__init__.py": "import nothing_of_the_kind\n",
        "src/poly_bench_evaluation/constants.py": 'REPO_TO_PARSER_CLASS = {"acme/testbed": "ByWords"}\n',
        "src/poly_bench_evaluation/parsers/__init__.py": POLY_PARSER,
        "lib/agent/__init__.py": "",
        "lib/agent/statuses.py": 'PASSED = "PASSED"\n',
        "lib/agent/log_parsers.py": REBENCH_PARSERS,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def _common(name: str, key: AnswerKey) -> dict[str, Any]:
    return {
        "instance_id": f"acme__{name}-1",
        "repo": "acme/testbed",
        "base_commit": "5" * 40,
        "problem_statement": "It rings.",
        "patch": key.patch,
        "test_patch": key.test_patch,
        "FAIL_TO_PASS": list(key.FAIL_TO_PASS),
        "PASS_TO_PASS": json.dumps(key.PASS_TO_PASS),
    }


def _rebench(name: str, key: AnswerKey) -> dict[str, Any]:
    config = {"test_cmd": PYTEST, "install": "true", "log_parser": "parse_log_pytest"}
    return {**_common(name, key), "docker_image": image_of(name), "install_config": json.dumps(config)}


def _rebench_2(name: str, key: AnswerKey) -> dict[str, Any]:
    parser = "parse_log_words" if name == "flask" else "parse_log_pytest"
    config = {"test_cmd": ["true", f"{PYTEST} {test_file(key)}"], "log_parser": parser}
    more = {"language": "python", "interface": "", "pr_description": "x", "install_config": config}
    return {**_common(name, key), **more, "image_name": image_of(name)}


def _live(name: str, key: AnswerKey) -> dict[str, Any]:
    commands = {"rebuild_cmds": ["true"], "test_cmds": ["cd .", f"{PYTEST} {test_file(key)} > log"]}
    shown = {"print_cmds": ["cat log"], "log_parser": LIVE_PARSER}
    if name == "flask":  # as the rows of Python are
        commands, shown = {"test_cmds": [f"{PYTEST} {test_file(key)}"]}, {"log_parser": "pytest"}
    return {**_common(name, key), **commands, **shown, "docker_image": image_of(name)}


def _poly(name: str, key: AnswerKey) -> dict[str, Any]:
    common = _common(name, key)
    lists = {"F2P": repr(common.pop("FAIL_TO_PASS")), "P2P": common.pop("PASS_TO_PASS")}
    more = {"language": "Python", "Dockerfile": "FROM x", "test_command": f"{PYTEST} {test_file(key)}"}
    return {**common, **lists, **more}


def _gym(name: str, key: AnswerKey) -> dict[str, Any]:
    number = 1 + list(PACKAGES).index(name)
    return {**_common(name, key), "instance_id": f"iterative__dvc-{number}", "image": image_of(name)}


def _r2e(name: str, key: AnswerKey) -> dict[str, Any]:
    chosen = f"{test_file(key)}{SELECTED[name]}::"
    named = [test for test in (*key.FAIL_TO_PASS, *key.PASS_TO_PASS) if test.startswith(chosen)]
    tests = [".".join(test.split("::")[1:]) for test in named]
    return {
        "repo_name": name,
        "commit_hash": "ab" * 20,
        "docker_image": prepared_image(name),
        "problem_statement": "[ISSUE]It rings.[/ISSUE]",
        "expected_output_json": json.dumps(dict.fromkeys(tests, "PASSED")),
    }


def _smith(name: str, key: AnswerKey) -> dict[str, Any]:
    common = _common(name, key)
    del common["base_commit"], common["test_patch"]
    bug = {"instance_id": branch_of(name), "patch": reversed_patch(key.patch)}
    # Its parser does not see names with spaces, so that its lists do not have them.
    kept = [test for test in key.PASS_TO_PASS if test.count("[") == test.count("]")]
    return {**common, **bug, "image_name": prepared_image(name), "PASS_TO_PASS": kept}


def _open_swe(name: str, key: AnswerKey) -> dict[str, Any]:
    script = f"#!/bin/bash\ncd /testbed\n{PYTEST} {test_file(key)}\n"
    return {**_common(name, key), "image_name": image_of(name), "eval_script": script}


def _lego(name: str, key: AnswerKey) -> dict[str, Any]:
    return {**_common(name, key), "image_name": image_of(name), "test_cmd": f"{PYTEST} -v {test_file(key)}"}


def _scale(name: str, key: AnswerKey) -> dict[str, Any]:
    more = {"image_url": image_of(name), "pre_commands": "true", "test_cmd": f"{PYTEST} {test_file(key)}"}
    return {**_common(name, key), **more}


ROWS: dict[str, Callable[[str, AnswerKey], dict[str, Any]]] = {
    "SWE-rebench": _rebench,
    "SWE-rebench V2": _rebench_2,
    "SWE-bench Live": _live,
    "SWE-PolyBench": _poly,
    "SWE-Gym": _gym,
    "R2E-Gym": _r2e,
    "SWE-smith": _smith,
    "OpenSWE": _open_swe,
    "SWE-Lego": _lego,
    "Scale-SWE": _scale,
}
"""By format: the row of an issue."""
