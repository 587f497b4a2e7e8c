"""Patches that touch what decides how tests run are marked, however they say it."""

from __future__ import annotations

import pytest

from codemonkeys.generation.flags import suspicious
from tests.tiny_task import GOLD


def patch_of(path: str) -> str:
    return f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("tests/test_fields.py", "hidden test"),
        ("tests/helpers.py", "test"),
        ("src/pkg/testing/util.py", "test"),
        ("pkg/test_new.py", "test"),
        ("pkg/new_test.py", "test"),
        ("conftest.py", "conftest"),
        ("tests/conftest.py", "conftest"),
        ("pytest.ini", "test settings"),
        ("sub/pyproject.toml", "test settings"),
        ("tox.ini", "test settings"),
        ("setup.cfg", "test settings"),
        ("sitecustomize.py", "site settings"),
        ("src/usercustomize.py", "site settings"),
        ("a b/evil.pth", "site settings"),
        ("json.py", "shadowed module"),
        ("pytest/__init__.py", "shadowed module"),
        ("src/attestation.py", ""),
        ("pkg/json.py", ""),
        ("docs/contest.py", ""),
        ("latest.py", ""),
    ],
)
def test_kinds(path: str, kind: str) -> None:
    assert suspicious(patch_of(path), patch_of("tests/test_fields.py")) == ((f"{kind}: {path}",) if kind else ())


@pytest.mark.parametrize(
    "patch",
    [
        "diff --git a/x.py b/conftest.py\nsimilarity index 100%\nrename from x.py\nrename to conftest.py\n",
        "diff --git a/x.py b/conftest.py\nsimilarity index 100%\ncopy from x.py\ncopy to conftest.py\n",
        'diff --git "a/conf\\164est.py" "b/conf\\164est.py"\nold mode 100644\nnew mode 100755\n',
        "--- conftest.py.orig\t2020-01-01\n+++ b/conftest.py\t2020-01-01\n@@ -1 +1 @@\n-a\n+b\n",
        # Forms that only patch(1) reads, behind a part that git refuses.
        GOLD + "Index: b/conftest.py\n*** a/conftest.py\n--- b/conftest.py\n***************\n",
        GOLD.replace("\n", "\r\n") + patch_of("conftest.py"),
    ],
)
def test_no_form_of_a_patch_hides_it(patch: str) -> None:
    assert "conftest: conftest.py" in suspicious(patch)


def test_changed_lines_are_no_headers() -> None:
    text = "diff --git a/a.md b/a.md\n--- a/a.md\n+++ b/a.md\n@@ -1,2 +1,2 @@\n--- a/conftest.py\n-x\n"
    text += "+++ b/conftest.py\n+y\n"
    assert suspicious(text) == () and suspicious(GOLD) == () and suspicious("") == ()
