#!/usr/bin/env bash
# litellm counts the tokens of one model with different tokenizers, depending on how its name is written.
#
# One would guess that `gpt-4o` and `openai/gpt-4o` are counted alike: litellm sends both to the same model at the
# same price. The tokenizer is looked up by the name as given. With the provider's prefix nothing matches, and GPT-4's
# vocabulary is used, as for a name that does not exist. Prompt limits and reserved budgets are then off by the
# difference between the vocabularies: little for English, seven per cent for this function with a Japanese string,
# and too high or too low depending on the model.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check litellm==1.106.2

cat > probe.py <<'PY'
from importlib.metadata import version

import litellm

TEXT = "def label(x):\n    return 'サンプル' + x\n" * 50
NAMES = ["gpt-4o", "openai/gpt-4o", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", "gpt-4", "no-such-model"]

seen = {name: litellm.token_counter(model=name, text=TEXT) for name in NAMES}
print("litellm", version("litellm"), seen)
assert list(seen.values()) == [701, 751, 800, 751, 751, 751], "changed"
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
