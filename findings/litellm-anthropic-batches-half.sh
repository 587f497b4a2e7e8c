#!/usr/bin/env bash
# litellm looks up Anthropic's message batches, but does not create them.
#
# One would guess that a provider of which litellm retrieves batches can be given some by it too: a file is uploaded and
# a batch created, as for OpenAI. `retrieve_batch` asks Anthropic's endpoint, while `create_batch` refuses the provider
# before any request goes out. Whoever writes one way for both providers finds out when the first batch is to be
# submitted. Anthropic's protocol takes the requests in the body of one POST, without a file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check litellm==1.106.2

cat > probe.py <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import litellm

seen = []


class Provider(BaseHTTPRequestHandler):
    """Has one batch, as Anthropic's interface describes it, and takes any other."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        seen.append((self.command, self.path))
        batch = {
            "id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress", "results_url": None,
            "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
            "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
            "ended_at": None, "archived_at": None, "cancel_initiated_at": None,
        }  # fmt: skip
        body = json.dumps(batch).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *arguments: object) -> None:
        """Silent."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
given = {
    "custom_llm_provider": "anthropic",
    "api_key": "none",
    "api_base": f"http://127.0.0.1:{server.server_port}",
}
batch = litellm.retrieve_batch(batch_id="msgbatch_1", **given)
retrieved, seen[:] = list(seen), []
try:
    litellm.create_batch(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id="file_1", **given
    )
    created = "created"
except litellm.BadRequestError as error:
    created = str(error)
print("litellm", version("litellm"))
print("retrieve_batch:", retrieved, batch.status)
print("create_batch:", created, "after requests", seen)
assert retrieved == [("GET", "/v1/messages/batches/msgbatch_1")] and batch.status == "in_progress"
assert "doesn't support custom_llm_provider=anthropic for 'create_batch'" in created and not seen
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
