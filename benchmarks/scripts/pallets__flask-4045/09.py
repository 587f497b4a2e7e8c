"""Beside the new error for names the error for dotted endpoints, added before, is still there."""

import sys


def refused(call) -> bool:
    try:
        call()
    except Exception as error:
        print("   ", repr(error))
        return True
    return False


def main() -> int:
    from flask import Blueprint

    blueprint = Blueprint("plain", __name__)

    def view() -> str:
        return "hi"

    checks = {
        "dotted endpoint refused": refused(lambda: blueprint.add_url_rule("/a", "dot.ted", view)),
        "plain endpoint accepted": not refused(lambda: blueprint.add_url_rule("/b", "plain", view)),
        "dotted name refused": refused(lambda: Blueprint("dot.ted", __name__)),
        "dotted import name accepted": not refused(lambda: Blueprint("other", "xml.dom", root_path=".")),
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())
