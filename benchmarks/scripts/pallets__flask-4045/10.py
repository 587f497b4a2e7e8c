"""An application factory with a dotted blueprint fails early and says why; the same without a dot answers a request."""

import sys


def make_app(name: str):
    from flask import Blueprint, Flask, url_for

    app = Flask(__name__)
    blueprint = Blueprint(name, __name__, url_prefix="/shop")
    blueprint.add_url_rule("/", "index", lambda: url_for(".index"))
    app.register_blueprint(blueprint)
    return app


def main() -> int:
    app = make_app("shop")
    with app.test_request_context("/shop/"):
        good = app.dispatch_request() == "/shop/"
    try:
        make_app("shop.front")
    except Exception as error:
        print(repr(error))
        early, told = True, bool(str(error).strip())
    else:
        early = told = False
    print("plain app answers:", good, "- dotted one refused:", early, "- with a text:", told)
    return 0 if good and early and told else 2


sys.exit(main())
