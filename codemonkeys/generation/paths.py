"""Reads from the text of a patch which paths it touches; the patch need not apply to anything."""

from __future__ import annotations

import re

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}


def patch_paths(patch: str) -> tuple[str, ...]:
    """Old and new paths in a unified diff, in order of appearance; bytes that are not UTF-8 as surrogate escapes.

    Understands git's headers (renames, copies, mode changes, binary patches, quoted names) and plain `---`/`+++` ones;
    a changed line is never mistaken for a header.
    """
    paths: dict[str, None] = {}
    lines = patch.split("\n")
    position = 0
    while position < len(lines):
        line = lines[position].removesuffix("\r")
        position += 1
        hunk = _HUNK.match(line)
        if hunk:
            position = _end_of_hunk(lines, position, int(hunk[1] or 1), int(hunk[2] or 1))
        elif line.startswith("diff --git "):
            paths.update(dict.fromkeys(_git_names(line.removeprefix("diff --git "))))
        elif line.startswith(("rename from ", "rename to ", "copy from ", "copy to ")):
            paths[_unquote(line.split(" ", 2)[2])] = None
        elif line.startswith("--- ") and position < len(lines) and lines[position].startswith("+++ "):
            for name in (line[4:], lines[position].removesuffix("\r")[4:]):
                name = _unquote(name.split("\t")[0])  # the name ends at a tab: one within a name is quoted
                if name != "/dev/null":
                    paths[_without_prefix(name)] = None
            position += 1
    return tuple(paths)


def _end_of_hunk(lines: list[str], position: int, old: int, new: int) -> int:
    while position < len(lines) and (old > 0 or new > 0):
        sign = lines[position][:1]
        if sign not in (" ", "+", "-", "\\", ""):
            break
        old -= sign in (" ", "-", "")
        new -= sign in (" ", "+", "")
        position += 1
    return position


def _git_names(text: str) -> tuple[str, ...]:
    """The names in a `diff --git` line, if unambiguous; if not, they follow in later header lines."""
    quoted = re.fullmatch(r'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)', text)
    if quoted:
        return tuple(_without_prefix(_unquote(name)) for name in quoted.groups())
    half = len(text) // 2
    old, new = _without_prefix(text[:half]), _without_prefix(text[half + 1 :])
    return (old,) if text[half : half + 1] == " " and old == new else ()


def _without_prefix(name: str) -> str:
    return name.split("/", 1)[-1]


def _unquote(name: str) -> str:
    """The path that git wrote as this name: in double quotes with C-style escapes, if it needs them."""
    if not (len(name) > 1 and name.startswith('"') and name.endswith('"')):
        return name
    raw = bytearray()
    for octal, letter, plain in re.findall(r"\\([0-7]{3})|\\(.)|([^\\]+)", name[1:-1]):
        if octal:
            raw.append(int(octal, 8) & 0xFF)
        elif letter:
            raw += bytes([_ESCAPES[letter]]) if letter in _ESCAPES else letter.encode()
        else:
            raw += plain.encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "surrogateescape")
