"""Errors for a dot in a name and for duplicates are as before; an empty name is a ValueError with a text."""

import sys


def error_of(call) -> BaseException | None:
    try:
        call()
    except Exception as error:
        return error
    return None


def main() -> int:
    from flask import Blueprint, Flask

    app = Flask(__name__)
    app.register_blueprint(Blueprint("same", __name__))
    dotted = error_of(lambda: Blueprint("a.b", __name__))
    twice = error_of(lambda: app.register_blueprint(Blueprint("same", __name__)))
    empty = error_of(lambda: Blueprint("", __name__))
    print(repr(dotted), repr(twice), repr(empty))
    checks = {
        "dot": isinstance(dotted, ValueError),
        "twice": isinstance(twice, ValueError),
        "empty": isinstance(empty, ValueError) and bool(str(empty)),
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
