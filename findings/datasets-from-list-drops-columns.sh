#!/usr/bin/env bash
# `Dataset.from_list` drops every column that the first row lacks; read from a file, the same rows keep it.
#
# One would guess that the columns are the union of the rows' keys, as when datasets reads the same rows from JSON
# Lines, or that it raises. from_list takes the first row's keys and drops all others without a word. If the first row
# lacks an optional field, such as the cost of a prediction, the whole dataset does, and so does whatever is saved or
# pushed later.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check datasets==5.0.1 pyarrow==26.0.1

cat > probe.py <<'PY'
import json
from importlib.metadata import version
from pathlib import Path

import datasets

ROWS = [{"instance_id": "a"}, {"instance_id": "b", "cost_usd": 2.5}, {"instance_id": "c", "cost_usd": 1.5}]
Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
seen = {
    "from_list": datasets.Dataset.from_list(ROWS).column_names,
    "from_list, other order": datasets.Dataset.from_list(ROWS[::-1]).column_names,
    "from a file": datasets.load_dataset("json", data_files="rows.jsonl", split="train").column_names,
}
print("datasets", version("datasets"), "with pyarrow", version("pyarrow"))
print(*(f"{name}: {columns}" for name, columns in seen.items()), sep="\n")
both = ["instance_id", "cost_usd"]
assert seen == {"from_list": both[:1], "from_list, other order": both, "from a file": both}, "changed"
PY
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python probe.py
