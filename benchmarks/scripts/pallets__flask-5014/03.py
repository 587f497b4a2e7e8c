"""A subclass and a computed empty name are refused at construction, before anything could be registered."""

import sys


def main() -> int:
    from flask import Blueprint, Flask

    class Section(Blueprint):
        def __init__(self, title: str) -> None:
            super().__init__(title.strip().lower(), __name__, url_prefix="/section")

    app = Flask(__name__)
    news = Section(" News ")
    news.add_url_rule("/", "index", lambda: "news")
    app.register_blueprint(news)
    served = app.test_client().get("/section/").data == b"news"
    try:
        Section("   ")
        refused = False
    except ValueError as error:
        print(repr(error))
        refused = True
    print("normal section served:", served, "- empty one refused:", refused, "- registered:", list(app.blueprints))
    return 0 if served and refused and list(app.blueprints) == ["news"] else 2


sys.exit(main())
