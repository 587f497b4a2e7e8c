"""Dots are refused in names only: import names, prefixes, file rules and nested endpoints keep theirs."""

import sys


def main() -> int:
    from flask import Blueprint, Flask, url_for

    app = Flask(__name__)
    parent = Blueprint("parent", "xml.dom", root_path=".")
    child = Blueprint("child", "xml.etree", root_path=".")
    child.add_url_rule("/it.txt", "it", lambda: "it")
    parent.register_blueprint(child)
    app.register_blueprint(parent)
    versioned = Blueprint("versioned", "xml.sax", url_prefix="/v1.0", root_path=".")
    versioned.add_url_rule("/it.txt", "it", lambda: "it")
    app.register_blueprint(versioned)
    with app.test_request_context():
        paths = [url_for("parent.child.it"), url_for("versioned.it")]
    normal = paths == ["/it.txt", "/v1.0/it.txt"]
    print("nested and prefixed blueprints still routed:", normal, paths)
    try:
        Blueprint("parent.child", "xml.dom", url_prefix="/x", root_path=".")
        refused = False
    except Exception as error:
        print(repr(error))
        refused = True
    print("dotted name refused:", refused)
    return 0 if normal and refused else 2


sys.exit(main())
