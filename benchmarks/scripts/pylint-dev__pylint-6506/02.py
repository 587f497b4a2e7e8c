"""The Python entry point `pylint.lint.Run` exits with SystemExit, not a private exception, on unknown options."""

import contextlib
import io
import os
import sys


def outcome(args: list[str]) -> str:
    from pylint.lint import Run

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            Run(args)
        except SystemExit as stop:
            return "exit with failure" if stop.code not in (0, None) else "exit with success"
        except Exception as error:
            return f"raised {type(error).__name__}"
    return "returned"


def main() -> int:
    sys.path.insert(0, os.getcwd())
    import pylint.lint  # noqa: F401  an import error is this script's failure, not an answer

    bad = 0
    for args in (["-Q"], ["--not-an-option"], ["--not-an-option=3"], ["-Q", "os"]):
        result = outcome(args)
        print(args, "->", result)
        bad += result != "exit with failure"
    return 2 if bad else 0


sys.exit(main())
