"""A Blueprint subclass inherits the refusal of dots, and the message speaks of the dot or the name."""

import sys


def main() -> int:
    from flask import Blueprint

    class Special(Blueprint):
        def __init__(self, name: str) -> None:
            super().__init__(name, __name__, url_prefix=f"/{name}")

    Special("good")
    try:
        Special("not.good")
    except Exception as error:
        text = str(error).lower()
        print("refused with", repr(error))
        return 0 if "dot" in text or "." in text or "name" in text else 2
    print("the subclass took a dotted name")
    return 2


sys.exit(main())
