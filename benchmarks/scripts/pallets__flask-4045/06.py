"""Every way to say the name is checked when the blueprint is made, so that nothing can be registered under it."""

import sys


def main() -> int:
    from flask import Blueprint, Flask

    app = Flask(__name__)
    made = []
    for options in ({}, {"url_prefix": "/v1"}, {"subdomain": "api"}, {"cli_group": "x.y"}, {"template_folder": "t.d"}):
        try:
            made.append(Blueprint("api.v1", __name__, **options))
        except Exception as error:
            print("refused", options, repr(error))
    fine = Blueprint("api_v1", __name__, url_prefix="/v1.0", cli_group="x.y", template_folder="t.d")
    fine.add_url_rule("/a.b", "page", lambda: "page")
    app.register_blueprint(fine)
    served = app.url_map.bind("localhost").match("/v1.0/a.b")[0] == "api_v1.page"
    print("made although dotted:", len(made), "- ordinary one routed:", served)
    return 0 if not made and served else 2


sys.exit(main())
