"""Data sets that are made for training: SWE-smith, R2E-Gym, SWE-Gym, OpenSWE, SWE-Lego and Scale-SWE."""

from __future__ import annotations

import re
from collections.abc import Collection

from codemonkeys.tasks.formats.base import (
    OF_IMAGE,
    BadColumn,
    Derived,
    Row,
    RowFormat,
    constant,
    elsewhere,
    gradable_with,
    renamed,
)
from codemonkeys.tasks.formats.reversing import reversed_patch
from codemonkeys.tasks.formats.scripts import (
    ACTIVATE,
    APPLIED,
    PATCH,
    apply_step,
    commands_of,
    container_script,
    logged,
    quoted,
)
from codemonkeys.tasks.formats.swe_bench import NEEDS
from codemonkeys.tasks.formats.values import names, required, text_of, unpacked

SMITH_PARSER, R2E_PARSER, OWN_PARSER = "swe-smith", "r2e-gym", "own-script"
"""In place of the name of a parser of swebench: each of these is graded in a way of its own."""


def _r2e_id(row: Row) -> str:
    return f"{required(row, 'repo_name')}-{required(row, 'commit_hash')[:12]}"


def _r2e_issue(row: Row) -> str:
    return re.sub(r"^\s*\[ISSUE\]\n?|\n?\[/ISSUE\]\s*$", "", text_of(row, "problem_statement"))


def _r2e_script(row: Row) -> str:
    """The hidden tests, which its images have in a folder of the root, are moved to where its script looks for them."""
    tests = [
        "rm -rf /root/.venv && ln -s /testbed/.venv /root/.venv",
        "for place in . /r2e_tests; do find $place -name '*.pyc' -delete; done",
        "[ -e run_tests.sh ] && mv run_tests.sh /root/run_tests.sh",
        "[ -e /r2e_tests ] && mv /r2e_tests /root/r2e_tests",
        "[ -e r2e_tests ] || ln -s /root/r2e_tests r2e_tests",
        "export PATH=/root/.venv/bin:/root/.local/bin:/root/.cargo/bin:$PATH",
    ]
    return container_script("/testbed", [*tests, *logged(["bash /root/run_tests.sh"])])


def _expected(row: Row) -> dict[str, str]:
    value = unpacked("expected_output_json")(row) or {}
    if not isinstance(value, dict) or not all(isinstance(status, str) for status in value.values()):
        raise BadColumn("column 'expected_output_json' is not a mapping of tests to statuses")
    return value


def _smith_script(row: Row) -> str:
    """The last commit of a task's branch removes its hidden tests, which are those of the commit before."""
    branch, files = quoted([required(row, "instance_id")]), _files_of_tests(row)
    apply = ("git apply --verbose", "git apply --verbose --reject", "patch --batch --fuzz=5 -p1 -i")
    return "\n".join(
        [
            *("cd /testbed || exit 3", "git config --global --add safe.directory '*'"),
            f"git checkout -q {branch} && git checkout -q HEAD~1 || exit 4",
            apply_step(PATCH, APPLIED, apply),
            f"git checkout -- {files}",
            ACTIVATE,
            *logged([f"pytest --disable-warnings --color=no --tb=no --verbose {files}"]),
            "",
        ]
    )


def _files_of_tests(row: Row) -> str:
    listed = [name for column in ("FAIL_TO_PASS", "PASS_TO_PASS") for name in names(column).make(row) or ()]
    if not all(isinstance(name, str) for name in listed):
        raise BadColumn("columns 'FAIL_TO_PASS' and 'PASS_TO_PASS' are not lists of tests")
    return quoted(sorted({name.partition("::")[0] for name in listed}))


def _own_script(default: str) -> Derived:
    """Its own script, or else its command, after the hidden tests have been added; `default`: where, if no row says."""

    def make(row: Row) -> str:
        place, script = str(row.get("workdir") or default), text_of(row, "eval_script")
        if script.strip():
            return container_script(place, logged(["(", script, ")"]))
        return container_script(place, [ACTIVATE, *logged(commands_of(row, "test_cmd"))])

    return Derived(("workdir", "eval_script", "test_cmd"), make)


def _has_script(names: Collection[str]) -> str:
    if not {"eval_script", "test_cmd"} & set(names):
        return elsewhere("the harness of its data set: its rows name neither a script nor a command")(names)
    return gradable_with("FAIL_TO_PASS")(names)


_OWN = {"eval_script": _own_script("/testbed"), "log_parser": constant(OWN_PARSER)}


SMITH = RowFormat(
    name="SWE-smith",
    marks=frozenset({"instance_id", "image_name", "problem_statement", "repo", "FAIL_TO_PASS"}),
    needs=("instance_id", "repo", "problem_statement", "image_name"),
    derived={
        "base_commit": constant(OF_IMAGE),
        "workdir": constant("/testbed"),
        "branch": renamed("instance_id"),
        # The patch of a row makes the bug.
        "patch": Derived(("patch",), lambda row: reversed_patch(text_of(row, "patch"))),
        "eval_script": Derived(("instance_id", "FAIL_TO_PASS", "PASS_TO_PASS"), _smith_script),
        "log_parser": constant(SMITH_PARSER),
    },
    note="the branch of each task is fetched from its repository, by the engine, when its image is first used",
)

R2E = RowFormat(
    name="R2E-Gym",
    marks=frozenset({"repo_name", "commit_hash", "docker_image"}),
    needs=("repo_name", "commit_hash", "docker_image", "problem_statement"),
    derived={
        "instance_id": Derived(("repo_name", "commit_hash"), _r2e_id),
        "repo": renamed("repo_name"),
        # The commit that the row names is the fix: the image has the one before it checked out.
        "base_commit": constant(OF_IMAGE),
        "problem_statement": Derived(("problem_statement",), _r2e_issue),
        "workdir": constant("/testbed"),
        "hidden": constant("/r2e_tests /root/r2e_tests"),
        "patch": constant(""),
        "eval_script": Derived((), _r2e_script),
        "log_parser": constant(R2E_PARSER),
        "FAIL_TO_PASS": Derived(("expected_output_json",), lambda row: list(_expected(row))),
        "grading": Derived(("expected_output_json",), _expected),
    },
    ungradable=gradable_with("expected_output_json"),
)

SCALE = RowFormat(
    name="Scale-SWE",
    marks=frozenset({"image_url", "pre_commands"}),
    needs=(*NEEDS, "image_url"),
    derived={**_OWN, "eval_script": _own_script("."), "image": renamed("image_url")},
    ungradable=_has_script,
    note="its pre_commands are not run: the code is what the image has checked out",
)

OPEN_SWE = RowFormat(
    name="OpenSWE",
    marks=frozenset({"base_commit", "image_name", "eval_script"}),
    needs=(*NEEDS, "image_name"),
    derived={**_OWN, "workdir": Derived(("workdir",), lambda row: row.get("workdir") or "/testbed")},
    ungradable=_has_script,
)

LEGO = RowFormat(
    name="SWE-Lego",
    marks=frozenset({"base_commit", "image_name", "test_cmd"}),
    needs=(*NEEDS, "image_name"),
    derived={**_OWN, "workdir": Derived(("workdir",), lambda row: row.get("workdir") or "/testbed")},
    ungradable=_has_script,
)
