"""Data sets that are mined from repositories without end: SWE-rebench, SWE-bench Live, and SWE-PolyBench."""

from __future__ import annotations

import hashlib
from typing import Any

from codemonkeys.tasks.formats.base import BadColumn, Derived, Row, RowFormat, constant, gradable_with
from codemonkeys.tasks.formats.scripts import (
    FOLDER,
    LOG,
    as_commands,
    commands_of,
    container_script,
    logged,
    pytest_script,
)
from codemonkeys.tasks.formats.swe_bench import NEEDS
from codemonkeys.tasks.formats.values import names, required, text_of, unpacked, with_sections

REBENCH_PARSER, LIVE_PARSER, POLY_PARSER = "swe-rebench-v2", "swe-bench-live", "swe-polybench"
"""In place of the name of a parser of swebench: each of these is graded in a way of its own."""


def _with_interface(row: Row) -> str:
    issue = text_of(row, "problem_statement")
    return with_sections(issue, interface=text_of(row, "interface")) if issue.strip() else issue


def _poly_image(row: Row) -> str:
    return f"ghcr.io/timesler/swe-polybench.eval.x86_64.{required(row, 'instance_id').lower()}:v1.1"


def _config(row: Row) -> dict[str, Any]:
    config = unpacked("install_config")(row)
    if not isinstance(config, dict):
        raise BadColumn("column 'install_config' is not a mapping")
    return config


def _repository(row: Row) -> str:
    return f"/{required(row, 'repo').rpartition('/')[2]}"


def _rebench_2_script(row: Row) -> str:
    """Both patches, three-way, then the commands until one fails."""
    commands = as_commands(_config(row).get("test_cmd"), "install_config")
    apply = ("git apply -v --3way --recount --ignore-space-change --whitespace=nowarn",)
    return container_script(
        _repository(row), logged(["(", "set -e", *commands, ")"]), apply, before=["git reset --hard HEAD"]
    )


def _rebench_script(row: Row) -> str:
    """As SWE-bench's: the repository is installed once more, then the test files of the patch are run."""
    config = _config(row)
    commands = as_commands(config.get("test_cmd"), "install_config")
    if not commands:
        raise BadColumn("column 'install_config' has no test_cmd")
    before = [*as_commands(config.get("install"), "install_config"), *commands[:-1]]
    return pytest_script(text_of(row, "test_patch"), commands[-1], before)


def _rebench_parser(row: Row) -> str:
    return str(_config(row).get("log_parser") or "parse_log_pytest")


def _live_script(row: Row) -> str:
    """The hidden tests come before the prediction, and what is parsed is what the last commands print."""
    rebuild, run, show = (commands_of(row, f"{name}_cmds") for name in ("rebuild", "test", "print"))
    output = f"{FOLDER}/output.txt"
    commands = [*logged(rebuild), *logged(run, output if show else LOG), *(logged(show) if show else [])]
    return container_script("/testbed", commands, tests_first=True)


def _live_grading(row: Row) -> dict[str, str]:
    return {"parser": text_of(row, "log_parser") or text_of(row, "parser") or "pytest"}


def _poly_script(row: Row) -> str:
    """The hidden tests come before the prediction, and what is parsed is what went to standard error, then the rest."""
    command = required(row, "test_command")
    end = f"EOF_{hashlib.sha256(command.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
    script, printed, errors = (f"{FOLDER}/{name}" for name in ("run.sh", "stdout.txt", "stderr.txt"))
    run = [
        *(f"cat > {script} <<'{end}'", "#!/bin/bash", "set -uxo pipefail", command, end),
        f"bash {script} > {printed} 2> {errors}",
        f"cat {errors} {printed} > {LOG}",
    ]
    apply = ("git apply -v --ignore-whitespace --reject", "patch --batch --fuzz=5 -p1 -f -i")
    return container_script("/testbed", run, apply, tests_first=True)


REBENCH_2 = RowFormat(
    name="SWE-rebench V2",
    marks=frozenset({"install_config", "image_name", "pr_description"}),
    needs=(*NEEDS, "language", "image_name"),
    derived={
        "problem_statement": Derived(("problem_statement", "interface"), _with_interface),
        "workdir": Derived(("repo",), _repository),
        "eval_script": Derived(("repo", "install_config"), _rebench_2_script),
        "log_parser": constant(REBENCH_PARSER),
        "grading": Derived(("install_config",), lambda row: {"parser": str(_config(row).get("log_parser") or "")}),
    },
    ungradable=gradable_with("FAIL_TO_PASS"),
    note=(
        "`codemonkeys evaluate` needs the parsers of the repository SWE-rebench-V2 for what is not pytest, beside the "
        "rows or given with --scripts FOLDER"
    ),
)

REBENCH = RowFormat(
    name="SWE-rebench",
    marks=frozenset({"install_config"}),
    needs=NEEDS,
    derived={
        "workdir": constant("/testbed"),
        "eval_script": Derived(("install_config", "test_patch"), _rebench_script),
        "log_parser": Derived(("install_config",), _rebench_parser),
    },
    ungradable=gradable_with("FAIL_TO_PASS", "test_patch"),
)

LIVE = RowFormat(
    name="SWE-bench Live",
    marks=frozenset({"test_cmds"}),
    needs=NEEDS,
    derived={
        "workdir": constant("/testbed"),
        "eval_script": Derived(("rebuild_cmds", "test_cmds", "print_cmds"), _live_script),
        "log_parser": constant(LIVE_PARSER),
        "grading": Derived(("log_parser", "parser"), _live_grading),
    },
    ungradable=gradable_with("FAIL_TO_PASS"),
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
        "eval_script": Derived(("test_command",), _poly_script),
        "log_parser": constant(POLY_PARSER),
        "grading": Derived(("repo",), lambda row: {"repo": required(row, "repo")}),
    },
    note=(
        "`codemonkeys evaluate` needs the parsers of the repository SWE-PolyBench, beside the rows or given with "
        "--scripts FOLDER"
    ),
)
