#!/usr/bin/env bash
# One rate limit error of litellm in a worker process breaks the whole ProcessPoolExecutor.
#
# One would guess that an exception raised in a worker comes out of its own future. Exceptions travel between
# processes by pickle, which rebuilds them from `args`; litellm's constructors also require provider and model, which
# `args` lacks. The pool cannot read the result and marks every pending future as broken. Code that retries on
# RateLimitError never sees one, and results of other calls, perhaps paid for, are lost.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check litellm==1.106.2

cat > probe.py <<'PY'
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from importlib.metadata import version


def call(number: int) -> str:
    """Stands for a model call; the second one meets a rate limit."""
    if number == 1:
        import litellm

        raise litellm.RateLimitError("slow down", llm_provider="openai", model="m")
    return "answer"


def outcome(future: Future[str]) -> str:
    try:
        return future.result()
    except Exception as error:
        return type(error).__name__


if __name__ == "__main__":
    with ProcessPoolExecutor(max_workers=1) as pool:
        seen = [outcome(future) for future in [pool.submit(call, number) for number in range(3)]]
    print("Python", sys.version.split()[0], "with litellm", version("litellm"))
    print("answer, rate limit, answer come out as:", ", ".join(seen))
    assert seen == ["answer", "BrokenProcessPool", "BrokenProcessPool"], "changed"
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python probe.py
