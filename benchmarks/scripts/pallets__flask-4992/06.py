"""Loaders that need bytes (pickle, tomllib) and loaders that need text (json, configparser) both get what they need."""

import configparser
import json
import pickle
import sys
import tempfile
import tomllib
from pathlib import Path


def read_ini(file) -> dict:
    parser = configparser.ConfigParser()
    parser.read_file(file)
    return {key.upper(): value for key, value in parser["app"].items()}


def main() -> int:
    from flask import Config

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.json").write_text('{"KIND": "json"}')
        Path(folder, "c.ini").write_text("[app]\nkind = ini\n")
        Path(folder, "c.toml").write_text('KIND = "toml"\n')
        Path(folder, "c.pickle").write_bytes(pickle.dumps({"KIND": "pickle"}))
        verdict = 0
        for name, load, binary in (
            ("json", json.load, False),
            ("ini", read_ini, False),
            ("toml", tomllib.load, True),
            ("pickle", pickle.load, True),
        ):
            config = Config(folder)
            for extra in ({"mode": "b"}, {"mode": "rb"}) if binary else ({},):
                try:
                    config.from_file(f"c.{name}", load, **extra)
                    break
                except (TypeError, ValueError) as error:
                    print("   ", name, extra, repr(error))
            good = config.get("KIND") == name
            print("ok " if good else "BAD", name)
            if not good:
                verdict = 2
    return verdict


sys.exit(main())
