"""A JSON object template with several fields and a format spec yields parsable JSON through the Python API."""

import contextlib
import io
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from pylint.lint import Run
    from pylint.reporters.text import TextReporter

    template = '{{"id": "{msg_id}", "name": "{symbol}", "line": {line:>4}, "column": {column}}}'
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = Path(folder, "sample.py")
        path.write_text("import os\n")
        args = [str(path), "--rcfile=", "--score=n", f"--msg-template={template}"]
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                Run(args, reporter=TextReporter(out), exit=False)
            except Exception as error:
                print("pylint raised", repr(error))
                return 2
    lines = [line for line in out.getvalue().splitlines() if line and not line.startswith("*")]
    print("\n".join(lines))
    complaints = [str(item.message) for item in caught if "msg-template" in str(item.message)]
    print("complaints:", complaints)
    try:
        found = {(item["id"], item["name"], item["line"]) for item in map(json.loads, lines)}
    except ValueError:
        return 2
    return 0 if ("W0611", "unused-import", 1) in found and not complaints else 2


sys.exit(main())
