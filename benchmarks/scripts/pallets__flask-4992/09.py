"""A whole application: TOML in binary mode, then overrides by JSON and mapping, with relative and absolute paths."""

import json
import os
import sys
import tempfile
import tomllib
from pathlib import Path


def main() -> int:
    from flask import Flask

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "instance").mkdir()
        Path(folder, "instance", "base.toml").write_text('DEBUG = true\nNAME = "base"\nlower = 1\n[DB]\nhost = "h"\n')
        Path(folder, "instance", "local.json").write_text('{"NAME": "local"}')
        app = Flask(
            __name__, root_path=folder, instance_path=str(Path(folder, "instance")), instance_relative_config=True
        )
        for name in ("base.toml", os.path.join(app.instance_path, "base.toml")):
            for mode in ("b", "rb"):
                try:
                    app.config.from_file(name, tomllib.load, mode=mode)
                    break
                except (TypeError, ValueError) as error:
                    print(name, mode, repr(error))
            else:
                return 2
        app.config.from_file("local.json", json.load)
        app.config.from_mapping(EXTRA=1)
    found = {key: app.config.get(key) for key in ("DEBUG", "NAME", "DB", "EXTRA")}
    print(found, "lower" in app.config)
    wanted = {"DEBUG": True, "NAME": "local", "DB": {"host": "h"}, "EXTRA": 1}
    return 0 if found == wanted and "lower" not in app.config else 2


sys.exit(main())
