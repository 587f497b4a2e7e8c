"""Search and replace on the lines of one file; every byte outside the replaced lines is preserved."""

from __future__ import annotations

import difflib
from collections import Counter

from codemonkeys.engine.conversation import UnusableAnswer
from codemonkeys.tasks.snapshot import decode

_BOM = "\ufeff"
_SHOWN_LINES = 24
_SHOWN_WIDTH = 200


class EditRefused(UnusableAnswer):
    """Edits cannot be applied."""


def replace_lines(content: bytes, search: str, replacement: str) -> bytes:
    """Replace the only occurrence of the lines of `search`.

    Lines end with LF or CRLF, nothing else. Lines that both texts share keep their bytes; new ones get the line ending
    of their neighbours.
    Raises EditRefused if the lines are missing or occur more than once, or if the file's encoding cannot represent the
    replacement.
    """
    text, encoding = decode(content)
    bom = _BOM if text.startswith(_BOM) else ""
    lines = _split(text[len(bom) :])
    wanted = [body for body, _ in _split(search.removeprefix(_BOM))]
    new = [body for body, _ in _split(replacement.removeprefix(_BOM))]
    if not wanted:
        if lines:
            raise EditRefused("the SEARCH part is empty, but the file is not. Copy into it the lines to be replaced.")
        return bom.encode() + encode(replacement.removeprefix(_BOM))
    encode(replacement)
    if wanted == new:
        raise EditRefused("the lines as they shall be are the lines as they are: this edit changes nothing.")
    start = _find_once([body for body, _ in lines], wanted)
    end = start + len(wanted)
    # A last line without a newline is given the ending of the line before it; it is removed again below.
    default = next((ending for _, ending in reversed(lines[:end]) if ending), "\n")
    merged: list[tuple[str, str]] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, wanted, new, autojunk=False).get_opcodes():
        if tag == "equal":
            merged += [(body, ending or default) for body, ending in lines[start + i1 : start + i2]]
        else:
            ending = lines[min(start + i1, end - 1)][1] or default
            merged += [(body, ending) for body in new[j1:j2]]
    if merged and not lines[end - 1][1]:
        merged[-1] = (merged[-1][0], "")
    return _encode(bom + "".join(body + ending for body, ending in lines[:start] + merged + lines[end:]), encoding)


def _split(text: str) -> list[tuple[str, str]]:
    """Lines and their endings: "\\n", "\\r\\n" or, for the last line only, empty."""
    lines = [(line[:-1], "\r\n") if line.endswith("\r") else (line, "\n") for line in text.split("\n")]
    last = text.rsplit("\n", 1)[-1]
    return lines[:-1] + ([(last, "")] if last else [])


def encode(text: str) -> bytes:
    """New text as UTF-8. Raises EditRefused for NUL and for characters that UTF-8 cannot represent."""
    if "\0" in text:
        raise EditRefused("the new text holds a NUL character, which text files do not have. Write it as an escape.")
    return _encode(text, "utf-8")


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        problem = text[error.start : error.end][:20]
        raise EditRefused(
            f"the new text holds {ascii(problem)}, which the file's encoding, {encoding}, cannot hold. "
            "Write it otherwise."
        ) from None


def _find_once(lines: list[str], wanted: list[str]) -> int:
    """Index of the line where `wanted` begins. Raises EditRefused unless it occurs exactly once."""
    length = len(wanted)
    found = [
        index
        for index, line in enumerate(lines[: len(lines) - length + 1])
        if line == wanted[0] and lines[index : index + length] == wanted
    ]
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(index + 1) for index in found[:10]) + (", ..." if len(found) > 10 else "")
        raise EditRefused(
            f"the SEARCH lines stand at {len(found)} places, beginning at lines {numbers}. "
            "Add lines around them until they stand at one place only."
        )
    raise EditRefused(f"the SEARCH lines are not in the file as they were written. {_nearest(lines, wanted)}")


def _nearest(lines: list[str], wanted: list[str]) -> str:
    """Advice for search lines that were not found: the most similar lines of the file, with line numbers."""
    if not lines:
        return "The file is empty: leave the SEARCH part empty to fill it."
    stripped = [line.strip() for line in lines]
    index: dict[str, list[int]] = {}
    for number, line in enumerate(stripped):
        if line:
            index.setdefault(line, []).append(number)
    offsets = Counter(
        place - position for position, line in enumerate(wanted) for place in index.get(line.strip(), ())[:50]
    )
    if not offsets:  # no line occurs in the file: look for one similar to the longest
        longest = max(range(len(wanted)), key=lambda position: len(wanted[position].strip()))
        close = difflib.get_close_matches(wanted[longest].strip(), list(index)[:20_000], n=1, cutoff=0.5)
        offsets.update(index[line][0] - longest for line in close)
    if not offsets:
        return f"Nothing in the file's {len(lines)} lines is like them; read the file again and copy the lines from it."
    start = max(0, min(offsets, key=lambda offset: (-offsets[offset], offset)))
    there = lines[start : start + len(wanted)]
    differing = next((i for i, pair in enumerate(zip(wanted, there, strict=False)) if pair[0] != pair[1]), None)
    parts = ["Copy the lines exactly."]
    if differing is not None:
        blanks = " (only blanks differ)" if wanted[differing].strip() == there[differing].strip() else ""
        parts.append(
            f"First difference{blanks}: line {differing + 1} of the SEARCH part is\n{shorten(wanted[differing])}\n"
            f"but line {start + differing + 1} of the file is\n{shorten(there[differing])}"
        )
    first = max(0, start - 1)
    shown = lines[first : min(start + len(wanted) + 1, first + _SHOWN_LINES)]
    listing = "\n".join(f"{number:>6}  {shorten(line)}" for number, line in enumerate(shown, first + 1))
    parts.append(f"The nearest lines of the file, with their numbers:\n{listing}")
    return "\n".join(parts)


def shorten(text: str) -> str:
    """A line as a model sees it: valid UTF-8, truncated if long."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _SHOWN_WIDTH else text[:_SHOWN_WIDTH] + "..."
