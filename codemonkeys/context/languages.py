"""Classifies files by language, and as source code or tests; grammars are loaded on first use."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter

LANGUAGES = {
    "python": (".py", ".pyi", ".pyx", ".pxd"),
    "javascript": (".js", ".jsx", ".mjs", ".cjs"),
    "typescript": (".ts", ".mts", ".cts"),
    "tsx": (".tsx",),
    "go": (".go",),
    "rust": (".rs",),
    "java": (".java",),
    "c": (".c", ".h"),
    "cpp": (".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".ipp", ".inl"),
    "c_sharp": (".cs",),
    "ruby": (".rb", ".rake", ".gemspec"),
    "php": (".php",),
    "kotlin": (".kt", ".kts"),
    "scala": (".scala",),
    "swift": (".swift",),
    "objective_c": (".m", ".mm"),
    "shell": (".sh", ".bash", ".zsh"),
    "perl": (".pl", ".pm"),
    "lua": (".lua",),
    "r": (".r",),
    "julia": (".jl",),
    "dart": (".dart",),
    "elixir": (".ex", ".exs"),
    "erlang": (".erl", ".hrl"),
    "haskell": (".hs",),
    "ocaml": (".ml", ".mli"),
    "clojure": (".clj", ".cljs", ".cljc"),
    "groovy": (".groovy",),
    "zig": (".zig",),
    "nim": (".nim",),
    "vue": (".vue",),
    "svelte": (".svelte",),
    "fortran": (".f", ".f90", ".f95"),
    "cuda": (".cu", ".cuh"),
    "sql": (".sql",),
}
"""File suffixes by language, in lower case."""

# By language: the grammar's module, and the function in it that returns the grammar.
_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "c_sharp": ("tree_sitter_c_sharp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
}

TEST_FOLDERS = frozenset(("tests", "__tests__", "specs"))
"""Folder names, at any depth, whose files are tests."""

TOP_TEST_FOLDERS = ("test", "testing", "spec", "src/test")
"""Test folders only at the root: deeper ones are often shipped code, such as `django/test` or `sympy/testing`."""

TEST_NAMES = (
    "test_*.py",
    "*_test.py",
    "conftest.py",
    "*_test.go",
    "*.test.[cmjt]*",
    "*.spec.[cmjt]*",
    "*_spec.rb",
    "*_test.rb",
)
"""Name patterns of tests, in any folder."""

EXAMPLES = re.compile(r"(?:^|/)(?:docs?|examples?|example_scripts|demos?|tutorials?)/")
"""Folders of what shows how a repository is used, and is no part of it."""

PROSE = (".md", ".rst", ".adoc")
PROSE_NAMES = ("changes", "changelog", "history", "news", "readme", "authors", "contributors")
PROSE_FOLDERS = frozenset(("changelog", "newsfragments", "whatsnew"))

_TEST_NAME = re.compile("|".join(map(translate, TEST_NAMES)))
_TOP_TEST_PATHS = tuple(f"{folder}/" for folder in TOP_TEST_FOLDERS)
_SUFFIXES = {suffix: language for language, suffixes in LANGUAGES.items() for suffix in suffixes}


def suffix_of(path: str) -> str:
    """The suffix of a path with its dot, in lower case; empty if there is none."""
    name = path.rsplit("/", 1)[-1]
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def language_of(path: str) -> str | None:
    """The language of a file by its suffix; None if it is not in a known language."""
    return _SUFFIXES.get(suffix_of(path))


def is_source(path: str) -> bool:
    """Whether a path is source code in a known language, with or without a grammar."""
    return language_of(path) is not None


def is_test(path: str) -> bool:
    """Whether a path is a test by TEST_FOLDERS, TOP_TEST_FOLDERS or TEST_NAMES, ignoring case."""
    folder, _, name = path.lower().rpartition("/")
    return (
        not TEST_FOLDERS.isdisjoint(folder.split("/"))
        or f"{folder}/".startswith(_TOP_TEST_PATHS)
        or _TEST_NAME.match(name) is not None
    )


def is_example(path: str) -> bool:
    """Whether a path lies among documentation or examples."""
    return bool(EXAMPLES.search(path))


def is_prose(path: str) -> bool:
    """Whether a path is text that only people read, such as a changelog; not what tests may read."""
    if is_source(path) or is_test(path):
        return False
    *folders, name = path.lower().split("/")
    in_docs = folders[:1] in (["doc"], ["docs"]) and suffix_of(path) == ".txt"
    news = name.split(".")[0] in PROSE_NAMES or not PROSE_FOLDERS.isdisjoint(folders)
    return suffix_of(path) in PROSE or in_docs or news


@cache
def grammar(language: str) -> tree_sitter.Language | None:
    """The tree-sitter grammar of a language; None if not available."""
    if language not in _GRAMMARS:
        return None
    from tree_sitter import Language

    module, function = _GRAMMARS[language]
    return Language(getattr(import_module(module), function)())


def parse(path: str, source: bytes) -> tree_sitter.Tree | None:
    """The syntax tree of a file; None without a grammar for its language."""
    language = grammar(language_of(path) or "")
    if language is None:
        return None
    from tree_sitter import Parser

    return Parser(language).parse(source)  # a new one per call: parsers are cheap, and not thread-safe
