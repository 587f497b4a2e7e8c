"""A documented parameter whose name only looks alike is kept apart from the starred one, and its type is its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
def apart(arg: int, *args: float, kwarg: bytes = b"", **kwargs: str) -> None:
    r"""Apart.

    :param arg: text of arg
    :param \*args: text of args
    :param kwarg: text of kwarg
    :param \*\*kwargs: text of kwargs
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
    wanted = [
        "* **arg** (*int*) -- text of arg",
        "* ***args** (*float*) -- text of args",
        "* **kwarg** (*bytes*) -- text of kwarg",
        "* ****kwargs** (*str*) -- text of kwargs",
    ]
    verdict = 0
    for entry in wanted:
        good = text.count(entry) == 1
        print("ok " if good else "BAD", entry)
        if not good:
            verdict = 2
    return verdict if text.count("** (*") == 4 else 2


sys.exit(main())
