"""The file handed to the loader in binary mode is open while it loads, for reading only, and closed afterwards."""

import sys
import tempfile
from pathlib import Path


def main() -> int:
    from flask import Config

    seen = {}

    def load(file) -> dict:
        seen["file"], seen["open"], seen["writable"] = file, not file.closed, file.writable()
        return {"SIZE": len(file.read())}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.bin")
        path.write_bytes(b"\x00\xff\xfe\r\n")
        config = Config(folder)
        for mode in ("b", "rb"):
            try:
                result = config.from_file("data.bin", load, mode=mode)
                break
            except (TypeError, ValueError) as error:
                print(mode, repr(error))
        else:
            return 2
        untouched = path.read_bytes() == b"\x00\xff\xfe\r\n"
    print(result, dict(config), seen, "untouched:", untouched)
    good = result is True and config["SIZE"] == 5 and seen["open"] and not seen["writable"]
    return 0 if good and seen["file"].closed and untouched else 2


sys.exit(main())
