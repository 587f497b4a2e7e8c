"""With description_target=documented the documented starred parameters get their types, undocumented ones stay out."""

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


def partly(x: int, *args: float, **kwargs: str) -> None:
    r"""One of three.

    :param \*\*kwargs: only these
    """


def silent(x: int, *args: float) -> None:
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
    text = " ".join(build("documented").split())
    parts = {
        name: text.partition(f"sample.{name}(")[2].partition("sample.")[0]
        for name in ("escaped", "renamed", "partly", "silent")
    }
    checks = {
        "escaped args": "***args** (*float*) -- text of args" in parts["escaped"],
        "escaped kwargs": "****kwargs** (*str*) -- text of kwargs" in parts["escaped"],
        "values": "***values** (*int*) -- text of values" in parts["renamed"],
        "options": "****options** (*str*) -- text of options" in parts["renamed"],
        "plain flag": "**flag** (*bool*) -- text of flag" in parts["renamed"],
        "only kwargs": "**kwargs** (*str*) -- only these" in parts["partly"] and "(*float*)" not in parts["partly"],
        "silent stays silent": "Parameters" not in parts["silent"] and "(*int*)" not in parts["silent"],
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
