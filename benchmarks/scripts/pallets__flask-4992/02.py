"""With a binary mode the loader is handed bytes; without one it is handed text, as before."""

import json
import sys
import tempfile
from pathlib import Path


def main() -> int:
    from flask import Config

    seen = []

    def load(file) -> dict:
        content = file.read()
        seen.append(type(content))
        return json.loads(content)

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.json").write_bytes(b'{"NAME": "value"}\r\n')
        plain = Config(folder)
        good = plain.from_file("c.json", load) is True and dict(plain) == {"NAME": "value"}
        for mode in ("b", "rb"):
            config = Config(folder)
            try:
                good = good and config.from_file("c.json", load, mode=mode) is True and dict(config) == dict(plain)
                break
            except (TypeError, ValueError) as error:
                print("mode", mode, "failed with", repr(error))
    print("loaders saw", seen)
    return 0 if good and seen == [str, bytes] else 2


sys.exit(main())
