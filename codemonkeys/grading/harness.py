"""The process in which the official harness runs.

    python -m codemonkeys.grading.harness ROWS PREDICTIONS RUN_ID WORKERS SECONDS

A process of its own, because the harness writes below the current folder, changes the limits of its process and prints.
It ends when its standard input does, as its parent has died then, and leaves no container of its run behind: those of
the harness wait for ever, and carry no label of ours, but a name that only this run gives.
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
"""What the harness sets the limit of open files to by default; never beyond what this machine allows."""


def remove_containers(engine: Any, run_id: str) -> int:
    """Remove the harness's containers of a run; how many there were."""
    from docker.errors import DockerException

    # The harness adds the time where a name is taken.
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
        while os.read(0, 1024):  # not by sys.stdin, whose lock this thread would hold at the end of the process
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
