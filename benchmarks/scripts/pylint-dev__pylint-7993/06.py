"""Templates that mix literal braces with several fields on one line keep every part, for messages of all categories."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = "import os\n\n\ndef Bad():\n    return undefined_name\n"


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    template = "{{{msg_id}}} {{ {path} @ {line}:{column} }} <{symbol}> {{}}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text(SOURCE)
        command = [sys.executable, "-m", "pylint", "sample.py", "--score=n", f"--msg-template={template}"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("*")]
    print(done.stdout, done.stderr[-400:])
    wanted = {
        "{W0611} { sample.py @ 1:0 } <unused-import> {}",
        "{E0602} { sample.py @ 5:11 } <undefined-variable> {}",
        "{C0103} { sample.py @ 4:0 } <invalid-name> {}",
    }
    return 0 if wanted <= set(lines) and "Don't recognize" not in done.stderr else 2


sys.exit(main())
