"""The empty name is refused by keyword and with other options; short ordinary names are still accepted."""

import sys


def main() -> int:
    from flask import Blueprint

    verdict = 0
    for kwargs, wanted in [
        ({"name": ""}, ValueError),
        ({"name": "", "url_prefix": "/x", "template_folder": "t", "static_folder": "s"}, ValueError),
        ({"name": "", "cli_group": None}, ValueError),
        ({"name": "a.b"}, ValueError),
        ({"name": "a"}, None),
        ({"name": "0"}, None),
        ({"name": "_", "url_prefix": ""}, None),
    ]:
        try:
            Blueprint(import_name=__name__, **kwargs)
            found = None
        except Exception as error:
            found = type(error)
        print("ok " if found is wanted else "BAD", kwargs, "->", found)
        if found is not wanted:
            verdict = 2
    return verdict


sys.exit(main())
