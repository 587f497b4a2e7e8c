"""Importing an app module with an unnamed blueprint ends in ValueError; one with a name lists its routes."""

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
        Path(folder, "named.py").write_text(APP.format(name="shop"))
        Path(folder, "unnamed.py").write_text(APP.format(name=""))
        routes = [sys.executable, "-m", "flask", "--app", "named", "routes"]
        good = subprocess.run(routes, cwd=folder, capture_output=True, text=True)
        bad = subprocess.run([sys.executable, "-c", "import unnamed"], cwd=folder, capture_output=True, text=True)
    last = bad.stderr.strip().splitlines()[-1:]
    in_constructor = "__init__" in bad.stderr
    print("named:", good.returncode, good.stdout[-160:])
    print("unnamed:", bad.returncode, last, "raised by the constructor:", in_constructor)
    listed = good.returncode == 0 and "shop.here" in good.stdout
    refused = bad.returncode != 0 and bool(last) and last[0].startswith("ValueError") and in_constructor
    return 0 if listed and refused else 2


sys.exit(main())
