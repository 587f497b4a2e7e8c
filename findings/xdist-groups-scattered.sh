#!/usr/bin/env bash
# With pytest 9.2, pytest-xdist 3.8 runs the tests of one xdist_group on several workers, without a warning.
#
# One would guess that `--dist loadgroup` either keeps a group on one worker or fails. With pytest 9.1 it keeps it;
# with pytest 9.2 each test is scheduled on its own. Everything passes at first. What the group was for (one container
# engine, one port, one database) is now used by two processes at once, and the suite turns flaky after an upgrade of
# pytest alone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > test_group.py <<'PY'
import time
from pathlib import Path

import pytest


@pytest.mark.xdist_group("engine")
@pytest.mark.parametrize("number", range(8))
def test_one(number: int, worker_id: str) -> None:
    Path(f"{number}.worker").write_text(worker_id + "\n")
    time.sleep(0.2)
PY

workers() {
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "pytest==$2" pytest-xdist==3.8.0
    "$1/bin/python" -m pytest -q -n 2 --dist loadgroup test_group.py > "$1.log" || { cat "$1.log" >&2; exit 1; }
    sort -u ./*.worker | wc -l
    rm ./*.worker
}

before=$(workers before 9.1.1)
after=$(workers after 9.2.0)
echo "pytest-xdist 3.8.0, workers that ran one group of 8 tests: $before with pytest 9.1.1, $after with pytest 9.2.0"
[ "$before $after" = "1 2" ] || { echo "changed; it was 1 and 2" >&2; exit 1; }
