"""SWE-bench Pro: lists are literals of Python, texts may be JSON strings, and the issue comes in three parts."""

from __future__ import annotations

import re
import shlex

from codemonkeys.tasks.formats.base import BadColumn, Derived, Row, RowFormat, constant
from codemonkeys.tasks.formats.values import names, required, text_of, unpacked, with_sections

IMAGES = "jefzda/sweap-images"
PARSER = "swe-bench-pro"
"""In place of the name of a parser: each task brings its own."""
COMMIT = re.compile(r"[0-9a-f]{7,64}")


def _issue(row: Row) -> str:
    issue = text_of(row, "problem_statement")
    return (
        with_sections(issue, requirements=text_of(row, "requirements"), interface=text_of(row, "interface"))
        if issue.strip()
        else issue
    )


def entry_script(row: Row) -> str:
    """What its harness runs: base commit, patch, hidden tests, its own script, and a parser of what that printed."""
    base = required(row, "base_commit")
    if not COMMIT.fullmatch(base):
        raise BadColumn(f"base_commit is {base[:80]!r}, not a commit hash")
    commands = text_of(row, "before_repo_set_cmd").strip().splitlines()
    tests = unpacked("selected_test_files_to_run")(row) or []
    if not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
        raise BadColumn("column 'selected_test_files_to_run' is not a list of files")
    return f"""\
cd /app
git reset --hard {base}
git checkout {base}
git apply -v /workspace/patch.diff
echo $? > /workspace/applied
{commands[-1] if commands else ""}
bash /workspace/run_script.sh {shlex.quote(",".join(tests))} > /workspace/stdout.log 2> /workspace/stderr.log
python /workspace/parser.py /workspace/stdout.log /workspace/stderr.log /workspace/output.json
"""


FORMAT = RowFormat(
    name="SWE-bench Pro",
    marks=frozenset({"dockerhub_tag", "repo_language"}),
    needs=("instance_id", "repo", "base_commit", "problem_statement", "repo_language", "dockerhub_tag"),
    derived={
        "problem_statement": Derived(("problem_statement", "requirements", "interface"), _issue),
        "language": Derived(("repo_language",), lambda row: row.get("repo_language")),
        "image": Derived(("dockerhub_tag",), lambda row: f"{IMAGES}:{required(row, 'dockerhub_tag')}"),
        "workdir": constant("/app"),
        "eval_script": Derived(("base_commit", "before_repo_set_cmd", "selected_test_files_to_run"), entry_script),
        "log_parser": constant(PARSER),
        "FAIL_TO_PASS": names("fail_to_pass"),
        "PASS_TO_PASS": names("pass_to_pass"),
    },
    note=(
        "`codemonkeys evaluate` needs the scripts of the repository SWE-bench_Pro-os, beside the rows or given with "
        "--scripts FOLDER"
    ),
)
