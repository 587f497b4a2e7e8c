"""NumPy style docstrings, read by napoleon, list *args and **kwargs once and with their types."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
def numpy_style(x: int, *args: float, **kwargs: str) -> bool:
    """NumPy style.

    Parameters
    ----------
    x
        text of x
    *args
        text of args
    **kwargs
        text of kwargs

    Returns
    -------
    bool
        text of return
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
    text = " ".join(build("all", "sphinx.ext.napoleon").split())
    print(text)
    checks = {
        "x": "**x** (*int*) -- text of x" in text,
        "args": "***args** (*float*) -- text of args" in text,
        "kwargs": "****kwargs** (*str*) -- text of kwargs" in text,
        "no repeats": text.count("kwargs**") == 1 and text.count("args**") == 2,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
