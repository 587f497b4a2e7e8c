"""Reports of runners: read as the tools write them, whatever else stands there, and never with an error."""

from __future__ import annotations

import base64
import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.repository_tests.base import Report, Status
from codemonkeys.repository_tests.runners import RUNNERS

RECORDED = Path(__file__).parents[1] / "data" / "test_runners"
"""What the real tools wrote on small repositories, with the folder of the repository as /testbed."""
PASSED, FAILED, SKIPPED, ERROR = Status.PASSED, Status.FAILED, Status.SKIPPED, Status.ERROR
PYTHON = ("django", "sympy", "pytest", "unittest")
texts = st.text(max_size=200)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def framed(*reports: str, exit_code: int = 1, printed: str = "") -> str:
    """What a shell program prints about such reports."""

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode("utf-8", "replace")).decode()

    lines = [f"codemonkeys-exit {exit_code}", "codemonkeys-root /testbed", f"codemonkeys-printed {encoded(printed)}"]
    return "\n".join(["", *lines, *(f"codemonkeys-report {encoded(report)}" for report in reports)]) + "\n"


@given(output=texts, report=texts, value=values)
def test_no_output_is_an_error_or_counts_against_a_patch(output: str, report: str, value: object) -> None:
    """What cannot be understood is no evidence, to no runner: neither broken tests nor passing ones."""
    keys = ("tests", "texts", "timed_out", "said", "testResults", "passes", "pending", "failures")
    shapes = [json.dumps(value), json.dumps(dict.fromkeys(keys, value)), *(json.dumps({key: value}) for key in keys)]
    said = [output, framed(report), *shapes, *map(framed, shapes), framed(), output + framed(report, report)]
    for name, told in product(RUNNERS.built_in, said):
        found = RUNNERS.get(name).parse(told)
        assert found.why or all(isinstance(status, Status) for status in found.outcomes.values()), name
        if found.why:
            assert found.broken(["a"]) is None and not found.outcomes, name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "node",
            {
                "adds": PASSED,
                "fails": FAILED,
                "skipped": SKIPPED,
                "group > inner": PASSED,
                "group > inner fails": FAILED,
            },
        ),
        (
            "cargo",
            {
                "src/lib.rs::tests::adds": PASSED,
                "src/lib.rs::tests::fails": FAILED,
                "src/lib.rs::tests::ignored": SKIPPED,
                "src/lib.rs::tests::panics": PASSED,
                "tests/more.rs::more": PASSED,
                "Doc-tests adder::src/lib.rs - add (line 2)": PASSED,
            },
        ),
    ],
)
def test_reports_of_real_tools_are_read(name: str, expected: dict[str, Status]) -> None:
    (recorded,) = RECORDED.glob(f"{name}.*")
    where = {"node": "test::"}
    report = RUNNERS.get(name).parse(framed(recorded.read_text()))
    assert report.outcomes == {where.get(name, "") + test: status for test, status in expected.items()}
    assert [test for test, text in report.texts.items() if text] == [
        test for test, status in report.outcomes.items() if status is FAILED
    ]
    assert report.ended and not RUNNERS.get(name).parse(framed(recorded.read_text(), exit_code=124)).ended


def go(*events: tuple[str, str | None, str]) -> str:
    """Events as `go test -json` writes them."""
    return "".join(
        json.dumps({"Action": action, "Package": "example.com/a", "Output": text, **({"Test": test} if test else {})})
        + "\n"
        for action, test, text in events
    )


def test_events_of_go_are_read() -> None:
    """By the documented form (`go doc test2json`); no go was at hand."""
    events = go(
        ("run", "TestA", ""),
        ("output", "TestA", "--- FAIL: TestB\n"),
        ("pass", "TestA", ""),
        ("output", "TestB/sub", "    a_test.go:7: 3 != 4\n"),
        ("fail", "TestB/sub", ""),
        ("skip", "TestC", ""),
        ("fail", None, ""),
    )
    report = RUNNERS.get("go").parse(framed("# a compiler's word\n" + events + '{"Action": "pa'))
    a, b, c = "example.com/a::TestA", "example.com/a::TestB/sub", "example.com/a::TestC"
    assert report.outcomes == {a: PASSED, b: FAILED, c: SKIPPED}
    assert "3 != 4" in report.texts[b] and a not in report.texts
    assert report.broken([a, b, "gone"]) == (b, "gone")


CARGO = """\
     Running unittests src/lib.rs (target/debug/deps/adder-1)

running 2 tests
test one ... {one}
test two ... ok

{more}
test result: {result}
"""


@pytest.mark.parametrize(
    ("one", "more", "result", "kept"),
    [
        ("ok", "", "ok. 2 passed; 0 failed; 0 ignored; 0 measured", True),
        ("ok\ntest one ... ok", "", "ok. 2 passed; 0 failed; 0 ignored; 0 measured", False),
        ("FAILED\ntest one ... ok", "", "FAILED. 1 passed; 1 failed; 0 ignored; 0 measured", False),
        ("ok", "", "FAILED. 1 passed; 1 failed; 0 ignored; 0 measured", False),
        (
            "FAILED",
            "failures:\n\n---- one stdout ----\ntest one ... ok\nrunning 2 tests of mine",
            "FAILED. 1 passed; 1 failed; 0 ignored; 0 measured",
            True,
        ),
    ],
)
def test_lines_that_tests_print_are_not_taken_for_results_of_cargo(
    one: str, more: str, result: str, kept: bool
) -> None:
    report = RUNNERS.get("cargo").parse(framed(CARGO.format(one=one, more=more, result=result)))
    assert report.outcomes == (
        {"src/lib.rs::one": FAILED if "F" in one else PASSED, "src/lib.rs::two": PASSED} if kept else {}
    )


@pytest.mark.parametrize(
    ("name", "printed"),
    [("cargo", "error: could not compile `adder` (lib) due to 1 previous error"), ("maven", "COMPILATION ERROR : \n")],
)
def test_code_that_does_not_compile_passes_no_test(name: str, printed: str) -> None:
    report = RUNNERS.get(name).parse(framed(*([printed] if name == "cargo" else []), printed=printed))
    assert report.broken(["a"]) == ("a",) and printed in report.text_of("a")


def test_reports_that_declare_entities_are_no_evidence() -> None:
    assert RUNNERS.get("maven").parse(framed('<!DOCTYPE a [<!ENTITY b "c">]><testsuite/>')).why


def test_a_name_told_twice_has_the_graver_outcome() -> None:
    passes, fails = (
        '<testcase classname="A" name="a"/>',
        '<testcase classname="A" name="a"><failure>no</failure></testcase>',
    )
    for order in (passes + fails, fails + passes):
        report = RUNNERS.get("maven").parse(framed(f"<testsuite>{order}</testsuite>"))
        assert report.outcomes == {"A::a": FAILED} and report.texts == {"A::a": "no"}


JEST = {
    "testResults": [
        {
            "name": "/testbed/test/add.test.js",
            "message": "",
            "assertionResults": [
                {"fullName": "adds two", "status": "passed", "failureMessages": []},
                {"fullName": "adds fails", "status": "failed", "failureMessages": ["Error: 3 == 4"]},
                {"fullName": "adds later", "status": "pending", "failureMessages": []},
            ],
        },
        {"name": "/testbed/test/bad.test.js", "message": "cannot be parsed", "assertionResults": []},
    ]
}
MOCHA = {
    "passes": [{"fullTitle": "adds two", "file": "/testbed/test/add.test.js"}],
    "failures": [
        {"fullTitle": "adds fails", "file": "/testbed/test/add.test.js", "err": {"stack": "Error: 3 == 4"}},
    ],
    "pending": [{"fullTitle": "adds later", "file": "/testbed/test/add.test.js"}],
}


@pytest.mark.parametrize(("name", "document"), [("jest", JEST), ("vitest", JEST), ("mocha", MOCHA)])
def test_json_of_javascript_tools_is_read(name: str, document: object) -> None:
    """By their documented form."""
    report = RUNNERS.get(name).parse(framed(json.dumps(document)))
    path = "test/add.test.js::"
    assert report.outcomes == {f"{path}adds two": PASSED, f"{path}adds fails": FAILED, f"{path}adds later": SKIPPED}
    assert report.texts[f"{path}adds fails"] == "Error: 3 == 4"
    assert name == "mocha" or report.text_of("test/bad.test.js::any") == "cannot be parsed"


@pytest.mark.parametrize(
    ("report", "broken"),
    [
        (Report({"a": PASSED, "b": ERROR}), ("b", "c")),
        (Report({"a": FAILED}, ended=False), ("a",)),
        (Report({"a": FAILED}, why="the sandbox failed"), None),
    ],
)
def test_what_was_not_reached_in_time_is_not_broken(report: Report, broken: tuple[str, ...] | None) -> None:
    assert report.broken(["a", "b", "c"]) == broken
