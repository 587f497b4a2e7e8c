"""The one format of a model's answers: blocks between marker lines that carry a token no file of the task holds.

    <<<<<<< SEARCH {marker} path/to/file.py        <<<<<<< CREATE {marker} path/to/new.py
    lines as they are                              whole content
    ======= {marker}                               >>>>>>> END {marker}
    lines as they shall be
    >>>>>>> END {marker}                           <<<<<<< DELETE {marker} path/to/file.py
                                                   <<<<<<< RENAME {marker} old/path.py => new/path.py
    <<<<<<< TEST {marker}
    whole script                                   <<<<<<< DONE {marker}
    >>>>>>> END {marker}                           <<<<<<< CHOOSE {marker} 2

A line is a marker line only if it carries the token, so nothing that a file may hold can be taken for one. Text around
blocks is ignored. An answer holds one kind of thing: edits (one or more), one test, done, or one choice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn

from codemonkeys.context.languages import is_source
from codemonkeys.engine.conversation import UnusableAnswer

Kind = Literal["edits", "test", "done", "choice"]
KINDS: tuple[Kind, ...] = ("edits", "test", "done", "choice")


@dataclass(frozen=True)
class Replace:
    """Replace whole consecutive lines of a file; every line of both texts ends with a newline."""

    path: str
    search: str
    replace: str


@dataclass(frozen=True)
class Create:
    """Add a file."""

    path: str
    content: str


@dataclass(frozen=True)
class Delete:
    """Remove a file."""

    path: str


@dataclass(frozen=True)
class Rename:
    """Move a file; its content stays."""

    path: str
    to: str


Edit = Replace | Create | Delete | Rename


@dataclass(frozen=True)
class Answer:
    """What a model answered; exactly one of the four is set."""

    edits: tuple[Edit, ...] = ()
    test: str | None = None
    """A whole test script."""
    done: bool = False
    choice: int | None = None

    @property
    def kind(self) -> Kind:
        """Which of the four is set."""
        if self.edits:
            return "edits"
        if self.test is not None:
            return "test"
        return "done" if self.done else "choice"


class MalformedAnswer(UnusableAnswer):
    """An answer cannot be parsed."""


def marker_for(task_id: str, texts: Iterable[str]) -> str:
    """The token of a task's marker lines: 8 or more hex digits, the same every time, that none of the texts holds."""
    texts = list(texts)
    attempt = 0
    while True:
        digest = hashlib.sha256(f"marker\0{attempt}\0{task_id}".encode("utf-8", "surrogatepass")).hexdigest()
        token = digest[: 8 + attempt // 4]
        if not any(token in text for text in texts):
            return token
        attempt += 1


def render_edits(edits: Iterable[Edit], marker: str) -> str:
    """The answer that `parse_answer` reads as these edits."""
    return "\n".join(_render(edit, marker) for edit in edits)


def _render(edit: Edit, marker: str) -> str:
    match edit:
        case Replace(path, search, replace):
            return f"<<<<<<< SEARCH {marker} {path}\n{search}======= {marker}\n{replace}>>>>>>> END {marker}\n"
        case Create(path, content):
            return f"<<<<<<< CREATE {marker} {path}\n{content}>>>>>>> END {marker}\n"
        case Delete(path):
            return f"<<<<<<< DELETE {marker} {path}\n"
        case Rename(path, to):
            return f"<<<<<<< RENAME {marker} {path} => {to}\n"


def parse_answer(text: str, marker: str, allowed: Collection[Kind] = KINDS) -> Answer:
    """Read a model's answer.

    `allowed` names the kinds that make sense at this point of the conversation.
    Raises MalformedAnswer, with a message for the model, for anything that is not exactly one of them.
    """
    edits: list[Edit] = []
    others: list[Answer] = []
    for part in _Parser(text, marker, allowed).parts():
        if isinstance(part, Answer):
            others.append(part)
        else:
            edits.append(part)
    answers = [Answer(edits=tuple(edits)), *others] if edits else others
    if not answers:
        raise MalformedAnswer(f"The answer holds no block. Write {_forms(marker, allowed)}")
    if len(answers) > 1:
        found = ", ".join(answer.kind for answer in answers)
        raise MalformedAnswer(
            f"The answer must hold exactly one kind of thing, but it holds: {found}. "
            f"Write only {_forms(marker, allowed)}"
        )
    if answers[0].kind not in allowed:
        raise MalformedAnswer(f"{answers[0].kind} is no possible answer here. Write {_forms(marker, allowed)}")
    return answers[0]


def _forms(marker: str, allowed: Collection[Kind]) -> str:
    end = f">>>>>>> END {marker}"
    forms: dict[Kind, str] = {
        "edits": "one or more edits, each in one of these forms:\n\n"
        f"<<<<<<< SEARCH {marker} path/to/file\nlines as they are\n======= {marker}\nlines as they shall be\n{end}\n\n"
        f"<<<<<<< CREATE {marker} path/to/new_file\nwhole content\n{end}\n\n"
        f"<<<<<<< DELETE {marker} path/to/file\n\n"
        f"<<<<<<< RENAME {marker} old/path => new/path",
        "test": f"one test script:\n\n<<<<<<< TEST {marker}\nwhole script\n{end}",
        "done": f"this line, to say that the work is done:\n\n<<<<<<< DONE {marker}",
        "choice": f"this line, with the number of your choice:\n\n<<<<<<< CHOOSE {marker} 1",
    }
    return "\n\nor ".join(forms[kind] for kind in KINDS if kind in allowed)


_LOOKS_LIKE_OURS = re.compile(r"\s*<{5,}\s*(SEARCH|CREATE|DELETE|RENAME|TEST|DONE|CHOOSE)\b")
_MARKER_SHAPE = re.compile(r"[\s`>*-]*(<{5,}|={5,}|>{5,})")
_FENCE = re.compile(r"\s*(```|~~~)[\w+.#-]*\s*")
_CLOSING_FENCE = re.compile(r"\s*(```|~~~)\s*")


class _Parser:
    """Reads the lines of one answer from top to bottom."""

    def __init__(self, text: str, marker: str, allowed: Collection[Kind]) -> None:
        if text.count("\r\n") == text.count("\n"):  # the answer as a whole came with CRLF; a single such line is data
            text = text.replace("\r\n", "\n")
        self.lines = text.split("\n")
        self.marker = marker
        self.allowed = allowed
        self.number = 0  # of the line read last, from 1
        self.opening = re.compile(
            rf"<<<<<<< (SEARCH|CREATE|DELETE|RENAME|TEST|DONE|CHOOSE) {re.escape(marker)}(?:[ \t]+(.*))?"
        )
        self.separator = f"======= {marker}"
        self.end = f">>>>>>> END {marker}"

    def parts(self) -> Iterator[Edit | Answer]:
        while self.number < len(self.lines):
            line = self.next_line()
            opening = self.opening.fullmatch(line.rstrip())
            if opening:
                yield self.block(opening[1], (opening[2] or "").strip())
            elif self.is_marker_line(line):
                self.fail(f"is a marker line outside of any block, or not written as it must be: {line.strip()!r}")
            elif _LOOKS_LIKE_OURS.match(line):
                self.fail(f"lacks the token {self.marker} of this task's marker lines: {line.strip()!r}")

    def next_line(self) -> str:
        self.number += 1
        return self.lines[self.number - 1]

    def is_marker_line(self, line: str) -> bool:
        return self.marker in line and bool(_MARKER_SHAPE.match(line))

    def block(self, word: str, rest: str) -> Edit | Answer:
        match word:
            case "SEARCH":
                path = self.path(rest, word)
                search = self.body(self.separator, word)
                return Replace(path, search, self.body(self.end, word))
            case "CREATE":
                path = self.path(rest, word)
                content = self.body(self.end, word)
                # No source file begins and ends with a code fence, but a Markdown file may.
                return Create(path, _without_fence(content) if is_source(path) else content)
            case "DELETE":
                return Delete(self.path(rest, word))
            case "RENAME":
                paths = [path.strip() for path in rest.split(" => ")]
                if len(paths) != 2 or not all(paths):
                    self.fail(f"must be: <<<<<<< RENAME {self.marker} old/path => new/path")
                return Rename(*paths)
        if word == "CHOOSE":
            if not re.fullmatch(r"[0-9]{1,9}", rest):
                self.fail(f"must end with the number of your choice: <<<<<<< CHOOSE {self.marker} 1")
            return Answer(choice=int(rest))
        if rest:
            self.fail(f"must be just: <<<<<<< {word} {self.marker}")
        if word == "DONE":
            return Answer(done=True)
        script = _without_fence(self.body(self.end, word))
        if not script.strip():
            self.fail("ends an empty test script. Write the whole script between the marker lines")
        return Answer(test=script)

    def path(self, rest: str, word: str) -> str:
        if not rest:
            self.fail(f"lacks the path of the file: <<<<<<< {word} {self.marker} path/to/file")
        return rest

    def body(self, closing: str, word: str) -> str:
        """The lines up to the closing marker line, each with its newline."""
        start = self.number
        while self.number < len(self.lines):
            line = self.next_line()
            if line.rstrip() == closing:
                return "".join(f"{line}\n" for line in self.lines[start : self.number - 1])
            if self.is_marker_line(line):
                self.fail(
                    f"stands where the {word} block that line {start} belongs to is still open: {line.strip()!r}. "
                    f"Expected first is a line of exactly: {closing}"
                )
        raise MalformedAnswer(
            f"The {word} block is not closed: after line {start} of the answer there is no line of exactly: {closing}"
        )

    def fail(self, problem: str) -> NoReturn:
        raise MalformedAnswer(f"Line {self.number} of the answer {problem}\nWrite {_forms(self.marker, self.allowed)}")


def _without_fence(body: str) -> str:
    """A body without the code fence that is wrapped around all of it, if one is."""
    lines = body.strip("\n").split("\n")
    if len(lines) < 2 or not _FENCE.fullmatch(lines[0]) or not _CLOSING_FENCE.fullmatch(lines[-1]):
        return body
    return "".join(f"{line}\n" for line in lines[1:-1])
