"""Data sets that are made for training: SWE-smith, R2E-Gym, SWE-Gym, OpenSWE, SWE-Lego and Scale-SWE."""

from __future__ import annotations

import re
from collections.abc import Collection

from codemonkeys.tasks.formats.base import OF_IMAGE, Derived, Row, RowFormat, constant, elsewhere, renamed
from codemonkeys.tasks.formats.swe_bench import NEEDS
from codemonkeys.tasks.formats.values import required, text_of


def _r2e_id(row: Row) -> str:
    return f"{required(row, 'repo_name')}-{required(row, 'commit_hash')[:12]}"


def _r2e_issue(row: Row) -> str:
    return re.sub(r"^\s*\[ISSUE\]\n?|\n?\[/ISSUE\]\s*$", "", text_of(row, "problem_statement"))


def _own_script(names: Collection[str]) -> str:
    script = next((name for name in ("eval_script", "test_cmd") if name in names), "tests")
    return elsewhere(f"the harness of its data set, by its {script}")(names)


SMITH = RowFormat(
    name="SWE-smith",
    marks=frozenset({"instance_id", "image_name", "problem_statement", "repo", "FAIL_TO_PASS"}),
    needs=("instance_id", "repo", "problem_statement", "image_name"),
    derived={"base_commit": constant(OF_IMAGE), "workdir": constant("/testbed")},
    ungradable=elsewhere("the harness of SWE-smith"),
    note="its base is what the image has checked out: an image with the branch of the task is needed for its bug",
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
    },
    ungradable=elsewhere("the harness of R2E-Gym, by the expected output of its tests"),
)

SCALE = RowFormat(
    name="Scale-SWE",
    marks=frozenset({"image_url", "pre_commands"}),
    needs=(*NEEDS, "image_url"),
    derived={"image": renamed("image_url")},
    ungradable=elsewhere("the harness of Scale-SWE"),
    note="its pre_commands are not run: the code is what the image has checked out",
)

OPEN_SWE = RowFormat(
    name="OpenSWE",
    marks=frozenset({"base_commit", "image_name", "eval_script"}),
    needs=(*NEEDS, "image_name"),
    derived={"workdir": Derived(("workdir",), lambda row: row.get("workdir") or "/testbed")},
    ungradable=_own_script,
)

LEGO = RowFormat(
    name="SWE-Lego",
    marks=frozenset({"base_commit", "image_name", "test_cmd"}),
    needs=(*NEEDS, "image_name"),
    derived={"workdir": Derived(("workdir",), lambda row: row.get("workdir") or "/testbed")},
    ungradable=_own_script,
)
