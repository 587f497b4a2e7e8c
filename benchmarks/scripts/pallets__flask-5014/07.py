"""Two unnamed blueprints, which would share endpoints, cannot be made; two named ones keep theirs apart."""

import sys


def main() -> int:
    from flask import Blueprint, Flask

    app = Flask(__name__)
    for name in ("one", "two"):
        blueprint = Blueprint(name, __name__, url_prefix=f"/{name}")
        blueprint.add_url_rule("/", "index", lambda name=name: name)
        app.register_blueprint(blueprint)
    client = app.test_client()
    apart = [client.get(f"/{name}/").get_data(as_text=True) for name in ("one", "two")] == ["one", "two"]
    made = 0
    for prefix in ("/a", "/b"):
        try:
            Blueprint("", __name__, url_prefix=prefix)
            made += 1
        except ValueError as error:
            print(repr(error))
    print("named ones apart:", apart, "- unnamed ones made:", made)
    return 0 if apart and not made else 2


sys.exit(main())
