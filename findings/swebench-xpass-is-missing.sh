#!/usr/bin/env bash
# SWE-bench grades a test that unexpectedly passes as broken, and one that fails as expected as passed.
#
# One would guess that a patch is not punished for making an expected failure pass: pytest calls it XPASS and exits
# with 0. The parser knows XFAIL, which is graded like PASSED, but not XPASS. It skips the line, and a listed test
# that is missing from the log has failed. So if an `xfail` test is on the list of tests that should keep passing, a
# candidate that fixes more than the reference patch did is graded as a regression.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check swebench==5.0.2 pytest==9.1.1

cat > test_known.py <<'PY'
import os

import pytest


def test_issue() -> None:
    pass


@pytest.mark.xfail
def test_known() -> None:
    assert "MENDED" in os.environ
PY

cat > probe.py <<'PY'
from importlib.metadata import version
from pathlib import Path

from swebench.harness.grading import get_eval_tests_report, get_resolution_status
from swebench.harness.log_parsers import PARSER_REGISTRY

EXPECTED = {"FAIL_TO_PASS": ["test_known.py::test_issue"], "PASS_TO_PASS": ["test_known.py::test_known"]}
seen = {}
for log in ("left-alone", "mended"):
    statuses = PARSER_REGISTRY["parse_log_pytest"](Path(log).read_text(), None)
    seen[log] = get_resolution_status(get_eval_tests_report(statuses, EXPECTED))
print("swebench", version("swebench"), "reading pytest", version("pytest"), seen)
assert seen == {"left-alone": "RESOLVED_FULL", "mended": "RESOLVED_NO"}, "changed"
PY
venv/bin/python -m pytest -rA test_known.py > left-alone
MENDED=1 venv/bin/python -m pytest -rA test_known.py > mended
tail -qn 1 left-alone mended
venv/bin/python probe.py
