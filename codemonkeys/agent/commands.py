"""What an agent may write in an answer: commands, carried out in order.

    <<<<<<< BASH {marker}
    shell commands
    >>>>>>> END {marker}

    <<<<<<< ADD {marker} path/to/new_file

and the blocks of an edit conversation (see `generation.answers`): SEARCH, CREATE, DELETE, RENAME, SHOW, FIND, RUN,
TEST, DONE. Text around blocks is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codemonkeys.generation.answers import KINDS, Answer, AnswerParser, Edit, MalformedAnswer
from codemonkeys.generation.look_ups import LookUp

MOST = 6
"""Commands in one answer; edits in a row count as one."""


@dataclass(frozen=True)
class Bash:
    """Run shell commands in the session."""

    text: str


@dataclass(frozen=True)
class Edits:
    """Edit the repository as it is now; all of the edits are made, or none."""

    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class WriteTest:
    """Replace the test script."""

    text: str


@dataclass(frozen=True)
class Add:
    """Make a new file part of the patch."""

    path: str


@dataclass(frozen=True)
class Submit:
    """Say that the work is done."""


@dataclass(frozen=True)
class Unreadable:
    """A tool call that is no command; the others of its answer are carried out."""

    problem: str


Command = Bash | Edits | LookUp | WriteTest | Add | Submit | Unreadable


def parse_commands(text: str, marker: str) -> tuple[Command, ...]:
    """The commands of an answer, in order; `Submit` is the last one. Raises MalformedAnswer."""
    found: list[Command] = []
    for part in _parts(text, marker):
        last = found[-1] if found else None
        match part:
            case Bash() | Add():
                found.append(part)
            case Answer(test=str() as script):
                found.append(WriteTest(script))
            case Answer(done=True):
                found.append(Submit())
            case Answer():
                raise MalformedAnswer("There is nothing to choose from. Write commands, or DONE.")
            case _ if isinstance(part, LookUp):
                found.append(part)
            case _:
                found[len(found) - isinstance(last, Edits) :] = [
                    Edits((*(last.edits if isinstance(last, Edits) else ()), part))
                ]
    return checked(found, "DONE")


def checked(commands: Sequence[Command], done: str) -> tuple[Command, ...]:
    """The commands of an answer if they can be carried out together, else MalformedAnswer. `done`: how one submits."""
    if not commands:
        raise MalformedAnswer("The answer holds no command.")
    if len(commands) > MOST:
        raise MalformedAnswer(
            f"The answer holds {len(commands)} commands; nothing was carried out. Write at most {MOST}."
        )
    if any(isinstance(command, Submit) for command in commands[:-1]):
        raise MalformedAnswer(f"{done} must be the last command of an answer; nothing was carried out.")
    return tuple(commands)


def _parts(text: str, marker: str) -> Iterator[Edit | LookUp | Answer | Bash | Add]:
    """The blocks of an answer: our own are cut out, what lies between goes to the parser of edit conversations."""
    if text.count("\r\n") == text.count("\n"):
        text = text.replace("\r\n", "\n")
    opening = re.compile(rf"<<<<<<< (BASH|ADD) {re.escape(marker)}(?:[ \t]+(.*))?")
    lines, begun, number = text.split("\n"), 0, 0
    while number < len(lines):
        found = opening.fullmatch(lines[number].rstrip())
        if found is None:
            number += 1
            continue
        # Empty lines in place of what was read, so that messages name the right line.
        yield from AnswerParser("\n" * begun + "\n".join(lines[begun:number]), marker, KINDS).parts()
        rest = (found[2] or "").strip()
        if found[1] == "ADD":
            if not rest:
                raise MalformedAnswer(f"Line {number + 1} lacks a path: <<<<<<< ADD {marker} path/to/new_file")
            yield Add(rest)
            begun = number = number + 1
            continue
        end = next((n for n in range(number + 1, len(lines)) if marker in lines[n]), None)
        if rest or end is None or lines[end].rstrip() != f">>>>>>> END {marker}":
            raise MalformedAnswer(
                f"The BASH block of line {number + 1} is not written as it must be: after the line "
                f"`<<<<<<< BASH {marker}` come shell commands, then a line of exactly `>>>>>>> END {marker}`."
            )
        body = "\n".join(lines[number + 1 : end])
        if not body.strip():
            raise MalformedAnswer(f"The BASH block of line {number + 1} is empty.")
        yield Bash(f"{body}\n")
        begun = number = end + 1
    yield from AnswerParser("\n" * begun + "\n".join(lines[begun:]), marker, KINDS).parts()


def in_words(command: Command) -> str:
    """What a command of ours is called when its result is told."""
    match command:
        case Bash():
            return "BASH"
        case Edits():
            return "Your edits"
        case WriteTest():
            return "TEST"
        case Add(path):
            return f"ADD {path}"
    return "DONE"
