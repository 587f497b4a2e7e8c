"""The call of the report, from_file("config.toml", tomllib.load, mode="b"), fills the config."""

import sys
import tempfile
import tomllib
from pathlib import Path


def main() -> int:
    from flask import Flask

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.toml").write_text('TITLE = "It works"\nCOUNT = 3\n[TABLE]\nkey = true\n')
        app = Flask(__name__, root_path=folder)
        try:
            result = app.config.from_file("config.toml", tomllib.load, mode="b")
        except (TypeError, ValueError) as error:
            print("failed with", repr(error))
            return 2
    found = {key: app.config.get(key) for key in ("TITLE", "COUNT", "TABLE")}
    print(result, found)
    return 0 if result is True and found == {"TITLE": "It works", "COUNT": 3, "TABLE": {"key": True}} else 2


sys.exit(main())
