"""Outlines of source files: imports, constants, signatures and the first paragraph of docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from codemonkeys.context.languages import language_of, parse

if TYPE_CHECKING:
    from tree_sitter import Node

_STATEMENT = 100  # maximum characters of a constant, an import or a field
_PARAGRAPH = 240  # maximum characters of a docstring

# Node types of all grammars together; no two grammars use a name for different things.
_SHORT = frozenset(
    """import_statement import_from_statement future_import_statement import_declaration using_directive use_declaration
    package_clause package_declaration namespace_use_declaration preproc_include preproc_def preproc_function_def
    expression_statement assignment lexical_declaration variable_declaration const_declaration var_declaration
    const_item static_item type_item type_alias_declaration type_alias_statement type_definition type_declaration
    declaration field_declaration property_declaration public_field_definition field_definition property_signature
    method_signature abstract_method_signature function_signature function_signature_item using_declaration
    alias_declaration event_field_declaration delegate_declaration enum_constant enum_variant enum_member_declaration
    enumerator macro_definition""".split()
)
_RUBY_BODIES = ("program", "body_statement")  # where calls are declarations, such as attr_accessor
_DEFINITIONS = frozenset(
    """class_definition function_definition function_declaration generator_function_declaration class_declaration
    abstract_class_declaration interface_declaration enum_declaration record_declaration struct_declaration
    annotation_type_declaration trait_declaration method_declaration method_definition constructor_declaration
    compact_constructor_declaration destructor_declaration operator_declaration local_function_statement
    internal_module module_declaration function_item struct_item enum_item union_item trait_item impl_item mod_item
    struct_specifier class_specifier union_specifier enum_specifier namespace_definition namespace_declaration
    module class method singleton_method singleton_class arrow_function function_expression""".split()
)
_FUNCTIONS = frozenset(
    """function_definition function_declaration generator_function_declaration method_declaration method_definition
    constructor_declaration compact_constructor_declaration destructor_declaration operator_declaration
    local_function_statement function_item method singleton_method arrow_function function_expression""".split()
)
_TRANSPARENT = frozenset(
    """if_statement else_clause elif_clause try_statement except_clause finally_clause with_statement block
    export_statement ambient_declaration statement_block class_body declaration_list field_declaration_list
    body_statement interface_body enum_body enum_body_declarations template_declaration linkage_specification preproc_if
    preproc_ifdef preproc_else preproc_elif file_scoped_namespace_declaration ERROR""".split()
)


_IMPORT = re.compile("import|include|^us(?:e|ing)_|^package|namespace_use")


class Line(NamedTuple):
    """A line of an outline."""

    depth: int
    """Level of indentation."""
    text: str
    name: str | None = None
    """Name of the definition that begins with it, empty if it has none; None for any other line."""
    lines: str = ""
    """Line numbers of that definition in the file, `  #first-last`."""
    is_import: bool = False
    """Whether it only names other code."""

    def __str__(self) -> str:
        """The line as an outline has it."""
        return f"{'    ' * self.depth}{self.text}{self.lines}"


def outline(path: str, source: bytes | str) -> str | None:
    """The outline of a source file, in its own syntax and indentation; None if its language has no grammar.

    Multi-line definitions end with their line numbers, `#first-last`. Function bodies are left out; around syntax
    errors, whatever can be parsed is kept.
    """
    lines = outline_lines(path, source)
    return None if lines is None else written(lines)


def written(lines: list[Line]) -> str:
    """An outline as a text."""
    return "".join(f"{line}\n" for line in lines)


def outline_lines(path: str, source: bytes | str) -> list[Line] | None:
    """The lines of the outline of a source file; None if its language has no grammar."""
    content = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    tree = parse(path, content)
    if tree is None:
        return None
    lines = _members(tree.root_node, 0, python=language_of(path) == "python")
    return [line for line in lines if str(line).strip()]


def _members(node: Node, depth: int, python: bool) -> Iterator[Line]:
    """Lines for the members of a file, a class or a namespace, at their level of indentation."""
    if python:
        yield from _docstring(node, depth)
    for child in node.named_children:
        if child.type == "decorated_definition":
            yield from (Line(depth, _text(part)) for part in child.named_children if part.type == "decorator")
            child = child.child_by_field_name("definition") or child
        if child.type in _DEFINITIONS:
            yield from _definition(child, depth, python)
        elif child.type in _SHORT or (child.type == "call" and node.type in _RUBY_BODIES):
            yield from _statement(child, depth, python)
        elif child.type in _TRANSPARENT:
            yield from _members(child, depth, python)


def _definition(node: Node, depth: int, python: bool, statement: Node | None = None) -> Iterator[Line]:
    """Lines for a definition, which may be part of a statement such as `typedef struct { ... } point;`."""
    whole = statement or node
    text = whole.text or b""
    body = node.child_by_field_name("body")
    if body:
        after = b"... " + text[body.end_byte - whole.start_byte :] if statement else b""
        text = text[: body.start_byte - whole.start_byte] + after
    first, last = whole.start_point.row + 1, whole.end_point.row + 1
    signature = _joined(text).rstrip("{").rstrip()
    lines = f"  #{first}-{last}" if last > first else ""
    yield Line(depth, _cut(signature, 4 * _STATEMENT), _name(node, whole), lines)
    if body is None:
        return
    if node.type in _FUNCTIONS:
        if python:
            yield from _docstring(body, depth + 1)
    else:
        yield from _members(body, depth + 1, python)


def _statement(node: Node, depth: int, python: bool) -> Iterator[Line]:
    if python and node.type == "expression_statement" and node.named_children:
        if node.named_children[0].type not in ("assignment", "augmented_assignment"):
            return
    inner = next((child for child in _within(node) if child.type in _DEFINITIONS), None)
    if inner:
        yield from _definition(inner, depth, python, statement=node)
        return
    yield Line(depth, _cut(_joined(node.text or b""), _STATEMENT), is_import=bool(_IMPORT.search(node.type)))


def _name(node: Node, whole: Node) -> str:
    """The name of a definition; of one that is assigned or declared, that of the variable or the declarator."""
    for part in (node, *_within(whole)):
        found = part.child_by_field_name("name") or part.child_by_field_name("left")
        if found is None and part.type == "impl_item":
            found = part.child_by_field_name("type")
        if found is not None:
            return _joined(found.text or b"")
    declarator = node.child_by_field_name("declarator")
    while declarator is not None and (inner := declarator.child_by_field_name("declarator")) is not None:
        declarator = inner
    return _joined(declarator.text or b"") if declarator is not None else ""


def _within(node: Node) -> Iterator[Node]:
    for child in node.named_children:
        yield child
        if child.type == "variable_declarator":
            yield from child.named_children


def _docstring(body: Node, depth: int) -> Iterator[Line]:
    """The first paragraph of the docstring of a module, a class or a function, if it has one."""
    first = next((child for child in body.named_children if child.type != "comment"), None)
    string = (
        first.named_children[0] if first and first.type == "expression_statement" and first.named_children else None
    )
    if string is None or string.type != "string":
        return
    content = b"".join(part.text or b"" for part in string.named_children if part.type == "string_content")
    paragraph = re.split(rb"\n[ \t]*\r?\n", content.strip(), maxsplit=1)[0]
    if paragraph:
        yield Line(depth, f'"""{_cut(_joined(paragraph), _PARAGRAPH)}"""')


def _text(node: Node) -> str:
    return _cut(_joined(node.text or b""), _STATEMENT)


def _joined(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length].rstrip()} ..."
