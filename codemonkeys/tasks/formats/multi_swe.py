"""Multi-SWE-bench: rows as GitHub tells of a pull request, with the issues that it resolves."""

from __future__ import annotations

from typing import Any

from codemonkeys.tasks.formats.base import BadColumn, Derived, Row, RowFormat, elsewhere, renamed
from codemonkeys.tasks.formats.values import names, required, unpacked


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
        "patch": renamed("fix_patch"),
        "FAIL_TO_PASS": names("f2p_tests"),
        "PASS_TO_PASS": names("p2p_tests"),
    },
    ungradable=elsewhere("the harness of Multi-SWE-bench"),
)
