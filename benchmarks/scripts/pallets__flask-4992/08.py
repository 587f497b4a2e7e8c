"""The mode is a keyword beside silent and load in any order, and says text as well as binary."""

import json
import sys
import tempfile
import tomllib
from pathlib import Path


def main() -> int:
    from flask import Config

    def first_accepted(folder: str, name: str, modes: tuple[str, ...], **kwargs) -> object:
        for mode in modes:
            config = Config(folder)
            try:
                config.from_file(name, mode=mode, **kwargs)
                return dict(config)
            except (TypeError, ValueError) as error:
                print("   ", mode, repr(error))
        return None

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.toml").write_text("A = 1")
        Path(folder, "c.json").write_text('{"B": "ü"}', encoding="utf-8")
        checks = {
            "binary": first_accepted(folder, "c.toml", ("b", "rb"), load=tomllib.load, silent=False) == {"A": 1},
            "binary and silent": first_accepted(folder, "c.toml", ("b", "rb"), silent=True, load=tomllib.load)
            == {"A": 1},
            "text": first_accepted(folder, "c.json", ("t", "r", "rt", ""), load=json.load) is not None,
            "left out": Config(folder).from_file("c.json", json.load) is True,
        }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
