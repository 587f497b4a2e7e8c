"""The console functions of pylint end with SystemExit on an unknown option, and print its name for the user to see."""

import contextlib
import io
import os
import sys


def main() -> int:
    sys.path.insert(0, os.getcwd())
    import pylint

    verdict = 0
    saved = sys.argv
    for argv, given in (([], ["-Q"]), (["pylint", "--no-such"], None), ([], ["--no-such", "os"])):
        out, err = io.StringIO(), io.StringIO()
        sys.argv = argv or saved
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                pylint.run_pylint(given) if given is not None else pylint.run_pylint()
                ended = "returned"
            except SystemExit as stop:
                ended = f"exit {stop.code}"
            except BaseException as error:
                ended = f"raised {type(error).__name__}"
            finally:
                sys.argv = saved
        named = ("Q" if given == ["-Q"] else "no-such") in out.getvalue() + err.getvalue()
        good = ended.startswith("exit") and ended not in ("exit 0", "exit None") and named
        print("ok " if good else "BAD", given or argv[1:], "->", ended, "named:", named)
        if not good:
            verdict = 2
    return verdict


sys.exit(main())
