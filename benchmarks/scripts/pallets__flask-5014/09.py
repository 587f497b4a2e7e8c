"""Decorated views, errors, hooks and commands of a named blueprint work next to the refusal of an unnamed one."""

import sys


def main() -> int:
    from flask import Blueprint, Flask, abort

    app = Flask(__name__)
    blueprint = Blueprint("part", __name__, url_prefix="/part")

    @blueprint.route("/")
    def index() -> str:
        abort(404)

    @blueprint.errorhandler(404)
    def missing(error) -> tuple[str, int]:
        return "handled", 404

    @blueprint.cli.command("hello")
    def hello() -> None:
        print("hello from part")

    app.register_blueprint(blueprint)
    handled = app.test_client().get("/part/").data == b"handled"
    command = app.test_cli_runner().invoke(args=["part", "hello"]).output.strip() == "hello from part"
    try:
        Blueprint(name="", import_name=__name__)
        refused = False
    except ValueError as error:
        print(repr(error))
        refused = True
    print("handler:", handled, "command:", command, "refused:", refused)
    return 0 if handled and command and refused else 2


sys.exit(main())
