"""Nested blueprints still build their dotted endpoints from plain names, and a dotted child name is refused."""

import sys


def main() -> int:
    from flask import Blueprint, Flask

    app = Flask(__name__)
    outer, middle, inner = (Blueprint(name, __name__, url_prefix=f"/{name}") for name in ("outer", "middle", "inner"))
    inner.add_url_rule("/", "home", lambda: "home")
    middle.register_blueprint(inner)
    outer.register_blueprint(middle)
    app.register_blueprint(outer)
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    nested = "outer.middle.inner.home" in endpoints
    try:
        Blueprint("middle.inner", __name__)
        refused = False
    except Exception as error:
        print(repr(error))
        refused = True
    print("nested endpoints as before:", nested, "- dotted name refused:", refused)
    return 0 if nested and refused else 2


sys.exit(main())
