"""With autodoc_typehints=both the starred parameters are typed once in the description and stay in the signature."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
def both(x: int, *args: float, **kwargs: str) -> None:
    """Both.

    :param x: text of x
    :param *args: text of args
    :param **kwargs: text of kwargs
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
    verdict = 0
    for hints, signature in (("description", "both(x, *args, **kwargs)"), ("both", "*args: float, **kwargs: str")):
        text = " ".join(build(hints=hints).split())
        print(text)
        checks = {
            "signature": signature in text,
            "x": "**x** (*int*) -- text of x" in text,
            "args": "***args** (*float*) -- text of args" in text,
            "kwargs": "****kwargs** (*str*) -- text of kwargs" in text,
            "once": text.count("kwargs**") == 1 and text.count("args**") == 2,
        }
        for name, good in checks.items():
            print("ok " if good else "BAD", hints, name)
        if not all(checks.values()):
            verdict = 2
    return verdict


sys.exit(main())
