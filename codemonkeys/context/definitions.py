"""Definitions of a file, as its outline has them, and the digest of a file that is put together from theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from codemonkeys.context.outline import Line

ABOUT_FILE = 12
"""Words about a file as a whole that its digest has room for beside its definitions."""
FEWEST_WORDS, MOST_WORDS = 15, 80
"""Of the digest of a file; names count."""
CHARACTERS_PER_WORD = 40
"""Characters of an outline per word of the digest."""
LONG = 160
"""Characters of what a definition says of itself beyond which a model is asked to say it shorter."""
WORTH_ASKING = 2
"""Words for each definition that a file's digest must have room for: fewer are no summary, and nobody is paid."""
FEWEST_OF_DEFINITION, MOST_OF_DEFINITION, CHARACTERS_OF_DEFINITION = 5, 25, 32
"""Words about one definition, and characters of its text per word."""

_QUOTES = '"' * 3
_FIELD = re.compile(r"[:=({]")
"""What ends the name of a constant or a field."""
_WORD = re.compile(r"[^\s\"'`]+")
_PRIVATE = re.compile(r"_|\W")


@dataclass(frozen=True)
class Definition:
    """A class, a function or the like, without what is defined within it; or the file itself, without a name."""

    name: str
    owner: str
    """Signature of the definition that holds it; empty at the level of the file."""
    text: str
    """Decorators, signature, first paragraph of the docstring, fields; without line numbers and imports."""

    @property
    def is_file(self) -> bool:
        """Whether it stands for what a file has beside its definitions."""
        return not self.name and not self.owner

    @property
    def shown(self) -> str:
        """Its text, below the signature of what holds it."""
        return f"{self.owner}\n{self.text}" if self.owner else self.text

    @cached_property
    def words(self) -> list[str]:
        """What it says of itself beside its signature: its docstring, then the names of its fields."""
        lines = self.text.split("\n")
        if not self.is_file:
            signature = next((n for n, line in enumerate(lines) if not line.startswith("@")), len(lines))
            lines = lines[signature + 1 :]
        said = [line.strip(_QUOTES) if line.startswith(_QUOTES) else _FIELD.split(line, 1)[0] for line in lines]
        return _WORD.findall(" ".join(said))

    @property
    def is_long(self) -> bool:
        """Whether it says more of itself than a digest has room for."""
        return sum(len(word) + 1 for word in self.words) > LONG

    @property
    def words_for_digest(self) -> int:
        """Maximum number of words for its digest."""
        return max(FEWEST_OF_DEFINITION, min(MOST_OF_DEFINITION, len(self.text) // CHARACTERS_OF_DEFINITION))


@dataclass
class _Open:
    """A definition while its lines are read."""

    depth: int
    name: str
    owner: str
    signature: str
    lines: list[str]


def definitions_of(lines: Sequence[Line]) -> list[Definition]:
    """The definitions of an outline in order; the first stands for the file itself, and may be empty."""
    of_file = _Open(-1, "", "", "", [])
    found, within = [of_file], [of_file]
    decorators: list[str] = []
    for line in lines:
        if line.is_import:
            continue
        while within[-1].depth >= line.depth:
            within.pop()
        if line.name is not None:
            opened = _Open(
                line.depth, line.name or line.text, within[-1].signature, line.text, [*decorators, line.text]
            )
            found.append(opened)
            within.append(opened)
            decorators = []
        elif line.text.startswith("@"):
            decorators.append(line.text)
        else:
            within[-1].lines += [*decorators, line.text]
            decorators = []
    return [Definition(part.name, part.owner, "\n".join(part.lines)) for part in found]


@dataclass(frozen=True)
class DigestOfFile:
    """How the digest of a file is put together from those of its definitions: the same wherever they are the same."""

    definitions: tuple[Definition, ...]
    most: int
    """Number of words."""

    @classmethod
    def of_outline(cls, lines: Sequence[Line], characters: int) -> DigestOfFile:
        """The digest of a file with this outline, of so many characters."""
        return cls(tuple(definitions_of(lines)), _most(characters))

    @classmethod
    def of_text(cls, text: str) -> DigestOfFile:
        """The digest of a file without an outline."""
        return cls((Definition("", "", text),), _most(len(text)))

    @cached_property
    def asked(self) -> list[Definition]:
        """Definitions that a model is asked about: long ones, where there is room for what it would say."""
        lengths = [self._length(definition) for definition in self._others]
        worth = self._share(lengths, self._about(self._file.words)) >= WORTH_ASKING
        return [one for one in self.definitions if one.is_long and (one.is_file or worth)]

    def line(self, said: Mapping[Definition, str]) -> str:
        """Words about the file, then each definition by name, with as many words as there is room for.

        `said`: digests of those that a model was asked about, the most telling words first; the others, and those that
        are missing, speak for themselves. All definitions get the same share. Where not all names find room, those at
        the level of the file come first, and public ones before others.
        """
        words = {one: said[one].split() if one in said else one.words for one in self.definitions}
        about = self._about(words[self._file])
        others = self._others
        room = self.most - len(about)
        if len(others) > room:
            order = sorted(range(len(others)), key=lambda n: (*_rank(others[n]), n))
            others = [others[n] for n in sorted(order[: max(room, 1)])]
            share = 0
        else:
            share = self._share([len(words[one]) for one in others], about)
        told = [f"{one.name}: {' '.join(words[one][:share])}".rstrip(": ") for one in others]
        return " ".join(" ".join([*about, *(["|"] if about and told else []), "; ".join(told)]).split())

    @property
    def _file(self) -> Definition:
        return self.definitions[0]

    @property
    def _others(self) -> list[Definition]:
        return list(self.definitions[1:])

    def _about(self, words: Sequence[str]) -> list[str]:
        return list(words[: ABOUT_FILE if self._others else self.most])

    def _length(self, definition: Definition) -> int:
        return definition.words_for_digest if definition.is_long else len(definition.words)

    def _share(self, lengths: Sequence[int], about: Sequence[str]) -> int:
        """The largest equal share of each such that all together fit beside the names."""
        room, share = self.most - len(about) - len(lengths), 0
        while (more := sum(length > share for length in lengths)) and more <= room:
            room -= more
            share += 1
        return share


def _most(characters: int) -> int:
    return max(FEWEST_WORDS, min(MOST_WORDS, characters // CHARACTERS_PER_WORD))


def _rank(definition: Definition) -> tuple[bool, bool]:
    return bool(definition.owner), bool(_PRIVATE.match(definition.name))
