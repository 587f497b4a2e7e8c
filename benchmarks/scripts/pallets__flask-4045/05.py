"""`flask routes` fails for an app with a dotted blueprint and lists the routes of one without."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

APP = """
from flask import Blueprint, Flask
app = Flask(__name__)
bp = Blueprint({name!r}, __name__)
bp.add_url_rule("/here", "here", lambda: "hi")
app.register_blueprint(bp)
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = {}
        for module, name in (("good_app", "admin"), ("bad_app", "admin.users")):
            Path(folder, f"{module}.py").write_text(APP.format(name=name))
            env = dict(os.environ, FLASK_APP=f"{module}.py")
            command = [sys.executable, "-m", "flask", "routes"]
            results[module] = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    good, bad = results["good_app"], results["bad_app"]
    print("plain name:", good.returncode, good.stdout[-200:])
    print("dotted name:", bad.returncode, bad.stdout[-200:], bad.stderr[-200:])
    listed = good.returncode == 0 and "admin.here" in good.stdout
    refused = "admin.users.here" not in bad.stdout
    return 0 if listed and refused else 2


sys.exit(main())
