"""SWE-bench's own columns, and the names of images that rows imply without naming them."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Collection

from codemonkeys.tasks.formats.base import ANY_MACHINE, X86_64, Derived, Row, RowFormat, constant
from codemonkeys.tasks.formats.scripts import pytest_script
from codemonkeys.tasks.formats.values import required, text_of

NEEDS = ("instance_id", "repo", "base_commit", "problem_statement")
GRADING = ("eval_script", "log_parser", "FAIL_TO_PASS")
"""Columns without which a row cannot be graded."""
GYM_PROJECTS = frozenset(
    {
        *(
            "bokeh__bokeh",
            "conan-io__conan",
            "dask__dask",
            "facebookresearch__hydra",
            "getmoto__moto",
            "iterative__dvc",
        ),
        *("modin-project__modin", "pandas-dev__pandas", "project-monai__monai", "pydantic__pydantic", "python__mypy"),
    }
)
"""Projects of SWE-Gym, none of which SWE-bench has: its rows have SWE-bench's columns and name no image."""


def implied_image(id: str) -> str:
    """The image of a task whose row names none: by the rule of SWE-Gym for its projects, else by SWE-bench's."""
    if is_gym(id):
        return f"xingyaoww/sweb.eval.x86_64.{id.replace('__', '_s_')}".lower()
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return f"swebench/sweb.eval.{machine}.{id.replace('__', '_1776_')}:latest".lower()


def is_gym(id: object) -> bool:
    """Whether an id is one of SWE-Gym."""
    return isinstance(id, str) and id.lower().rpartition("-")[0] in GYM_PROJECTS


_GYM_COMMANDS = {
    "dask": "pytest -n0 -rA --color=no",
    "conan": "pytest -n0 -rA",
    "moto": "pytest -n0 -rA",
    "modin": "pytest -n0 -rA",
    "bokeh": "pytest -rA -n0",
    "mypy": "pytest -n0 -rA",
    "hydra": "pytest -rA --tb=long",
    "pandas": "pytest -rA --tb=long",
    "pydantic": "pytest -rA --tb=short -vv -o console_output_style=classic --no-header",
}
"""How the tests of a project of SWE-Gym are run, by the name of its repository; others without further options."""


def _gym_script(row: Row) -> str:
    project = required(row, "instance_id").lower().rpartition("-")[0].partition("__")[2]
    command, patch = _GYM_COMMANDS.get(project, "pytest -rA"), text_of(row, "test_patch")
    before = ["export PYTHONPATH=${PYTHONPATH:-}:$PWD"] if project == "conan" else []
    # mypy's tests are cases in files of data.
    cases = re.findall(r"\[case ([^\]\s]+)\]", patch) if project == "mypy" else []
    return pytest_script(patch, command, before, f"-k {shlex.quote(' or '.join(cases))}" if cases else None)


def missing_columns(names: Collection[str]) -> str:
    """Why rows with these columns cannot be graded; empty if they can."""
    missing = [name for name in GRADING if name not in names]
    if not missing:
        return ""
    return f"the dataset has no {', '.join(missing)}, which grading needs; use a dataset in the format of SWE-bench 5"


FORMAT = RowFormat(
    name="SWE-bench",
    marks=frozenset(NEEDS),
    needs=NEEDS,
    ungradable=missing_columns,
    machine=ANY_MACHINE,
)

GYM = RowFormat(
    name="SWE-Gym",
    marks=frozenset({*NEEDS, "test_patch"}),
    needs=NEEDS,
    derived={
        "eval_script": Derived(("instance_id", "test_patch"), _gym_script),
        "log_parser": constant("parse_log_pytest"),
    },
    ungradable=lambda names: "" if "FAIL_TO_PASS" in names else missing_columns(names),
    machine=X86_64,
)
"""SWE-bench's columns without those that it is graded by: which one a row is in is told by its id."""
