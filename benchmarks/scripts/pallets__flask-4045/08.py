"""Names that are computed, of a str class, or not ASCII are judged by whether they hold a dot, and by that alone."""

import sys


class Name(str):
    """A string of its own class."""


def main() -> int:
    from flask import Blueprint

    verdict = 0
    for name, dotted in (
        (".".join(["a", "b"]), True),
        (Name("a.b"), True),
        ("größe.klein", True),
        ("trailing.", True),
        (Name("ab"), False),
        ("größe", False),
        ("a/b", False),
        ("a b", False),
        ("a\u2024b", False),
    ):
        try:
            Blueprint(name, __name__)
            refused = False
        except Exception:
            refused = True
        print("ok " if refused is dotted else "BAD", ascii(name), "refused" if refused else "accepted")
        if refused is not dotted:
            verdict = 2
    return verdict


sys.exit(main())
