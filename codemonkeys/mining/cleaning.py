"""Takes out of the text of an issue what gives its fix away. Pure functions; what is left is left as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SIGNIFICANT = 12
"""Characters that a line of the fix has at least: shorter ones occur in any text."""

_COMMENT = re.compile(r"<!--.*?-->", re.S)
_FENCE = re.compile(r"\s{0,3}(?:>\s?)*(```+|~~~+)")
_DIFF_BEGINS = re.compile(r"(?:diff --git |index [0-9a-f]{7,}\.\.|--- (?:a/|/dev/null)|\+\+\+ (?:b/|/dev/null)|@@ -\d)")
_DIFF_GOES_ON = re.compile(
    r"[-+\\ ]|diff --git |index [0-9a-f]|@@|(?:new|deleted) file|(?:old|new) mode|(?:dis)?similarity |rename |copy "
)
_TRAILER = re.compile(
    r"\s*(?:[\w-]+-by|change-id|git-svn-id|\w+-revid|reviewed-on|link|pull-request|cc)\s*:\s*\S.*"
    r"|\s*(?:fixes|closes|resolves|refs?|see(?: also)?|part of|related to|bug|issue|pr|mr)\s*:?\s*"
    r"(?:(?:[\w./-]*[#!]|gh-)\d+|[0-9a-f]{7,40}\b|https?://\S+).{0,3}",
    re.I,
)
_ADDRESS = r"https?://[^\s<>()\[\]]+/(?:pulls?|commits?|compare|merge_requests)/[^\s<>()\[\]]*"
_TITLED_LINK = re.compile(rf"\[([^\]\n]*)\]\({_ADDRESS}\)")
_LINK = re.compile(rf"<?{_ADDRESS}>?")
_REFERENCE = r"(?:[\w.-]+/[\w.-]+)?(?:[#!]|gh-)\d+|https?://\S+/issues/\d+"
_CLOSES = re.compile(
    rf"\(?\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?)\b:?\s+(?:issues?\s+|bugs?\s+)?(?:{_REFERENCE})"
    rf"(?:\s*(?:,|and|&)\s*(?:{_REFERENCE}))*\)?[ \t]*[:.,;-]?[ \t]*",
    re.I,
)
_NUMBER_AT_END = re.compile(r"[ \t]*\([#!]\d+\)[ \t]*$", re.M)
_HASH = re.compile(r"\b[0-9a-f]{7,40}\b")
_TRACEBACK = re.compile(r"^\s*(?:Traceback \(most recent call last\)|File \"|at \S+.*[(:]\S*\d|goroutine \d)", re.M)
_ENDS = re.compile(r"(?<=[.!?])[\"')`\]]*\s+(?=\S)|\n(?=\s*(?:[-*+•]|\d+[.)])\s)|\n(?=#)|(?<=\n)(?<!\n\n)(?=#)")
_TELLS = (
    re.compile(
        r"\b(?:fix(?:e[sd])?|solve[sd]?|resolve[sd]?|repair(?:s|ed)?|correct(?:s|ed)?|address(?:es|ed)?)\b"
        r".*?\b(?:by|via|through|with)\s+\w+ing\b",
        re.I | re.S,
    ),
    re.compile(r"\b(?:this|the present) (?:commit|patch|pr|pull request|mr|merge request|fix|changeset)\b", re.I),
    re.compile(
        r"\bthis change (?:add|fix|remove|make|ensure|avoid|prevent|restore|replace|change|move|use|introduce)s?\b",
        re.I,
    ),
    re.compile(
        r"(?:^|[\s(])(?:(?:the|a|my|one|possible|proposed|suggested|simple|easy|potential)\s+)+(?:fix|solution|patch)\s*"
        r"(?:is|was|would|should|could|might|may|here|for this|:)\b",
        re.I,
    ),
    re.compile(r"^\W*(?:fix|solution|patch)\s*:\s", re.I),
)


@dataclass(frozen=True)
class Fix:
    """What a text must not tell."""

    lines: frozenset[str] = frozenset()
    """Lines that the fix adds, see `telling_lines`."""
    paths: tuple[str, ...] = ()
    """Files that it changes."""
    hashes: tuple[str, ...] = ()
    """Its commits."""


def telling_lines(patch: str) -> frozenset[str]:
    """The lines that a patch adds and that are in none of its other lines, without white space around them.

    Short lines and imports are left out: they tell nothing.
    """
    by_sign: dict[str, set[str]] = {"+": set(), "-": set(), " ": set()}
    for line in patch.split("\n"):
        if line[:1] in by_sign and not line.startswith(("+++ ", "--- ")):
            by_sign[line[:1]].add(squeezed(line[1:]))
    found = by_sign["+"] - by_sign["-"] - by_sign[" "]
    return frozenset(
        line
        for line in found
        if len(line) >= SIGNIFICANT and re.search(r"[^\W\d]{2}", line) and not re.match(r"(?:import|from) ", line)
    )


def squeezed(text: str) -> str:
    """A text with single spaces."""
    return " ".join(text.split())


def clean(text: str, fix: Fix) -> str:
    """The text without what gives the fix away; empty if nothing else is in it.

    Out go: diffs; blocks of code with a line of the fix; sentences that hold one, name a changed file or say how it was
    fixed; links to pull requests and commits; what it closes; trailers; and comments of HTML, as templates have them.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    while (cleaned := _clean_once(text, fix)) != text:
        text = cleaned
    return text


def _clean_once(text: str, fix: Fix) -> str:
    kept = [part for part in map(lambda part: _cleaned(part, fix), parts_of(_COMMENT.sub("", text))) if part]
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", "\n\n".join(kept), flags=re.M)).strip()


def parts_of(text: str) -> Iterator[str]:
    """Blocks of code between fences, and paragraphs."""
    part: list[str] = []
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            part.append(line)
            if found and found[1].startswith(fence) and not line[found.end() :].strip():
                yield "\n".join(part)
                part, fence = [], ""
        elif found:
            yield "\n".join(part)
            part, fence = [line], found[1]
        elif line.strip():
            part.append(line)
        else:
            yield "\n".join(part)
            part = []
    yield "\n".join(part)


def _cleaned(part: str, fix: Fix) -> str:
    if _FENCE.match(part):
        lines = part.split("\n")
        given_away = any(_DIFF_BEGINS.match(line.strip()) for line in lines) or "```diff" in lines[0].replace(" ", "")
        inside = [line for line in lines[1:] if line.strip() and not _FENCE.match(line)]
        return "" if given_away or not inside or holds_line([part], fix) else _LINK.sub("", part)
    lines = [line for line in without_diffs(part.split("\n")) if not _TRAILER.fullmatch(line)]
    part = _without_references("\n".join(lines), fix)
    if _TRACEBACK.search(part):  # names files, because that is where it failed
        part = "\n".join(line for line in part.split("\n") if not holds_line([line], fix))
    else:
        part = "".join(sentence for sentence in sentences_of(part) if not gives_away(sentence, fix))
    # A line of the fix may have been wrapped, or hold the end of a sentence itself.
    return "" if holds_line([part], fix) else part.strip("\n")


def without_diffs(lines: Iterable[str]) -> Iterator[str]:
    """The lines outside of diffs."""
    inside = False
    for line in lines:
        bare = re.sub(r"^(?:\s*>)+ ?", "", line)
        inside = bool(_DIFF_BEGINS.match(bare.strip()) or (inside and _DIFF_GOES_ON.match(bare)))
        if not inside:
            yield line


def _without_references(text: str, fix: Fix) -> str:
    text = _LINK.sub("", _TITLED_LINK.sub(r"\1", text))
    text = _NUMBER_AT_END.sub("", _CLOSES.sub("", text))
    return _HASH.sub(lambda found: "" if any(hash.startswith(found[0]) for hash in fix.hashes) else found[0], text)


def sentences_of(paragraph: str) -> Iterator[str]:
    """The sentences, items and headings of a paragraph, each with what separates it from the next."""
    position = 0
    for end in _ENDS.finditer(paragraph):
        if paragraph[position : end.end()]:
            yield paragraph[position : end.end()]
        position = end.end()
    yield paragraph[position:]


def gives_away(sentence: str, fix: Fix) -> bool:
    """Whether a sentence says how it was fixed, or where."""
    if any(pattern.search(sentence) for pattern in _TELLS) or holds_line([sentence], fix):
        return True
    return any(names_file(sentence, path) for path in fix.paths)


def names_file(text: str, path: str) -> bool:
    """Whether a text names a file: by its path, or by its name if that has a suffix."""
    name = path.rpartition("/")[2]
    names = {path} | ({name} if "." in name.lstrip(".") else set())
    return any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) for name in names)


def holds_line(texts: Iterable[str], fix: Fix) -> bool:
    """Whether any of the texts holds a line of the fix."""
    return any(line in text for text in map(squeezed, texts) for line in fix.lines)
