"""An application started by the flask command reads its TOML settings in binary mode, non-ASCII text included."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

APP = """
import tomllib
from flask import Flask
app = Flask(__name__)
for mode in ("rb", "b"):
    try:
        app.config.from_file("settings.toml", tomllib.load, mode=mode)
    except (TypeError, ValueError) as error:
        print(mode, repr(error))

@app.cli.command("show")
def show():
    print(ascii(app.config.get("GREETING")), app.config.get("LIMIT", 0) + 1)
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "binary_app.py").write_text(APP)
        Path(folder, "settings.toml").write_text('GREETING = "Grüße"\nLIMIT = 41\n', encoding="utf-8")
        env = dict(os.environ, PYTHONIOENCODING="utf-8", LC_ALL="C")
        command = [sys.executable, "-m", "flask", "--app", "binary_app", "show"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout, done.stderr[-300:])
    return 0 if done.returncode == 0 and f"{ascii('Grüße')} 42" in done.stdout else 2


sys.exit(main())
