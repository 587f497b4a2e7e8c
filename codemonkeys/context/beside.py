"""Files beside source that a fix may have to change: which relevance reads, and which files stay out and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from codemonkeys.context.languages import is_example, is_source, is_test, language_of, suffix_of

DOCS = "docs"
"""Among patterns: documentation that a test names."""
_TEMPLATES = ("*.html", "*.jinja", "*.jinja2", "*.j2", "*.mako")
_WEB = ("*.html", "*.css", "*.scss", "*.less", "*.json", "*.yaml", "*.yml", "*.graphql")
_CODE = ("*.proto", "*.html", "*.toml", "*.yaml", "*.yml", "*.json")
_SCRIPT = (*_WEB, "*.hbs", "*.ejs", "*.pug", "*.mustache", "*.tmpl", DOCS)
_BUILD = ("CMakeLists.txt", "*.cmake", "Makefile", "*.mk", "*.am", "*.ac", "meson.build", "*.in", "*.def", "*.y", "*.l")
_C = (*_BUILD, "*.proto", "*.json", DOCS)
_CPP = (*_BUILD, "*.proto", "*.json", "*.fbs", DOCS)
_JVM = (*_CODE, "*.xml", "*.properties", "*.gradle", "*.ftl", "*.vm", "*.jsp", "*.g4", DOCS)
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "": _TEMPLATES,
    "python": _TEMPLATES,
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "go": (*_CODE, "*.tmpl", "*.gotmpl", "*.tpl", "*.tf", "*.hcl", "*.css", "go.mod", DOCS),
    "rust": (*_CODE, "*.css", "*.tera", "*.pest", "*.lalrpop", DOCS),
    "java": _JVM,
    "kotlin": _JVM,
    "scala": (*_JVM, "*.sbt", "*.conf"),
    "c": _C,
    "cpp": _CPP,
    "c++": _CPP,
    "ruby": (*_WEB, "*.erb", "*.haml", "*.slim", "*.ru", "Rakefile", "Gemfile", DOCS),
    "php": (*_WEB, "*.twig", "*.phtml", "*.latte", "*.tpl", "*.xml", "*.neon", "*.stub", DOCS),
}
"""Patterns by the language of a task."""
OTHERS = (*_WEB, *_CODE, "*.xml", "*.tf", DOCS)
"""Those of any other language."""

LARGEST = 100_000
"""Bytes; more of a file that is no program is data."""
_BEGINNING = 1_000
"""Characters at the beginning of a file in which generators say that they made it."""
_LONG_LINE = 500
"""Characters of a line, on average, that nobody wrote."""
_LOCKS = (
    *("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.y*ml", "bun.lock*", "deno.lock"),
    *("cargo.lock", "go.sum", "composer.lock", "gemfile.lock", "poetry.lock", "pdm.lock", "uv.lock", "pipfile.lock"),
    *("gradle.lockfile", "packages.lock.json", "podfile.lock", "mix.lock", "pubspec.lock", "flake.lock"),
)
_MINIFIED = ("*.min.js", "*.min.mjs", "*.min.css", "*.map", "*.bundle.js")
_GENERATED = ("*.pb.go", "*.pb.cc", "*.pb.h", "*.g.dart", "*_generated.*", "*.generated.*")
_VENDORED = frozenset(("vendor", "vendored", "third_party", "third-party", "node_modules", "bower_components"))
_SAYS_GENERATED = re.compile(r"@generated\b|Code generated .*DO NOT EDIT|(?i:\b(?:auto-?|automatically )generated\b)")
_NOT_THE_PRODUCT = frozenset(
    """test tests testing testdata test-data test_data fixtures __fixtures__ __snapshots__ snapshots __mocks__ mocks
    spec specs e2e cassettes benches benchmarks locale locales i18n translations""".split()
)
_DOCUMENTATION = (".md", ".mdx", ".rst", ".adoc", ".txt")
_UPWARDS = re.compile(r"^(?:\.+/)+")
_NAMED_DOCUMENT = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:mdx?|rst|adoc|txt)\b")


def patterns_of(language: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """The patterns that a setting gives, else those of a task's language."""
    return tuple(DEFAULTS.get(language.lower(), OTHERS) if given is None else given)


def is_beside(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path that is no source matches a pattern: its name, or all of it if the pattern has a slash.

    Tests and their data, examples, translations, and what is hidden or in hidden folders do not count.
    """
    *folders, name = parts = path.split("/")
    if is_source(path) or is_test(path) or is_example(path) or any(part.startswith(".") for part in parts):
        return False
    if not _NOT_THE_PRODUCT.isdisjoint(folder.lower() for folder in folders):
        return False
    return any(fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns if pattern != DOCS)


def out_by_path(path: str, size: int) -> str:
    """Why a file is not read, by its path and its size in bytes; empty if it may be."""
    *folders, name = path.lower().split("/")
    for why, names in (("lock file", _LOCKS), ("minified", _MINIFIED), ("generated", _GENERATED)):
        if any(fnmatchcase(name, pattern) for pattern in names):
            return why
    if not _VENDORED.isdisjoint(folders):
        return "vendored"
    return "big data" if size > LARGEST and (not is_source(path) or suffix_of(path) == ".sql") else ""


def out_by_text(path: str, text: str) -> str:
    """Why a file is not read, by what is in it; empty if it may be."""
    if _SAYS_GENERATED.search(text, 0, _BEGINNING):
        return "generated"
    is_code = is_source(path) or suffix_of(path) in (".css", ".json", ".html")
    if is_code and len(text) > 4 * _LONG_LINE and len(text) > _LONG_LINE * (text.count("\n") + 1):
        return "minified"
    return ""


def may_stay_out(path: str) -> bool:
    """Whether a source file may stay out: Python is always read."""
    return language_of(path) != "python"


def is_document(path: str) -> bool:
    """Whether a path is documentation that a test might read, wherever it lies."""
    hidden = any(part.startswith(".") for part in path.split("/"))
    return suffix_of(path) in _DOCUMENTATION and not hidden and not is_test(path)


def documents_named(text: str) -> set[str]:
    """Paths, or ends of paths, of documentation that the text of a test names, with at least one folder."""
    found = (_UPWARDS.sub("", name) for name in _NAMED_DOCUMENT.findall(text))
    return {name for name in found if "/" in name}


def ends_of(path: str) -> list[str]:
    """A path and its ends, down to the last folder."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(max(1, len(parts) - 1))]
