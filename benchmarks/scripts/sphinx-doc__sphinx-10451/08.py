"""Functions without starred parameters are rendered as before beside one whose repeats are gone."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
def plain(x: int, y: str = "a") -> bool:
    """Plain.

    :param x: text of x
    :param str y: text of y
    :returns: text of return
    """


def partly(x: int, y: str) -> None:
    """Partly.

    :param x: text of x
    """


def starred(*args: int) -> None:
    """Starred.

    :param *args: text of args
    """
'''


def build(target: str = "all", *extensions: str, hints: str = "description") -> str:
    """Return the text output of the documented module."""
    names = ",".join(("sphinx.ext.autodoc", *extensions))
    options = [f"extensions={names}", f"autodoc_typehints={hints}"]
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
    text = " ".join(build().split())
    print(text)
    parts = {
        name: text.partition(f"sample.{name}(")[2].partition("sample.")[0] for name in ("plain", "partly", "starred")
    }
    checks = {
        "x": "**x** (*int*) -- text of x" in parts["plain"],
        "y": "**y** (*str*) -- text of y" in parts["plain"],
        "return": "Returns: text of return" in parts["plain"] and "Return type: bool" in parts["plain"],
        "undocumented y": "**y** (*str*)" in parts["partly"],
        "starred": "***args** (*int*) -- text of args" in parts["starred"] and parts["starred"].count("args**") == 1,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
