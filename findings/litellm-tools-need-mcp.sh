#!/usr/bin/env bash
# A chat completion with tools fails in litellm unless the package mcp is installed, which litellm does not require.
#
# One would guess that `pip install litellm` can send tools, as every provider's own client can. litellm looks whether a
# tool names one of its MCP servers, and imports mcp for that, whatever the tools are. `completion` raises
# ModuleNotFoundError; `acompletion` raises APIConnectionError, which says that the request may pass if it is sent again,
# so that whoever retries connection errors waits for nothing. No request goes out. Later versions look at the tools
# first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check litellm==1.106.2

cat > probe.py <<'PY'
import asyncio
from importlib.metadata import version
from importlib.util import find_spec

import litellm

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
# Nothing listens there: nothing has to.
ASKED = {"model": "openai/m", "api_base": "http://127.0.0.1:9/v1", "api_key": "none", "max_retries": 0}
ASKED |= {"messages": [{"role": "user", "content": "?"}], "tools": [TOOL]}

assert find_spec("mcp") is None, "something else has installed mcp"
print("litellm", version("litellm"))
seen = []
for name, ask in [
    ("completion", lambda: litellm.completion(**ASKED)),
    ("acompletion", lambda: asyncio.run(litellm.acompletion(**ASKED))),
]:
    try:
        ask()
    except Exception as error:
        seen.append((type(error).__name__, "No module named 'mcp'" in str(error)))
        print(f"{name} raises {type(error).__name__}: {error}")
assert seen == [("ModuleNotFoundError", True), ("APIConnectionError", True)], "changed"
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
