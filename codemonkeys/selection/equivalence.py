"""Equivalence of candidates that differ only in comments, docstrings, blank lines or formatting."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from codemonkeys.context.languages import is_prose, language_of, parse
from codemonkeys.generation.edits import Changes, File
from codemonkeys.generation.patch import changes_of
from codemonkeys.tasks.snapshot import Snapshot

if TYPE_CHECKING:
    from tree_sitter import Node

_DIRECTIVE = re.compile(
    rb"//go:|// ?\+build|//export "
    rb"|///\s*<(?:reference|amd)|(?://|/\*)[\s*]*@(?:ts-|jsx|flow\b)"
    rb"|#[\s*-]*(?:frozen[_-]string[_-]literal|shareable_constant_value|warn_indent)\b"
)
_ANNOTATION = re.compile(rb"/\*\*.*?@\\?[A-Z]", re.DOTALL)
_FIRST_LINES = re.compile(rb"#!|#.*coding[:=]")
# Nodes kept verbatim, because whitespace in them is data or their leaves do not cover them.
_VERBATIM = re.compile(
    r"string(?<!concatenated_string)|heredoc|regex|jsx|char|text|subshell|delimited_symbol|token_tree"
)
# In Python a trailing comma in these makes no difference.
_COMMA_ENDED = frozenset(("argument_list", "parameters", "lambda_parameters", "list", "dictionary", "set"))


def classes(snapshot: Snapshot, patches: Sequence[str], *, prose: bool = False) -> list[list[int]]:
    """Indices of patches in groups of equivalent ones, both in order of first appearance.

    `prose`: whether text that only people read counts beside changes of code, as it did in version 0.1.

    Raises BadInput if a patch does not apply to the snapshot.
    """
    forms = {patch: normal_form(snapshot, patch, prose=prose) for patch in dict.fromkeys(patches)}
    groups: dict[str, list[int]] = {}
    for index, patch in enumerate(patches):
        groups.setdefault(forms[patch], []).append(index)
    return list(groups.values())


def normal_form(snapshot: Snapshot, candidate: str | Changes, *, prose: bool = False) -> str:
    """A hash that is equal exactly for equivalent candidates.

    It covers path, mode and syntax tree of each file, without comments, docstrings and layout; the bytes of files that
    cannot be parsed. Files equivalent to those in the snapshot are left out, and text that only people read, unless
    nothing else is changed or `prose` is set.
    Raises BadInput if a patch does not apply to the snapshot.
    """
    changes = changes_of(snapshot, candidate) if isinstance(candidate, str) else candidate
    total = hashlib.sha256()
    only_prose = all(map(is_prose, changes.files))
    for path, file in sorted(changes.files.items()):
        if is_prose(path) and not (prose or only_prose):
            continue
        before = _original(snapshot, path)
        if (
            file
            and before
            and file.mode == before.mode
            and _digest(path, file.content) == _digest(path, before.content)
        ):
            continue
        total.update(path.encode("utf-8", "surrogateescape") + b"\0")
        total.update(file.mode.encode() + _digest(path, file.content) if file else b"deleted")
    return total.hexdigest()


def _original(snapshot: Snapshot, path: str) -> File | None:
    if path not in snapshot or not snapshot.entry(path).is_file:
        return None
    return File(snapshot.read(path), snapshot.entry(path).mode)


@lru_cache(maxsize=128)  # candidates of a task change the same few files
def _digest(path: str, content: bytes) -> bytes:
    """Digest of a file's syntax tree, or of its bytes if it cannot be parsed."""
    tree = parse(path, content)
    if tree is None or tree.root_node.has_error:
        return hashlib.sha256(b"bytes\0" + content).digest()
    digest = hashlib.sha256(b"tree\0")
    for token in _tokens(tree.root_node, content, language_of(path)):
        digest.update(b"%d:%s" % (len(token), token))
    return digest.digest()


def _tokens(root: Node, content: bytes, language: str | None) -> Iterator[bytes]:
    """Serialise the syntax tree: leaves verbatim, and where each parent begins and ends."""
    return (token for token, _ in serialised(root, content, language))


def serialised(root: Node, content: bytes, language: str | None) -> Iterator[tuple[bytes, Node]]:
    """What a syntax tree says, without comments and layout: tokens, each with the node that it begins, ends or is."""
    python = language == "python"
    stack = [(root, False)]  # explicit, since code may nest deeper than calls
    while stack:
        node, ends = stack.pop()
        if ends:
            yield b")", node
            continue
        text = content[node.start_byte : node.end_byte]
        if node.type.endswith("comment"):
            if _is_directive(node, text, language):
                yield b"=" + text, node
            continue
        if node.type == "line_continuation" or (python and _is_docstring(node)):
            continue
        children = node.children
        if not children or _VERBATIM.search(node.type) or not _is_covered(node, children, content):
            yield b"=" + text, node
            continue
        yield b"(" + node.type.encode(), node
        stack.append((node, True))
        stack.extend((child, False) for child in reversed(_without_layout(node, children) if python else children))


def _is_directive(comment: Node, text: bytes, language: str | None) -> bool:
    """Whether a compiler, an interpreter, a library or the system reads the comment."""
    if _DIRECTIVE.match(text) or (comment.start_point.row < 2 and _FIRST_LINES.match(text)):
        return True
    if language == "php":
        return bool(_ANNOTATION.match(text))
    return language == "go" and _is_c_of_go(comment)


def _is_c_of_go(comment: Node) -> bool:
    """Whether a comment is C that `import "C"` compiles: it comes directly before."""
    following: Node | None = comment
    while following is not None and following.type == "comment":
        following = following.next_named_sibling
    return following is not None and following.type == "import_declaration" and b'"C"' in (following.text or b"")


def _is_covered(node: Node, children: list[Node], content: bytes) -> bool:
    """Whether only whitespace lies between the children: some grammars have hidden tokens."""
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
    """Children of a Python node without punctuation that is mere layout."""
    if node.type in ("module", "block"):
        return [child for child in children if child.type != ";"]
    if node.type in _COMMA_ENDED:
        code = [child for child in children if child.type != "comment"]
        return code[:-2] + code[-1:] if len(code) > 2 and code[-2].type == "," else code
    return children
