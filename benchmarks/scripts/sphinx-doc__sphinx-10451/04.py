"""Google style docstrings, read by napoleon, list *args and **kwargs once and with their types."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
def google(x: int, *args: float, **kwargs: str) -> bool:
    """Google style.

    Args:
        x: text of x
        *args: text of args
        **kwargs: text of kwargs

    Returns:
        text of return
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
    verdict = 0
    for target in ("all", "documented"):
        text = " ".join(build(target, "sphinx.ext.napoleon").split())
        checks = {
            "x": "**x** (*int*) -- text of x" in text,
            "args": "***args** (*float*) -- text of args" in text,
            "kwargs": "****kwargs** (*str*) -- text of kwargs" in text,
            "no repeats": text.count("kwargs**") == 1 and text.count("args**") == 2,
            "return": "Return type: bool" in text,
        }
        for name, good in checks.items():
            print("ok " if good else "BAD", target, name)
        if not all(checks.values()):
            verdict = 2
    return verdict


sys.exit(main())
