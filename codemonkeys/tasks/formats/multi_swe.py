"""Multi-SWE-bench: rows as GitHub tells of a pull request, with the issues that it resolves."""

from __future__ import annotations

from typing import Any

from codemonkeys.tasks.formats.base import BadColumn, Derived, Row, RowFormat, constant, gradable_with, renamed
from codemonkeys.tasks.formats.scripts import APPLIED, LOG, quoted
from codemonkeys.tasks.formats.values import required, unpacked

PARSER = "multi-swe-bench"
"""In place of the name of a parser: each repository has its own."""
FIX, TESTS = "/home/fix.patch", "/home/test.patch"
"""Where its images have the hidden tests, and read the prediction."""
LISTS = ("f2p_tests", "s2p_tests", "n2p_tests", "p2p_tests")
"""Tests that pass with the reference fix, by what they did with the hidden tests alone."""


def pull_request_id(row: Row) -> str:
    """The id of a row or prediction that names a pull request: `org__repo-number`. Raises BadColumn."""
    if isinstance(given := row.get("instance_id"), str) and given:
        return given
    return f"{required(row, 'org')}__{required(row, 'repo')}-{required(row, 'number')}"


def _commit(row: Row) -> Any:
    base = unpacked("base")(row)
    return base.get("sha") if isinstance(base, dict) else None


def _issue(row: Row) -> str:
    """The issues that the pull request resolves; its own text tells of the fix."""
    issues = unpacked("resolved_issues")(row) or []
    if not isinstance(issues, list) or not all(isinstance(issue, dict) for issue in issues):
        raise BadColumn("column 'resolved_issues' is not a list of issues")
    texts = (f"{issue.get('title') or ''}\n\n{issue.get('body') or ''}".strip() for issue in issues)
    return "\n\n".join(text for text in texts if text)


def _image(row: Row) -> str:
    number = required(row, "number")
    return f"mswebench/{required(row, 'org')}_m_{required(row, 'repo')}:pr-{number}".lower()


def _script(row: Row) -> str:
    """The images have the script that applies the tests and the prediction, and runs what the repository needs."""
    place = quoted([f"/home/{required(row, 'repo')}"])
    return (
        f"(cd {place} && git -c safe.directory='*' apply --whitespace=nowarn --check {TESTS} {FIX})\n"
        f"echo $? > {APPLIED}\n"
        f"bash /home/fix-run.sh > {LOG} 2>&1\n"
    )


def _tests(*columns: str) -> Derived:
    """Names of the tests of several mappings, or of lists."""

    def make(row: Row) -> list[str]:
        found: dict[str, None] = {}
        for column in columns:
            value = unpacked(column)(row) or {}
            if not isinstance(value, dict | list) or not all(isinstance(name, str) for name in value):
                raise BadColumn(f"column {column!r} is not a mapping of tests")
            # A table of Arrow has a column for each test of any row.
            found |= dict.fromkeys(name for name in value if not isinstance(value, dict) or value[name] is not None)
        return list(found)

    return Derived(columns, make)


def _grading(row: Row) -> dict[str, Any]:
    """What its parsers are asked with, and what the tests did before: without the hidden tests, and without the fix."""
    about = {name: row.get(name) for name in ("org", "repo", "number", "tag", "number_interval", "lang")}
    results = {name: unpacked(name)(row) for name in ("run_result", "test_patch_result")}
    return {**about, **results, **{name: _tests(name).make(row) for name in LISTS}}


FORMAT = RowFormat(
    name="Multi-SWE-bench",
    marks=frozenset({"org", "number", "resolved_issues"}),
    needs=("org", "repo", "number", "base", "resolved_issues"),
    derived={
        "instance_id": Derived(("instance_id", "org", "repo", "number"), pull_request_id),
        "repo": Derived(("org", "repo"), lambda row: f"{required(row, 'org')}/{required(row, 'repo')}"),
        "base_commit": Derived(("base",), _commit),
        "problem_statement": Derived(("resolved_issues",), _issue),
        "language": renamed("lang"),
        "image": Derived(("org", "repo", "number"), _image),
        "workdir": Derived(("repo",), lambda row: f"/home/{required(row, 'repo')}"),
        # Its images hold the reference beside the hidden tests.
        "hidden": constant(f"{FIX} {TESTS}"),
        "patch": renamed("fix_patch"),
        "FAIL_TO_PASS": _tests(*LISTS[:3]),
        "PASS_TO_PASS": _tests(LISTS[3]),
        "eval_script": Derived(("repo",), _script),
        "log_parser": constant(PARSER),
        "grading": Derived(
            (
                *("org", "repo", "number", "tag", "number_interval", "lang"),
                *("run_result", "test_patch_result", *LISTS),
            ),
            _grading,
        ),
    },
    ungradable=gradable_with("fix_patch", "f2p_tests", "test_patch_result"),
    note=(
        "`codemonkeys evaluate` needs the parsers of the package multi-swe-bench, beside the rows or given with "
        "--scripts FOLDER, made by: pip install --target FOLDER multi-swe-bench"
    ),
)
