"""A braces template from an rcfile works for the text and colorized reporters, and over more than one module."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two"):
            Path(folder, f"{name}.py").write_text("import os\n")
        settings = "[REPORTS]\nmsg-template={{ 'module': '{module}', 'what': '{symbol}' }}\nscore=no\n"
        settings += "[MESSAGES CONTROL]\ndisable=all\nenable=unused-import\n"
        Path(folder, "braces.rc").write_text(settings)
        for kind in ("text", "colorized"):
            command = [sys.executable, "-m", "pylint", "--rcfile=braces.rc", f"--output-format={kind}"]
            done = subprocess.run([*command, "one.py", "two.py"], cwd=folder, env=env, capture_output=True, text=True)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
            lines = [line for line in plain.splitlines() if line and not line.startswith("*")]
            print(kind, "->", lines)
            wanted = [f"{{ 'module': '{name}', 'what': 'unused-import' }}" for name in ("one", "two")]
            if lines != wanted or "Don't recognize" in done.stderr:
                verdict = 2
    return verdict


sys.exit(main())
