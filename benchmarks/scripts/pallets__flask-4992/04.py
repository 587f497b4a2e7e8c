"""A mode parameter does not disturb old calls: third positional silent, keyword load, absolute and relative paths."""

import inspect
import json
import pickle
import sys
import tempfile
from pathlib import Path


def main() -> int:
    from flask import Config

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.json").write_text('{"A": 1, "lower": 2}')
        Path(folder, "c.pickle").write_bytes(pickle.dumps({"B": 2}, protocol=4))
        config = Config(folder)
        checks = {
            "keyword load": config.from_file("c.json", load=json.load) is True and dict(config) == {"A": 1},
            "absolute path": Config("/").from_file(str(Path(folder, "c.json")), json.load) is True,
            "positional silent": config.from_file("missing.json", json.load, True) is False,
            "a mode parameter exists": "mode" in inspect.signature(Config.from_file).parameters,
        }
        for mode in ("rb", "b"):
            try:
                config.from_file("c.pickle", pickle.load, mode=mode)
            except (TypeError, ValueError) as error:
                print(mode, repr(error))
    checks["pickled values are merged in"] = dict(config) == {"A": 1, "B": 2}
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
