"""SWE-bench's own columns, and the names of images that rows imply without naming them."""

from __future__ import annotations

import platform
from collections.abc import Collection

from codemonkeys.tasks.formats.base import ANY_MACHINE, RowFormat

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
    if id.lower().rpartition("-")[0] in GYM_PROJECTS:
        return f"xingyaoww/sweb.eval.x86_64.{id.replace('__', '_s_')}".lower()
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return f"swebench/sweb.eval.{machine}.{id.replace('__', '_1776_')}:latest".lower()


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
