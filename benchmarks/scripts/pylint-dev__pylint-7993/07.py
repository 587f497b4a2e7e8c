"""The reporter's own API: a template set on a linter with doubled braces is formatted like str.format would."""

import io
import os
import sys
import warnings


def main() -> int:
    sys.path.insert(0, os.getcwd())
    from pylint.lint import PyLinter
    from pylint.reporters.text import TextReporter

    verdict = 0
    for template, wanted, complaints in [
        ('{{ "Category": "{category}" }}', '{ "Category": "convention" }', 0),
        ("{{{line}}}", "{1}", 0),
        ("{{{{{line}}}}}", "{{1}}", 0),
        ("{msg_id}:{{literal}}", "C0301:{literal}", 0),
        ("{msg_id:>8}|{line:>3}", "   C0301|  1", 0),
        ("{msg_id}{made_up}", "C0301", 1),
    ]:
        out = io.StringIO()
        linter = PyLinter(reporter=TextReporter())
        checkers = linter.reporter
        linter.load_default_plugins()
        checkers.out = out
        linter.config.persistent = 0
        linter.open()
        linter.set_current_module("mod")
        linter.config.msg_template = template
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                linter.set_current_module("other")
                linter.add_message("line-too-long", line=1, args=(1, 2))
            except Exception as error:
                print("BAD", template, repr(error))
                verdict = 2
                continue
        lines = [line for line in out.getvalue().splitlines() if not line.startswith("*")]
        found = len([item for item in caught if "msg-template" in str(item.message)])
        good = lines == [wanted] and found == complaints
        print("ok " if good else "BAD", template, "->", lines, "complaints:", found)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())
