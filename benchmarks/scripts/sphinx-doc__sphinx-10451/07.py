"""Methods, class methods and static methods of a class get their starred parameters merged like functions do."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = r'''
class Sample:
    """Class."""

    def method(self, *args: int, **kwargs: str) -> None:
        r"""Method.

        :param \*args: text of args
        :param \*\*kwargs: text of kwargs
        """

    @classmethod
    def of_class(cls, *args: int) -> None:
        """Class method.

        :param *args: text of args
        """

    @staticmethod
    def static(**kwargs: str) -> None:
        """Static method.

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
    text = " ".join(build().split())
    print(text)
    parts = {name: text.partition(f"{name}(")[2] for name in ("method", "of_class", "static")}
    checks = {
        "method args": "***args** (*int*) -- text of args" in parts["method"],
        "method kwargs": "****kwargs** (*str*) -- text of kwargs" in parts["method"],
        "class method args": "***args** (*int*) -- text of args" in parts["of_class"],
        "static kwargs": "****kwargs** (*str*) -- text of kwargs" in parts["static"],
        "no repeats": text.count("kwargs** (") == 2 and text.count("args** (") - text.count("kwargs** (") == 2,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
