"""Files that relevance reads: source as it always was, what is read beside, and what stays out.

    CODEMONKEYS_TEST_DATA=FOLDER python -m benchmarks.files_read

Looks at every task of the task repository in FOLDER/task_repo with the default settings; nothing runs, no model is
asked. Ends with one line `RESULT source= beside= left_out=` of all tasks together.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.context_tokens import snapshot_of
from codemonkeys.context.languages import is_source, is_test
from codemonkeys.context.survey import look
from codemonkeys.settings import load_settings
from codemonkeys.tasks.sources import load_tasks


def main() -> None:
    settings, totals = load_settings().context, [0, 0, 0]
    for task in load_tasks(str(Path(os.environ["CODEMONKEYS_TEST_DATA"], "task_repo"))):
        assert task.folder is not None
        with tempfile.TemporaryDirectory() as scratch, snapshot_of(task.folder, Path(scratch)) as snapshot:
            source = sum(is_source(entry.path) and not is_test(entry.path) for entry in snapshot.entries)
            found = look(task, snapshot, settings)
        counts = (source, len(found.read), len(found.left_out))
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        print(f"{task.id}: {counts[0]} source, {counts[1]} beside, {counts[2]} left out", flush=True)
    print("RESULT source={} beside={} left_out={}".format(*totals))


if __name__ == "__main__":
    main()
