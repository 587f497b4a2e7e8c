#!/usr/bin/env bash
# datasets turns the string "3.10" into the number 3.1 if another row has a list in that column.
#
# One would guess that a JSON string stays a string. Where the rows of a JSON Lines file disagree on a column's type,
# datasets 5 stores the column as JSON, and strings that happen to be valid JSON are decoded when read: a version
# loses its zero, "null" becomes None, and a list encoded in a string, as in SWE-bench's FAIL_TO_PASS, becomes a list.
# Without the odd row all of them stay strings. It happens when predictions or tasks from several tools are
# concatenated.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check datasets==5.0.1 pyarrow==26.0.1

cat > probe.py <<'PY'
import json
from importlib.metadata import version
from pathlib import Path

import datasets

TEXTS = ["3.10", "null", '["test_a"]', "plain text"]


def read(name: str, values: list[object]) -> list[object]:
    Path(name).write_text("".join(json.dumps({"column": value}) + "\n" for value in values))
    return list(datasets.load_dataset("json", data_files=name, split="train")["column"])


seen = {"alone": read("alone.jsonl", TEXTS), "beside a list": read("beside.jsonl", [*TEXTS, ["test_b"]])[:-1]}
print("datasets", version("datasets"), "with pyarrow", version("pyarrow"))
print(*(f"{name}: {values}" for name, values in seen.items()), sep="\n")
assert seen == {"alone": TEXTS, "beside a list": [3.1, None, ["test_a"], "plain text"]}, "changed"
PY
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python probe.py
