#!/usr/bin/env bash
# A chat completion with tools fails in litellm unless the package mcp is installed, which litellm does not require.
#
# One would guess that `pip install litellm` can send tools, as every provider's own client can, and that a missing
# package is an ImportError. litellm looks whether a tool names one of its MCP servers, and imports mcp for that,
# whatever the tools are. What is raised is an APIConnectionError, which says that the request may pass if it is sent
# again, so that whoever retries connection errors waits for nothing. No request goes out. Later versions look at the
# tools first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check litellm==1.106.2

cat > probe.py <<'PY'
from importlib.metadata import version
from importlib.util import find_spec

import litellm

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
assert find_spec("mcp") is None, "something else has installed mcp"
try:
    # Nothing listens there: nothing has to.
    litellm.completion(
        model="openai/m", messages=[{"role": "user", "content": "?"}], tools=[TOOL], api_base="http://127.0.0.1:9/v1",
        api_key="none", max_retries=0,
    )  # fmt: skip
except litellm.APIConnectionError as error:
    print("litellm", version("litellm"), "raises APIConnectionError:", error.message)
    assert "No module named 'mcp'" in error.message, "changed"
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
