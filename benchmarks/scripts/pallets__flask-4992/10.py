"""The signature names the parameter with a default, and subclasses that override from_file by keyword work."""

import inspect
import json
import sys
import tempfile
import tomllib
from pathlib import Path


def main() -> int:
    from flask import Config

    parameters = inspect.signature(Config.from_file).parameters
    names = list(parameters)
    old = names[:4] == ["self", "filename", "load", "silent"]
    new = [name for name in names[4:] if parameters[name].default is not inspect.Parameter.empty]
    print("parameters:", names)

    class Strict(Config):
        def from_file(self, filename, load, silent=False, **kwargs):
            return super().from_file(filename, load, silent=False, **kwargs)

    loaded = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.toml").write_text("A = 1")
        Path(folder, "c.json").write_text('{"B": 2}')
        config = Strict(folder)
        config.from_file("c.json", json.load)
        for mode in ("b", "rb"):
            try:
                config.from_file("c.toml", tomllib.load, mode=mode)
                loaded = dict(config)
                break
            except (TypeError, ValueError) as error:
                print(mode, repr(error))
    print(loaded)
    return 0 if old and new and loaded == {"A": 1, "B": 2} else 2


sys.exit(main())
