#!/usr/bin/env bash
# A cache breakpoint in a message for Gemini makes litellm send a request of its own, of which the answer tells nothing.
#
# One would guess that `cache_control` is passed on, as for Claude. For Gemini, litellm looks for a cache of that content
# and creates one before it asks the model: three requests instead of one. Google bills what such a cache stores by the
# hour, and neither the usage of the answer nor litellm's cost of it holds that. So we set no breakpoints for Gemini,
# which caches by itself.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check litellm==1.106.2

cat > probe.py <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

import litellm

seen = []
CANDIDATE = {"content": {"role": "model", "parts": [{"text": "Hello."}]}, "finishReason": "STOP", "index": 0}
USAGE = {"promptTokenCount": 9_000, "candidatesTokenCount": 2, "totalTokenCount": 9_002}


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if "achedContents" in self.path:
            self.answer({"name": "cachedContents/1", "model": "models/gemini-2.5-pro"})
        else:
            self.answer({"candidates": [CANDIDATE], "usageMetadata": USAGE})

    def answer(self, content: object) -> None:
        seen.append(f"{self.command} {self.path.partition('?')[0]}")
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Silent."""


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("litellm", version("litellm"))
counts = []
for mark in ({}, {"cache_control": {"type": "ephemeral"}}):
    seen.clear()
    response = litellm.completion(
        model="gemini/gemini-2.5-pro",
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "word " * 9_000, **mark}]},
            {"role": "user", "content": "Hello?"},
        ],
        api_base=f"http://127.0.0.1:{server.server_port}",
        api_key="none",
    )
    counts.append(len(seen))
    print(f"{'with' if mark else 'without'} a breakpoint: {'; '.join(seen)}; usage {response.usage.prompt_tokens}")
assert counts[0] == 1 and counts[1] > 1, "changed"
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
