"""silent= still ignores a missing file and only that, in the default and in binary mode."""

import sys
import tempfile
import tomllib
from pathlib import Path


def main() -> int:
    from flask import Config

    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "broken.toml").write_text("= nonsense")
        Path(folder, "fine.toml").write_text("A = 1")
        binary = {}
        for mode in ("rb", "b"):
            try:
                Config(folder).from_file("fine.toml", tomllib.load, mode=mode)
                binary = {"mode": mode}
            except (TypeError, ValueError) as error:
                print("mode", mode, "failed with", repr(error))
        if not binary:
            return 2
        for extra in ({}, binary):
            config = Config(folder)
            ignored = config.from_file("none.toml", tomllib.load, silent=True, **extra) is False
            try:
                config.from_file("none.toml", tomllib.load, **extra)
                loud = False
            except FileNotFoundError as error:
                loud = "Unable to load configuration file" in str(error)
            try:
                config.from_file("broken.toml", tomllib.load, silent=True, **extra)
                strict = False
            except tomllib.TOMLDecodeError:
                strict = True
            except TypeError:
                strict = not extra  # text mode: tomllib refuses the file itself
            print(extra, "silent:", ignored, "loud:", loud, "broken file raises:", strict)
            if not (ignored and loud and strict):
                verdict = 2
    return verdict


sys.exit(main())
