#!/usr/bin/env bash
# SWE-bench's pytest parser merges parametrized tests whose ids contain spaces; the last line wins.
#
# One would guess that each test in the report is a test of pytest. The parser splits the lines of pytest's summary at
# spaces and keeps the second word, so `test_join[a b]` and `test_join[a c]` are both `test_join[a`. pytest lists
# passes before failures, hence one failed case stands for all of them. Looking up a test in the report by pytest's
# own id finds nothing. On the same log `parse_log_pytest_v2` keeps both apart; a column of the task decides which
# parser reads it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check swebench==5.0.2 pytest==9.1.1

cat > test_join.py <<'PY'
import pytest


@pytest.mark.parametrize("text", ["a b", "a c"])
def test_join(text: str) -> None:
    assert text == "a b"
PY
venv/bin/python -m pytest -rA test_join.py > log || true

cat > probe.py <<'PY'
from importlib.metadata import version
from pathlib import Path

from swebench.harness.log_parsers import PARSER_REGISTRY

log = Path("log").read_text()
seen = {name: PARSER_REGISTRY[name](log, None) for name in ("parse_log_pytest", "parse_log_pytest_v2")}
print("swebench", version("swebench"), "reading pytest", version("pytest"))
print(*(line for line in log.splitlines() if line.startswith(("PASSED", "FAILED"))), sep="\n")
print(*(f"{name}: {statuses}" for name, statuses in seen.items()), sep="\n")
assert seen == {
    "parse_log_pytest": {"test_join.py::test_join[a": "FAILED"},
    "parse_log_pytest_v2": {"test_join.py::test_join[a b]": "PASSED", "test_join.py::test_join[a c]": "FAILED"},
}, "changed"
PY
venv/bin/python probe.py
