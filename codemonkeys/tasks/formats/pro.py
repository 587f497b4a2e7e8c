"""SWE-bench Pro: lists are literals of Python, texts may be JSON strings, and the issue comes in three parts."""

from __future__ import annotations

from codemonkeys.tasks.formats.base import Derived, Row, RowFormat, constant, elsewhere
from codemonkeys.tasks.formats.values import names, required, text_of, with_sections

IMAGES = "jefzda/sweap-images"


def _issue(row: Row) -> str:
    issue = text_of(row, "problem_statement")
    return (
        with_sections(issue, requirements=text_of(row, "requirements"), interface=text_of(row, "interface"))
        if issue.strip()
        else issue
    )


FORMAT = RowFormat(
    name="SWE-bench Pro",
    marks=frozenset({"dockerhub_tag", "repo_language"}),
    needs=("instance_id", "repo", "base_commit", "problem_statement", "repo_language", "dockerhub_tag"),
    derived={
        "problem_statement": Derived(("problem_statement", "requirements", "interface"), _issue),
        "language": Derived(("repo_language",), lambda row: row.get("repo_language")),
        "image": Derived(("dockerhub_tag",), lambda row: f"{IMAGES}:{required(row, 'dockerhub_tag')}"),
        "workdir": constant("/app"),
        "FAIL_TO_PASS": names("fail_to_pass"),
        "PASS_TO_PASS": names("pass_to_pass"),
    },
    ungradable=elsewhere("the harness of SWE-bench Pro, with the run_scripts of its repository"),
)
