#!/usr/bin/env bash
# litellm reports an answer that was cut short as finished if it does not know the provider's reason.
#
# One would guess that finish_reason "stop" means that the model finished, and that an unknown reason is passed on or
# raised. litellm maps reasons to OpenAI's, and unknown ones to "stop", with a logged warning at most. That includes
# Anthropic's `model_context_window_exceeded`, which cuts an answer just as `max_tokens` does, and the `error` that
# OpenAI-compatible gateways send when the provider behind them fails midway. Half a patch then looks like a whole
# one. For OpenAI-compatible endpoints the choice keeps a `native_finish_reason`; of Anthropic's reason nothing is
# left.
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

TEXT = "def f(x):\n    return"
reason = ""


class Provider(BaseHTTPRequestHandler):
    """Answers as Anthropic's and OpenAI's interfaces do, with the reason that is asked for."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/messages"):
            answer = {
                "id": "1", "type": "message", "role": "assistant", "model": "m", "stop_reason": reason,
                "content": [{"type": "text", "text": TEXT}], "usage": {"input_tokens": 9, "output_tokens": 9},
            }  # fmt: skip
        else:
            message = {"role": "assistant", "content": TEXT}
            answer = {
                "id": "1", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{"index": 0, "finish_reason": reason, "message": message}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
            }  # fmt: skip
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Silent."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
seen = []
print("litellm", version("litellm"))
for model, address, reason in [
    ("anthropic/claude-sonnet-4-5", base, "max_tokens"),
    ("anthropic/claude-sonnet-4-5", base, "model_context_window_exceeded"),
    ("openai/m", base + "/v1", "length"),
    ("openai/m", base + "/v1", "error"),
]:
    question = [{"role": "user", "content": "?"}]
    answer = litellm.completion(model=model, messages=question, api_base=address, api_key="none")
    choice = answer.choices[0]
    native = (getattr(choice, "provider_specific_fields", None) or {}).get("native_finish_reason")
    seen.append((choice.finish_reason, native))
    print(f"{model.split('/')[0]} said {reason}, litellm says {choice.finish_reason} (native: {native})")
assert seen == [("length", None), ("stop", None), ("length", None), ("stop", "error")], "changed"
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
