"""Blueprint with an empty name raises ValueError."""

import sys


def main() -> int:
    from flask import Blueprint

    try:
        Blueprint("", __name__)
    except ValueError as error:
        print("refused with", repr(error))
        return 0
    except Exception as error:
        print("refused with the wrong kind of error", repr(error))
        return 2
    print("an empty name was accepted")
    return 2


sys.exit(main())
