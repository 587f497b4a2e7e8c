"""Constructing a Blueprint whose name contains a dot raises an error; a plain name does not."""

import sys


def main() -> int:
    from flask import Blueprint

    Blueprint("fine", __name__)
    try:
        Blueprint("app.ui", __name__)
    except Exception as error:
        print("refused with", repr(error))
        return 0
    print("a dotted name was accepted")
    return 2


sys.exit(main())
