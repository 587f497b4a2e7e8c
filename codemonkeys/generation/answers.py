"""The answer format: blocks between marker lines, each with a token that occurs in no file of the task.

    <<<<<<< SEARCH {marker} path/to/file.py        <<<<<<< CREATE {marker} path/to/new.py
    current lines                                  whole content
    ======= {marker}                               >>>>>>> END {marker}
    replacement lines
    >>>>>>> END {marker}                           <<<<<<< DELETE {marker} path/to/file.py
                                                   <<<<<<< RENAME {marker} old/path.py => new/path.py
    <<<<<<< TEST {marker}
    whole script                                   <<<<<<< DONE {marker}
    >>>>>>> END {marker}                           <<<<<<< CHOOSE {marker} 2

    <<<<<<< SHOW {marker} path/to/file.py:10-60    <<<<<<< FIND {marker} words
    <<<<<<< RUN {marker} tests/test_file.py::test_name

Only lines with the token are marker lines, so file content cannot be mistaken for one. Text around blocks is ignored.
An answer is of one kind: edits (one or more), one test, done, one choice, or look-ups (one or more). Where that is
allowed, DONE may stand beside edits or a test: the work is done if the test then says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from codemonkeys.context.languages import is_source
from codemonkeys.engine.conversation import UnusableAnswer
from codemonkeys.generation.look_ups import LOOK_UP_WORDS, MOST, LookUp, look_up_forms, read_look_up

Kind = Literal["edits", "test", "done", "choice", "look-ups", "done in advance"]
"""What an answer may hold; `done in advance`: DONE beside edits or a test."""
KINDS: tuple[Kind, ...] = ("edits", "test", "done", "choice", "look-ups")


@dataclass(frozen=True)
class Replace:
    """Replace consecutive whole lines of a file; every line of both texts ends with a newline."""

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
    """Move a file without changing it."""

    path: str
    to: str


Edit = Replace | Create | Delete | Rename


@dataclass(frozen=True)
class Answer:
    """A parsed answer; exactly one of its fields is set, but `done` may be beside edits or a test."""

    edits: tuple[Edit, ...] = ()
    test: str | None = None
    """A whole test script."""
    done: bool = False
    choice: int | None = None
    look_ups: tuple[LookUp, ...] = ()

    @property
    def kind(self) -> Kind:
        """Which field is set; edits or a test before `done`."""
        if self.edits:
            return "edits"
        if self.test is not None:
            return "test"
        if self.look_ups:
            return "look-ups"
        return "done" if self.done else "choice"


class MalformedAnswer(UnusableAnswer):
    """An answer cannot be parsed."""


def marker_for(task_id: str, texts: Iterable[str]) -> str:
    """The token of a task's marker lines: at least 8 hex digits, deterministic, absent from all the texts."""
    texts = list(texts)
    attempt = 0
    while True:
        digest = hashlib.sha256(f"marker\0{attempt}\0{task_id}".encode("utf-8", "surrogatepass")).hexdigest()
        token = digest[: 8 + attempt // 4]
        if not any(token in text for text in texts):
            return token
        attempt += 1


def render_edits(edits: Iterable[Edit], marker: str) -> str:
    """Format edits as an answer; the inverse of `parse_answer`."""
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
    """Parse a model's answer.

    `allowed`: the kinds of answer that are valid at this point of the conversation.
    Raises MalformedAnswer, with a message for the model, unless the answer is exactly one of them.
    """
    edits: list[Edit] = []
    look_ups: list[LookUp] = []
    others: list[Answer] = []
    for part in AnswerParser(text, marker, allowed).parts():
        if isinstance(part, Answer):
            others.append(part)
        elif isinstance(part, LookUp):
            look_ups.append(part)
        else:
            edits.append(part)
    answers = [Answer(edits=tuple(edits)), *others] if edits else others
    if look_ups:
        answers.append(Answer(look_ups=tuple(look_ups)))
    if "done in advance" in allowed:
        answers = _with_done(answers)
    if not answers:
        raise MalformedAnswer(f"The answer holds no block. Write {_forms(marker, allowed)}")
    if len(answers) > 1:
        found = ", ".join(answer.kind for answer in answers)
        raise MalformedAnswer(
            f"The answer must hold exactly one kind of thing, but it holds: {found}. "
            f"Write only {_forms(marker, allowed)}"
        )
    if len(look_ups) > MOST:
        raise MalformedAnswer(f"The answer asks for {len(look_ups)} things. Write {_forms(marker, allowed)}")
    if answers[0].kind not in allowed:
        raise MalformedAnswer(f"{answers[0].kind} is no possible answer here. Write {_forms(marker, allowed)}")
    return answers[0]


def _with_done(answers: list[Answer]) -> list[Answer]:
    """Edits or a test, and DONE beside it, as one answer."""
    match sorted(answers, key=lambda answer: answer.done):
        case [Answer(edits=[_, *_]) | Answer(test=str()) as work, Answer(done=True)]:
            return [replace(work, done=True)]
    return answers


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
        "look-ups": look_up_forms(marker),
    }
    told = "\n\nor ".join(forms[kind] for kind in KINDS if kind in allowed)
    if "done in advance" in allowed:
        told += "\n\nThe DONE line may also stand below an edit or a test script: then it counts if the script says so."
    return told


_WORDS = ("SEARCH", "CREATE", "DELETE", "RENAME", "TEST", "DONE", "CHOOSE")
_MARKER_SHAPE = re.compile(r"[\s`>*-]*(<{5,}|={5,}|>{5,})")
_FENCE = re.compile(r"\s*(```|~~~)[\w+.#-]*\s*")
_CLOSING_FENCE = re.compile(r"\s*(```|~~~)\s*")


class AnswerParser:
    """Parses one answer line by line."""

    def __init__(self, text: str, marker: str, allowed: Collection[Kind]) -> None:
        if text.count("\r\n") == text.count("\n"):  # CRLF throughout is transport; on single lines it is content
            text = text.replace("\r\n", "\n")
        self.lines = text.split("\n")
        self.marker = marker
        self.allowed = allowed
        self.number = 0  # of the last line read, from 1
        words = "|".join((*_WORDS, *LOOK_UP_WORDS) if "look-ups" in allowed else _WORDS)
        self.opening = re.compile(rf"<<<<<<< ({words}) {re.escape(marker)}(?:[ \t]+(.*))?")
        self.looks_like_ours = re.compile(rf"\s*<{{5,}}\s*({words})\b")
        self.separator = f"======= {marker}"
        self.end = f">>>>>>> END {marker}"

    def parts(self) -> Iterator[Edit | LookUp | Answer]:
        while self.number < len(self.lines):
            line = self.next_line()
            opening = self.opening.fullmatch(line.rstrip())
            if opening:
                yield self.block(opening[1], (opening[2] or "").strip())
            elif self.is_marker_line(line):
                self.fail(f"is a marker line outside of any block, or not written as it must be: {line.strip()!r}")
            elif self.looks_like_ours.match(line):
                self.fail(f"lacks the token {self.marker} of this task's marker lines: {line.strip()!r}")

    def next_line(self) -> str:
        self.number += 1
        return self.lines[self.number - 1]

    def is_marker_line(self, line: str) -> bool:
        return self.marker in line and bool(_MARKER_SHAPE.match(line))

    def block(self, word: str, rest: str) -> Edit | LookUp | Answer:
        match word:
            case "SEARCH":
                path = self.path(rest, word)
                search = self.body(self.separator, word)
                return Replace(path, search, self.body(self.end, word))
            case "CREATE":
                path = self.path(rest, word)
                content = self.body(self.end, word)
                # A source file never starts and ends with a code fence; a Markdown file may.
                return Create(path, _without_fence(content) if is_source(path) else content)
            case "DELETE":
                return Delete(self.path(rest, word))
            case "RENAME":
                paths = [path.strip() for path in rest.split(" => ")]
                if len(paths) != 2 or not all(paths):
                    self.fail(f"must be: <<<<<<< RENAME {self.marker} old/path => new/path")
                return Rename(*paths)
        if word in LOOK_UP_WORDS:
            try:
                return read_look_up(word, rest)
            except ValueError as form:
                self.fail(f"must be: <<<<<<< {word} {self.marker} {form}")
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
    """Strip a code fence around the whole body, if there is one."""
    lines = body.strip("\n").split("\n")
    if len(lines) < 2 or not _FENCE.fullmatch(lines[0]) or not _CLOSING_FENCE.fullmatch(lines[-1]):
        return body
    return "".join(f"{line}\n" for line in lines[1:-1])
