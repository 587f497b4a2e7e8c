#!/usr/bin/env bash
# The atif package accepts any `schema_version`, but rejects a document with one field more.
#
# One would guess that a validator of trajectories refuses versions it does not know and tolerates optional fields of
# the next minor version. It is the other way round: the version may be any string, while every object forbids unknown
# fields except in `extra`. So a valid document may claim anything, and a writer one minor version ahead is rejected
# as a whole. Tool call ids are checked less than they seem: a result has to name a call of its own step, unless that
# step has no `tool_calls`; then it may name anything.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check atif==1.8.0

cat > probe.py <<'PY'
from importlib.metadata import version

from atif import Trajectory
from pydantic import ValidationError

OBSERVATION = {"results": [{"source_call_id": "call-of-no-step", "content": "done"}]}
STEP = {"step_id": 1, "source": "agent", "message": "Listing files."}
PLAIN = {"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"}, "steps": [STEP]}
CASES = {
    "as the format has it": PLAIN,
    "a version of far ahead": PLAIN | {"schema_version": "ATIF-v99.0"},
    "a version that is none": PLAIN | {"schema_version": "a trajectory"},
    "one optional field more": PLAIN | {"schema_version": "ATIF-v1.9", "language": "en"},
    "result of no call, no calls listed": PLAIN | {"steps": [STEP | {"observation": OBSERVATION}]},
    "result of no call, an empty list": PLAIN | {"steps": [STEP | {"observation": OBSERVATION, "tool_calls": []}]},
}


def accepted(document: dict[str, object]) -> bool:
    try:
        Trajectory.model_validate(document)
    except ValidationError:
        return False
    return True


seen = {name: accepted(document) for name, document in CASES.items()}
print("atif", version("atif"))
for name, verdict in seen.items():
    print(f"{name}: {'accepted' if verdict else 'refused'}")
assert list(seen.values()) == [True, True, True, False, True, False], "changed"
PY
venv/bin/python probe.py
