"""Subprocess that runs the official harness.

    python -m codemonkeys.grading.harness ROWS PREDICTIONS RUN_ID WORKERS SECONDS

A separate process, because the harness writes below the current folder, changes its process's limits and prints. It
exits when its standard input is closed, which means that its parent has died, and removes the containers of its run:
the harness never stops them, and they carry no label of ours, only a name that is unique to the run.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
import threading
from typing import Any

OPEN_FILES = 4096
"""The harness's default limit on open files; capped at this machine's hard limit."""


def remove_containers(engine: Any, run_id: str) -> int:
    """Remove the harness's containers of a run; returns how many were removed."""
    from docker.errors import DockerException

    # The harness appends a timestamp if a name is taken.
    ours = re.compile(rf"sweb\.eval\..+\.{re.escape(run_id)}(?:\.\d+)?")
    count = 0
    for container in engine.api.containers(all=True, filters={"name": run_id}):
        if any(ours.fullmatch(name.lstrip("/")) for name in container["Names"]):
            with contextlib.suppress(DockerException):
                engine.api.remove_container(container["Id"], force=True, v=True)
                count += 1
    return count


def main(rows: str, predictions: str, run_id: str, workers: str, seconds: str) -> None:
    """Run the harness below the current folder."""
    import docker

    engine = docker.from_env()
    ended = threading.Event()

    def end_with_parent() -> None:
        while os.read(0, 1024):  # not sys.stdin: this thread would hold its lock at interpreter exit
            pass
        if not ended.is_set():
            remove_containers(engine, run_id)
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    from swebench.harness.run_evaluation import main as run_evaluation

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        run_evaluation(
            dataset_name=rows,
            split="test",
            instance_ids=None,
            predictions_path=predictions,
            max_workers=int(workers),
            open_file_limit=OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard),
            run_id=run_id,
            timeout=int(seconds),
            rewrite_reports=False,
            modal=False,
        )
    finally:
        ended.set()
        remove_containers(engine, run_id)
        engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
