"""A name that is empty only after it is computed is refused; one that is a str of another class is looked at too."""

import sys


class Name(str):
    """A string of its own class."""


def main() -> int:
    from flask import Blueprint

    verdict = 0
    for name, wanted in (
        ("".join([]), True),
        ("x"[1:], True),
        (Name(""), True),
        (f"{'':s}", True),
        (Name("fine"), False),
        ("empty", False),
        ("None", False),
    ):
        try:
            Blueprint(name, __name__)
            found = False
        except ValueError:
            found = True
        print("ok " if found is wanted else "BAD", repr(name), "refused" if found else "accepted")
        if found is not wanted:
            verdict = 2
    return verdict


sys.exit(main())
