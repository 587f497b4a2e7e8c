"""Nesting and renaming at registration keep working next to the refusal of the empty name."""

import sys


def main() -> int:
    from flask import Blueprint, Flask, url_for

    app = Flask(__name__)
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    inner.add_url_rule("/", "page", lambda: url_for(".page"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(inner, name="again", url_prefix="/again")
    client = app.test_client()
    pages = [client.get(path).get_data(as_text=True) for path in ("/outer/inner/", "/again/")]
    print("pages:", pages)
    refused = 0
    for import_name in (__name__, "flask"):
        try:
            Blueprint("", import_name)
        except ValueError as error:
            print(repr(error), "mentions the name:", "name" in str(error).lower())
            refused += bool(str(error))
    return 0 if pages == ["/outer/inner/", "/again/"] and refused == 2 else 2


sys.exit(main())
