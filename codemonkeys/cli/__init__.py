"""The `codemonkeys` command. Modules here parse, call and print; everything else happens elsewhere."""

from __future__ import annotations

import sys

from codemonkeys.cli.app import app
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput, CodeMonkeysError

__all__ = ["main"]


def main() -> None:
    """Run the command line; a user's mistake ends in one message and an exit code, never in a traceback."""
    import click

    try:
        code = app(standalone_mode=False)
    except click.exceptions.Abort:
        code = Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = Exit.BAD_INPUT
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does: nothing is left to say.
        sys.stderr.close()
        code = Exit.DONE
    except Exception as error:
        code = report_error(error)
    sys.exit(int(code or 0))


def report_error(error: Exception) -> Exit:
    """Print an expected error as its message; anything else is a fault of ours and keeps its traceback."""
    from codemonkeys.redact import redact, safe_terminal
    from sandboxes.base import SandboxError

    if not isinstance(error, CodeMonkeysError | SandboxError):
        raise error
    print(f"error: {safe_terminal(redact(str(error)))}", file=sys.stderr)
    return Exit.BAD_INPUT if isinstance(error, BadInput) else Exit.FAILED
