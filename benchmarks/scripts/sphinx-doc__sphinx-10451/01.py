"""The class of the report is rendered with starred, typed and single entries for *args and **kwargs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
class Sample:
    """Class docstring."""

    def __init__(self, x: int, *args: int, **kwargs: int) -> None:
        """Init docstring.

        :param x: Some integer
        :param *args: Some integer
        :param **kwargs: Some integer
        """
'''


def build(target: str = "all", *extensions: str) -> str:
    """Return the text output of the documented module."""
    names = ",".join(("sphinx.ext.autodoc", *extensions))
    options = [f"extensions={names}", "autodoc_typehints=description"]
    options.append(f"autodoc_typehints_description_target={target}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text(SOURCE)
        Path(folder, "index.rst").write_text(
            "Top\n===\n\n.. automodule:: sample\n   :members:\n   :special-members: __init__\n"
        )
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "text", "-C"]
        command += [part for option in options for part in ("-D", option)]
        env = dict(os.environ, PYTHONPATH=os.pathsep.join((folder, os.getcwd())))
        subprocess.run([*command, ".", "out"], cwd=folder, env=env, capture_output=True, text=True, check=True)
        return Path(folder, "out", "index.txt").read_text()


def main() -> int:
    text = build()
    print(text)
    squeezed = " ".join(text.split())
    init = squeezed.partition("__init__(")[2]
    checks = {
        "x typed once": init.count("* **x** (*int*) -- Some integer") == 1,
        "args described": "* ***args** (*int*) -- Some integer" in init,
        "kwargs described": "* ****kwargs** (*int*) -- Some integer" in init,
        "args once": init.count("args**") - init.count("kwargs**") == 1,
        "kwargs once": init.count("kwargs**") == 1,
        "return type kept": "Return type: None" in init,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
