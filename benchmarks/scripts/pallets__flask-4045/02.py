"""A dot is refused wherever it stands in the name, given by position or by keyword; other characters are not."""

import sys


def accepted(*args: object, **kwargs: object) -> bool:
    from flask import Blueprint

    try:
        Blueprint(*args, **kwargs)
    except Exception as error:
        print("   ", repr(error))
        return False
    return True


def main() -> int:
    import flask  # noqa: F401

    verdict = 0
    for name in (".start", "end.", "mid.dle", "a.b.c", ".", "plain", "under_score", "with-dash", "digits1", "a:b"):
        dotted = "." in name
        for found in (accepted(name, __name__), accepted(name=name, import_name=__name__)):
            print("ok " if found != dotted else "BAD", repr(name), "accepted" if found else "refused")
            if found == dotted:
                verdict = 2
    return verdict


sys.exit(main())
