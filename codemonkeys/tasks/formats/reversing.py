"""Reverses a patch: what it adds is removed, and what it removes is added."""

from __future__ import annotations

import re

_HUNK = re.compile(r"@@ -(\d+(?:,\d+)?) \+(\d+(?:,\d+)?) @@")
_OPPOSITE = {
    "old mode ": "new mode ",
    "new file mode ": "deleted file mode ",
    "rename from ": "rename to ",
}
"""First words of lines of a header that change places."""
_SIGNS = {"+": "-", "-": "+"}


def reversed_patch(patch: str) -> str:
    """The patch that undoes a patch; both in git's form, without binary content and copies of files."""
    out: list[str] = []
    old = new = 0  # lines of the hunk that are still to come
    for line in patch.split("\n"):
        sign = line[:1]
        if old > 0 or new > 0:
            out.append(_SIGNS.get(sign, sign) + line[1:])
            old, new = old - (sign not in ("+", "\\")), new - (sign not in ("-", "\\"))
        elif hunk := _HUNK.match(line):
            old, new = (int(text.partition(",")[2] or 1) for text in hunk.groups())
            out.append(f"@@ -{hunk[2]} +{hunk[1]} @@{line[hunk.end() :]}")
        elif line.startswith("+++ ") and out and out[-1].startswith("--- "):
            before, after = out.pop()[4:], line[4:]
            out += [f"--- {_prefixed(after, 'a')}", f"+++ {_prefixed(before, 'b')}"]
        else:
            out.append(_header(line))
    return "\n".join(out)


def _prefixed(path: str, side: str) -> str:
    return f"{side}/{path[2:]}" if path[:2] in ("a/", "b/") else path


def _header(line: str) -> str:
    for first, second in _OPPOSITE.items():
        for given, taken in ((first, second), (second, first)):
            if line.startswith(given):
                return taken + line.removeprefix(given)
    if match := re.fullmatch(r"diff --git a/(.*) b/(.*)", line):
        return f"diff --git a/{match[2]} b/{match[1]}"
    if match := re.fullmatch(r"index (\w+)\.\.(\w+)(.*)", line):
        return f"index {match[2]}..{match[1]}{match[3]}"
    return line
