#!/usr/bin/env bash
# litellm counts an answer without a usage record as zero tokens and 0.00 USD.
#
# One would guess that missing usage is None. `usage` is optional in OpenAI's response format, and some compatible
# servers omit it. litellm fills in zeros, and `completion_cost` returns 0.0, the same as for a free model. A budget
# that adds up costs does not notice the call, and the response object does not tell the two cases apart.
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

ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a long answer"}}],
}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 400, "total_tokens": 1400}
body = b""


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Silent."""


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
print("litellm", version("litellm"))
for what, answer in [("told", ANSWER | {"usage": USAGE}), ("not told", ANSWER)]:
    body = json.dumps(answer).encode()
    response = litellm.completion(
        model="openai/gpt-4o",
        messages=[{"role": "user", "content": "word " * 990}],
        api_base=f"http://127.0.0.1:{server.server_port}/v1",
        api_key="none",
    )
    tokens = (response.usage.prompt_tokens, response.usage.completion_tokens)
    seen.append((tokens, litellm.completion_cost(response) > 0))
    print(f"usage {what}: {tokens} tokens, {litellm.completion_cost(response):.4f} USD")
assert seen == [((1000, 400), True), ((0, 0), False)], "changed"
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
