"""Programs that run a test tool by its command line, and the reports that they print: each one base64 line.

What tests print goes to files, never to the program's own output, so no line of it can be taken for a report. Code of
the repository runs as the same user and could still write a report file in place of the tool.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codemonkeys.repository_tests.base import Report, TestRequest
from sandboxes.base import Script

NAME = "repository_tests.sh"
MOST_BYTES = 8_000_000
"""Of one report; the rest is left out."""
TIMED_OUT = (124, 137)
"""What `timeout` exits with."""
TAIL = 2000
NO_REPORT = "the tests could not be run: no report from their runner"
_LINE = re.compile(r"^codemonkeys-(\w+) (.*)$", re.M)

# `print_report` tells one file. What tests leave running could print later than we look: all of it is in files.
_PROGRAM = """\
git -c 'safe.directory=*' checkout --quiet HEAD -- {restore} >/dev/null 2>&1
place=$(mktemp -d) || exit 3
limit=
command -v timeout >/dev/null 2>&1 && limit='timeout -k 5 {seconds}'
print_report() {{ printf 'codemonkeys-report '; head -c {most} "$1" | base64 | tr -d '\\n'; echo; }}
{before}
{{ {command}
}} </dev/null >"$place/out" 2>"$place/err"
code=$?
echo
echo "codemonkeys-exit $code"
echo "codemonkeys-root $PWD"
printf 'codemonkeys-printed '; cat "$place/out" "$place/err" | tail -c {tail} | base64 | tr -d '\\n'; echo
{after}
exit 0
"""


@dataclass(frozen=True)
class Told:
    """What such a program printed."""

    exit_code: int
    root: str
    """Folder of the repository."""
    printed: str
    reports: tuple[str, ...]

    @property
    def ended(self) -> bool:
        """Whether the tool ended in time."""
        return self.exit_code not in TIMED_OUT


def shell_script(
    request: TestRequest, command: str, after: str = 'print_report "$place/out"', before: str = ":"
) -> Script:
    """The program of a request.

    `command`: shell words, those of others quoted; `$limit` in front of the tool bounds its time. `before`, `after`:
    shell commands; what is printed last is told by `print_report FILE`.
    """
    text = _PROGRAM.format(
        restore=quoted(request.restore),
        seconds=int(request.seconds) + 1,
        most=MOST_BYTES,
        tail=TAIL,
        command=command,
        before=before,
        after=after,
    )
    return Script(text, NAME, ("sh",))


def quoted(words: Sequence[str]) -> str:
    """Words for a shell."""
    return " ".join(map(shlex.quote, words))


def parse_told(output: str, parse: Callable[[Told], Report]) -> Report:
    """The report that `parse` makes of what a program printed; one with `why` if it cannot be understood."""
    found: dict[str, list[str]] = {}
    for kind, rest in _LINE.findall(output):
        found.setdefault(kind, []).append(rest)
    try:
        told = Told(
            int(found["exit"][-1]),
            found["root"][-1],
            _decoded(found["printed"][-1]),
            tuple(map(_decoded, found.get("report", ()))),
        )
        return parse(told)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError, binascii.Error):
        return Report(ended=False, why=NO_REPORT)


def _decoded(line: str) -> str:
    return base64.b64decode(line.strip(), validate=True).decode("utf-8", "replace")
