"""Types written by hand win over annotations, unstarred names stay merged, undocumented ones gain their stars."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
def typed(x: int, *args: int, **kwargs: str) -> None:
    r"""Types by hand.

    :param float \*args: text of args
    :param \*\*kwargs: text of kwargs
    :type \*\*kwargs: bytes
    """


def unstarred(x: int, *args: int, **kwargs: str) -> None:
    """No stars in the docstring.

    :param args: text of args
    :param kwargs: text of kwargs
    """


def bare(x: int, *args: int, **kwargs: str) -> None:
    """Nothing documented."""
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
    text = " ".join(build().split())
    print(text)
    parts = {
        name: text.partition(f"sample.{name}(")[2].partition("sample.")[0] for name in ("typed", "unstarred", "bare")
    }
    checks = {
        f"no repeats in {name}": part.count("args**") == 2 and part.count("kwargs**") == 1
        for name, part in parts.items()
    }
    checks |= {
        "typed args": "***args** (*float*) -- text of args" in parts["typed"],
        "typed kwargs": "****kwargs** (*bytes*) -- text of kwargs" in parts["typed"],
        "unstarred args": "args** (*int*) -- text of args" in parts["unstarred"],
        "unstarred kwargs": "kwargs** (*str*) -- text of kwargs" in parts["unstarred"],
        "bare args": "* ***args** (*int*)" in parts["bare"],
        "bare kwargs": "* ****kwargs** (*str*)" in parts["bare"],
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
