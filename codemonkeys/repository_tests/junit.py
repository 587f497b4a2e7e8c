"""Reports in the XML form of JUnit, which many tools write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from codemonkeys.repository_tests.base import Report, Status, gravest

TEXT = 4000
"""Characters of the text of a failure, from its end."""


def parse_junit(documents: Iterable[str], root: str = "", ended: bool = True, printed: str = "") -> Report:
    """The tests of some documents, by class, suites and name. `root`: a folder that file names are told without.

    Raises ValueError for what is not XML, or declares entities.
    """
    outcomes: dict[str, Status] = {}
    texts: dict[str, str] = {}
    for document in documents:
        if "<!DOCTYPE" in document or "<!ENTITY" in document:
            raise ValueError("a report has no document type")
        try:
            tree = ElementTree.fromstring(document)
        except ElementTree.ParseError as error:
            raise ValueError(str(error)) from error
        for name, case in _cases(tree, (), root):
            status = Status.PASSED
            for tag, other in (("skipped", Status.SKIPPED), ("error", Status.ERROR), ("failure", Status.FAILED)):
                if (element := case.find(tag)) is not None:
                    status = other
                    if other is not Status.SKIPPED:
                        texts[name] = (element.text or element.get("message") or "")[-TEXT:]
            outcomes[name] = gravest(outcomes.get(name), status)
    return Report(outcomes, ended, texts, printed)


def _cases(
    element: ElementTree.Element, suites: tuple[str, ...], root: str
) -> Iterator[tuple[str, ElementTree.Element]]:
    for child in element:
        if child.tag == "testcase":
            file = (child.get("file") or "").removeprefix(f"{root}/")
            where = file or child.get("classname") or ""
            yield f"{where}::{' > '.join((*suites, child.get('name') or ''))}", child
        elif child.tag == "testsuite":
            # Surefire names a suite like its class; only nested ones, as of node, belong to a test's name.
            nested = element.tag == "testsuite" or child.get("hostname") is not None
            yield from _cases(child, (*suites, child.get("name") or "") if nested else suites, root)
