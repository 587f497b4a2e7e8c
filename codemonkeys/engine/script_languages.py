"""Test scripts in the language of the repository: how each is written, placed, built and run, and how that is tried."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codemonkeys.engine.scripts import ISSUE_PRESENT, ScriptKind

_AT_ROOT = "It lies in that folder while it runs, so that what it imports or reads is found relative to it. "
_NO_CRASH = "Catch what the code may throw where that tells something: a script that crashes could not tell. "
_FLAGS = (
    "A first line `// flags: ARGUMENTS` adds arguments for the compiler, such as source files to link or `-lm`. "
    "It does not see what the repository's own build generates. "
)


class Launcher(NamedTuple):
    """A way to run test scripts of a language, and a script by which an environment shows that it works there."""

    kind: ScriptKind
    trial: str
    """A script that ends with `ISSUE_PRESENT`."""


def _placed(name: str, command: str) -> str:
    """Shell commands that run a script, given as `$1`, as a file of the repository."""
    folder, _, _ = name.rpartition("/")
    made = f"mkdir -p {folder} && " if folder else ""
    return f'{made}rm -rf ./{name} && cp -- "$1" ./{name} && exec {command}'


def _launch(text: str) -> tuple[str, ...]:
    return ("bash", "-c", text, "bash")


def _interpreted(language: str, name: str, command: str, trial: str, *, path: str = "", note: str = "") -> Launcher:
    """A program of the environment that runs the script itself. `path`: a folder to look for it first."""
    search = f'PATH="$PWD/{path}:$PATH"; ' if path else ""
    launch = _launch(search + _placed(name, f"{command} ./{name}"))
    return Launcher(ScriptKind(language, name, tuple(command.split()), launch, note=_AT_ROOT + note), trial)


def _compiled(language: str, name: str, compilers: str, trial: str) -> Launcher:
    """The first of some compilers that is there. The script stays where it is: `-I.` finds the repository's files."""
    launch = f"""\
for compiler in {compilers}; do command -v "$compiler" >/dev/null && break; done
IFS= read -r first < "$1"
case $first in "// flags: "*) flags=${{first#// flags: }} ;; *) flags= ;; esac
folder=$(mktemp -d) && "$compiler" -w -I. -Iinclude -Isrc -o "$folder/issue_test" "$1" $flags || exit 1
exec "$folder/issue_test"
"""
    first = compilers.split()[0]
    told = f"{first} -I. -Iinclude -Isrc -o issue_test {name} && ./issue_test"
    note = f"It may include source files of the repository. {_FLAGS}{_NO_CRASH}"
    return Launcher(ScriptKind(language, name, (first,), _launch(launch), told, note), trial)


_GO = """\
export GOTRACEBACK=crash GOFLAGS="${GOFLAGS:-} -buildvcs=false"
folder=$(mktemp -d) && rm -rf ./issue_check.go && cp -- "$1" ./issue_check.go || exit 1
go build -o "$folder/issue_check" ./issue_check.go || exit 1
exec "$folder/issue_check"
"""
_JAVA = """\
folder=$(mktemp -d) || exit 1
sources=$(find . -type d -path '*/src/main/java' -not -path '*/target/*' | paste -sd:)
resources=$(find . -type d -path '*/src/main/resources' -not -path '*/target/*' | paste -sd:)
built=$(find . -type d \\( -path '*/target/classes' -o -path '*/build/classes/java/main' \\) | paste -sd:)
jars=$(find ./lib ./libs "$HOME/.m2" "$HOME/.gradle" /root/.m2 /root/.gradle -name '*.jar' 2>/dev/null |
    sort -u | head -n 800 | paste -sd:)
seen="$folder:$resources:$built:$jars"
javac -nowarn -implicit:class -Xprefer:source -sourcepath "${sources:-src:.}" -cp "$seen" -d "$folder" "$1" || exit 1
exec java -cp "$seen" IssueTest
"""
_RUST = _placed("examples/issue_test.rs", "cargo run -q --offline --example issue_test")
_NODE_TRIAL, _TS_TRIAL = (
    "process.exit(2)\n",
    'import { existsSync } from "fs"\nconst code: number = existsSync(".") ? 2 : 1\nprocess.exit(code)\n',
)
_C_TRIAL = "int main(void) { return 2; }\n"
_RUBY_TRIAL, _PHP_TRIAL = "exit 2\n", "<?php\nexit(2);\n"

_JAVASCRIPT = (
    _interpreted(
        *("JavaScript", "issue_test.js", "node", _NODE_TRIAL),
        note="Whether it is a module is decided as for other files there, by `type` in package.json. ",
    ),
    _interpreted("JavaScript", "issue_test.js", "bun", _NODE_TRIAL),
)
_TYPESCRIPT = tuple(
    _interpreted("TypeScript", "issue_test.ts", command, _TS_TRIAL, path="node_modules/.bin")
    for command in ("tsx", "ts-node --transpile-only", "bun", "node")
)
_RUBY = tuple(
    _interpreted("Ruby", "issue_test.rb", command, _RUBY_TRIAL)
    for command in ("bundle exec ruby -I. -Ilib", "ruby -I. -Ilib")
)
_C = (_compiled("C", "issue_test.c", "cc gcc clang tcc", _C_TRIAL),)
_CPP = (_compiled("C++", "issue_test.cpp", "c++ g++ clang++", _C_TRIAL),)

LAUNCHERS: Mapping[str, Sequence[Launcher]] = {
    "javascript": _JAVASCRIPT,
    "typescript": (*_TYPESCRIPT, *_JAVASCRIPT),
    "go": (
        Launcher(
            ScriptKind(
                *("Go", "issue_check.go", ("go", "run"), _launch(_GO)),
                note=f"{_AT_ROOT}It is a `package main` of one file, in the repository's module. {_NO_CRASH}",
            ),
            'package main\n\nimport "os"\n\nfunc main() { os.Exit(2) }\n',
        ),
    ),
    "rust": (
        Launcher(
            ScriptKind(
                *("Rust", "issue_test.rs", ("cargo",), _launch(_RUST)),
                "cargo run --offline --example issue_test",
                "It lies in the folder `examples` of the package while it runs: it sees the package's library and "
                f"dependencies, those for development too. {_NO_CRASH}",
            ),
            "fn main() { std::process::exit(2) }\n",
        ),
    ),
    "java": (
        Launcher(
            ScriptKind(
                *("Java", "IssueTest.java", ("javac",), _launch(_JAVA)),
                "javac -sourcepath SOURCES IssueTest.java && java IssueTest",
                "It holds the class `IssueTest`, in no package. It is compiled together with what it uses from each "
                "`src/main/java`; libraries are found in the caches of Maven and Gradle. ",
            ),
            "class IssueTest { public static void main(String[] none) { System.exit(2); } }\n",
        ),
    ),
    "c": _C,
    "cpp": _CPP,
    "c++": _CPP,
    "ruby": _RUBY,
    "php": (_interpreted("PHP", "issue_test.php", "php", _PHP_TRIAL),),
}
"""Ways to run test scripts by the language of a task, the preferred one first."""


def launchers_of(language: str) -> Sequence[Launcher]:
    """The ways to run test scripts in a task's language; none where they are written in Python or Bash anyway."""
    return LAUNCHERS.get(language.lower(), ())


def trial_script(launchers: Sequence[Launcher], seconds: float) -> str:
    """A Bash script that tries each launcher in turn and prints `runs NUMBER` of the first one that works.

    `seconds`: for all of them together.
    """
    each = max(1, int(seconds / max(1, len(launchers))))
    lines = ["folder=$(mktemp -d) || exit 1"]
    for number, (kind, trial) in enumerate(launchers):
        launch = " ".join(map(shlex.quote, kind.launch))
        lines += [
            f'printf %s {shlex.quote(trial)} > "$folder/{kind.name}"',
            f'timeout {each} {launch} "$folder/{kind.name}" </dev/null',
            f'if [ $? = {ISSUE_PRESENT} ]; then echo "runs {number}"; exit 0; fi',
        ]
    return "\n".join((*lines, "exit 0\n"))


def working(launchers: Sequence[Launcher], output: str) -> ScriptKind | None:
    """The kind of script that a trial has found to run, by what it printed; None if there is none."""
    *_, last = output.splitlines() or [""]
    word, _, number = last.partition(" ")
    found = word == "runs" and number.isascii() and number.isdecimal() and int(number) < len(launchers)
    return launchers[int(number)].kind if found else None
