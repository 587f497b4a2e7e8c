#!/usr/bin/env bash
# litellm's list does not say whether a model's window includes the answer.
#
# One would guess that `max_input_tokens` is what a prompt may have, whatever the answer. For gpt-4 it is the whole
# window, so that a prompt of that length leaves no room for an answer; for gpt-5 it is the prompt alone, and the window
# is 400,000. Hundreds of models have an answer as long as their window, and a few a longer one. So neither
# `max_input_tokens` nor the sum with `max_output_tokens` is what fits; only the first, answer included, always does.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --no-deps --disable-pip-version-check litellm==1.106.2

cat > probe.py <<'PY'
import json
from importlib.metadata import files, version

(listed,) = (f for f in files("litellm") if f.name == "model_prices_and_context_window_backup.json")
models = json.loads(listed.locate().read_text(encoding="utf-8"))
print("litellm", version("litellm"))
for name, window in [("gpt-4", 8192), ("gpt-5", 400_000)]:
    entry = models[name]
    prompt, answer = entry["max_input_tokens"], entry["max_output_tokens"]
    print(f"{name}: {prompt} in, {answer} out; its maker says {window} for both together")
both = [
    (entry["max_input_tokens"], entry["max_output_tokens"])
    for entry in models.values()
    if entry.get("mode") == "chat" and entry.get("max_input_tokens") and entry.get("max_output_tokens")
]
same, longer = sum(i == o for i, o in both), sum(i < o for i, o in both)
print(f"of {len(both)} chat models {same} have an answer as long as the prompt, {longer} a longer one")
assert models["gpt-4"]["max_input_tokens"] == 8192 and models["gpt-5"]["max_input_tokens"] == 272_000, "changed"
assert same > 100 and longer > 0, "changed"
PY
venv/bin/python probe.py
