"""Candidates that differ only in comments, docstrings, blank lines or formatting are one candidate."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from codemonkeys.context.languages import language_of, parse
from codemonkeys.generation.edits import Changes, File
from codemonkeys.generation.patch import changes_of
from codemonkeys.tasks.snapshot import Snapshot

if TYPE_CHECKING:
    from tree_sitter import Node

_DIRECTIVE = re.compile(rb"//go:|// ?\+build|//export ")
_FIRST_LINES = re.compile(rb"#!|#.*coding[:=]")
# Nodes kept as they are written, because blanks within them are data or their leaves do not cover them.
_VERBATIM = re.compile(
    r"string(?<!concatenated_string)|heredoc|regex|jsx|char|text|subshell|delimited_symbol|token_tree"
)
# Python writes these with or without a trailing comma and means the same.
_COMMA_ENDED = frozenset(("argument_list", "parameters", "lambda_parameters", "list", "dictionary", "set"))


def classes(snapshot: Snapshot, patches: Sequence[str]) -> list[list[int]]:
    """Indexes of the patches in groups of equivalent ones; groups and members in the order they are first seen.

    Raises BadInput if a patch does not apply to the snapshot.
    """
    forms = {patch: normal_form(snapshot, patch) for patch in dict.fromkeys(patches)}
    groups: dict[str, list[int]] = {}
    for index, patch in enumerate(patches):
        groups.setdefault(forms[patch], []).append(index)
    return list(groups.values())


def normal_form(snapshot: Snapshot, candidate: str | Changes) -> str:
    """A hash that equivalent candidates share, and only they.

    A file counts by its path, its mode and its syntax tree without comments, docstrings and layout; by its bytes where
    there is no tree. A file that is equivalent to the one in the snapshot does not count.
    Raises BadInput if a patch does not apply to the snapshot.
    """
    changes = changes_of(snapshot, candidate) if isinstance(candidate, str) else candidate
    total = hashlib.sha256()
    for path, file in sorted(changes.files.items()):
        before = _original(snapshot, path)
        if file and before and file.mode == before.mode and _form(path, file.content) == _form(path, before.content):
            continue
        total.update(path.encode("utf-8", "surrogateescape") + b"\0")
        total.update(file.mode.encode() + _form(path, file.content) if file else b"deleted")
    return total.hexdigest()


def _original(snapshot: Snapshot, path: str) -> File | None:
    if path not in snapshot or not snapshot.entry(path).is_file:
        return None
    return File(snapshot.read(path), snapshot.entry(path).mode)


@lru_cache(maxsize=128)  # the candidates of a task change the same few files
def _form(path: str, content: bytes) -> bytes:
    """A digest of what a file says."""
    tree = parse(path, content)
    if tree is None or tree.root_node.has_error:
        return hashlib.sha256(b"bytes\0" + content).digest()
    digest = hashlib.sha256(b"tree\0")
    for word in _words(tree.root_node, content, python=language_of(path) == "python"):
        digest.update(b"%d:%s" % (len(word), word))
    return digest.digest()


def _words(root: Node, content: bytes, python: bool) -> Iterator[bytes]:
    """The syntax tree as words that determine it: leaves as they are written, and where each parent begins and ends."""
    stack: list[Node | None] = [root]  # None ends a node; our own stack, since code may nest deeper than Python calls
    while stack:
        node = stack.pop()
        if node is None:
            yield b")"
            continue
        text = content[node.start_byte : node.end_byte]
        if node.type.endswith("comment"):
            if _is_meant(node, text):
                yield b"=" + text
            continue
        if node.type == "line_continuation" or (python and _is_docstring(node)):
            continue
        children = node.children
        if not children or _VERBATIM.search(node.type) or not _is_covered(node, children, content):
            yield b"=" + text
            continue
        yield b"(" + node.type.encode()
        stack.append(None)
        stack.extend(reversed(_without_layout(node, children) if python else children))


def _is_meant(comment: Node, text: bytes) -> bool:
    """Whether the comment is one that a compiler, an interpreter or the system reads."""
    return bool(_DIRECTIVE.match(text) or (comment.start_point.row < 2 and _FIRST_LINES.match(text)))


def _is_covered(node: Node, children: list[Node], content: bytes) -> bool:
    """Whether nothing but blanks lies between the children: some grammars hide words."""
    ends = [node.start_byte, *(child.end_byte for child in children)]
    starts = [*(child.start_byte for child in children), node.end_byte]
    return all(not content[end:start].strip() for end, start in zip(ends, starts, strict=True))


def _is_docstring(node: Node) -> bool:
    if node.type != "expression_statement" or node.child_count != 1 or node.parent is None:
        return False
    parent, string = node.parent, node.named_children[0]
    owner = parent.parent
    documents = owner is None or (parent.type == "block" and owner.type in ("class_definition", "function_definition"))
    if not documents or string.type != "string":
        return False
    first = next((child for child in parent.named_children if child.type != "comment"), None)
    return first == node and not any(child.type == "interpolation" for child in string.named_children)


def _without_layout(node: Node, children: list[Node]) -> list[Node]:
    """Children of a Python node without the punctuation that only lays it out."""
    if node.type in ("module", "block"):
        return [child for child in children if child.type != ";"]
    if node.type in _COMMA_ENDED:
        code = [child for child in children if child.type != "comment"]
        return code[:-2] + code[-1:] if len(code) > 2 and code[-2].type == "," else code
    return children
