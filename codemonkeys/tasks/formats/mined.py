"""Data sets that are mined from repositories without end: SWE-rebench, SWE-bench Live, and SWE-PolyBench."""

from __future__ import annotations

from codemonkeys.tasks.formats.base import Derived, Row, RowFormat, constant, elsewhere
from codemonkeys.tasks.formats.swe_bench import NEEDS
from codemonkeys.tasks.formats.values import names, required, text_of, with_sections


def _with_interface(row: Row) -> str:
    issue = text_of(row, "problem_statement")
    return with_sections(issue, interface=text_of(row, "interface")) if issue.strip() else issue


def _poly_image(row: Row) -> str:
    return f"ghcr.io/timesler/swe-polybench.eval.x86_64.{required(row, 'instance_id').lower()}:v1.1"


REBENCH_2 = RowFormat(
    name="SWE-rebench V2",
    marks=frozenset({"install_config", "image_name", "pr_description"}),
    needs=(*NEEDS, "language", "image_name"),
    derived={
        "problem_statement": Derived(("problem_statement", "interface"), _with_interface),
        "workdir": Derived(("repo",), lambda row: f"/{required(row, 'repo').rpartition('/')[2]}"),
    },
    ungradable=elsewhere("the harness of SWE-rebench V2, by its install_config"),
)

REBENCH = RowFormat(
    name="SWE-rebench",
    marks=frozenset({"install_config"}),
    needs=NEEDS,
    derived={"workdir": constant("/testbed")},
    ungradable=elsewhere("the harness of SWE-rebench, by its install_config"),
)

LIVE = RowFormat(
    name="SWE-bench Live",
    marks=frozenset({"test_cmds"}),
    needs=NEEDS,
    derived={"workdir": constant("/testbed")},
    ungradable=elsewhere("the harness of SWE-bench Live, by its test_cmds"),
)

POLY = RowFormat(
    name="SWE-PolyBench",
    marks=frozenset({"Dockerfile", "F2P", "test_command"}),
    needs=(*NEEDS, "language"),
    derived={
        "image": Derived(("instance_id",), _poly_image),
        "workdir": constant("/testbed"),
        "FAIL_TO_PASS": names("F2P"),
        "PASS_TO_PASS": names("P2P"),
    },
    ungradable=elsewhere("the harness of SWE-PolyBench, by its test_command"),
)
