"""Escaped stars, other parameter names and keyword-only parameters in functions get their types without repeats."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
def escaped(x: int, *args: float, **kwargs: str) -> bool:
    r"""Escaped stars.

    :param x: text of x
    :param \*args: text of args
    :param \*\*kwargs: text of kwargs
    :returns: text of return
    """


def renamed(*values: int, flag: bool = False, **options: str) -> None:
    r"""Other names.

    :param \*values: text of values
    :param flag: text of flag
    :param \*\*options: text of options
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
    text = " ".join(build().split())
    wanted = [
        "***args** (*float*) -- text of args",
        "****kwargs** (*str*) -- text of kwargs",
        "***values** (*int*) -- text of values",
        "**flag** (*bool*) -- text of flag",
        "****options** (*str*) -- text of options",
    ]
    verdict = 0
    for entry in wanted:
        name = entry.split("** (")[0].strip("*")
        once = text.count(f"{name}**") - (text.count("kwargs**") if name == "args" else 0) == 1
        print("ok " if entry in text and once else "BAD", entry)
        if entry not in text or not once:
            verdict = 2
    return verdict if text.count("Return type:") == 2 else 2


sys.exit(main())
