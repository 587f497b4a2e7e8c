"""Context recall: which edited files a context lacks, and why."""

from __future__ import annotations

from typing import Any

from codemonkeys.grading.recall import edited_files, recall_of

PATCH = """diff --git a/pkg/a.py b/pkg/a.py
--- a/pkg/a.py
+++ b/pkg/a.py
@@ -1,2 +1,2 @@
--- a/not/a/header.py
+x = 1
 y = 2
diff --git a/pkg/new.py b/pkg/new.py
new file mode 100644
--- /dev/null
+++ b/pkg/new.py
@@ -0,0 +1 @@
+z = 3
diff --git a/README.md b/README.md
--- a/README.md
+++ b/README.md
@@ -1 +1 @@
-old
+new
"""


def patch_of(*paths: str) -> str:
    return "".join(f"diff --git a/{p} b/{p}\n--- a/{p}\n+++ b/{p}\n@@ -1 +1 @@\n-x = 1\n+x = 2\n" for p in paths)


def notes(**context: Any) -> list[dict[str, Any]]:
    files = {"read": 5, "relevant": 3, "maybe": [], "shortened": [], **context.pop("files", {})}
    return [
        {"stage": "relevance", "sample": 0, "kind": "files", "body": files},
        {"stage": "rank", "sample": 0, "kind": "context", "body": context},
    ]


CONTEXT: dict[str, Any] = {
    "rankings": [["a.py", "large.py"], ["a.py", "b.py", "large.py"]],
    "order": ["a.py", "b.py", "large.py", "low.py"],
    "chosen": ["a.py", "b.py"],
    "sizes": {"a.py": 20_000, "b.py": 10_000},
}


def test_only_source_files_of_before_the_patch_count() -> None:
    assert edited_files(PATCH) == ["pkg/a.py"]


def test_each_lost_file_says_where() -> None:
    patch = patch_of("a.py", "large.py", "low.py", "other.py", "tests/test_a.py")
    found = recall_of("task", notes(**CONTEXT), patch, with_tests=False)
    assert found is not None
    assert found.lost == {
        "large.py": "did not fit",
        "low.py": "ranked low",
        "other.py": "called irrelevant",
        "tests/test_a.py": "never read",
    }


def test_with_tests_read_a_test_was_called_irrelevant() -> None:
    found = recall_of("task", notes(**CONTEXT), patch_of("tests/test_a.py"), with_tests=True)
    assert found is not None and found.lost == {"tests/test_a.py": "called irrelevant"}


def test_lexical_mode_knows_what_it_read() -> None:
    found = recall_of("task", notes(**CONTEXT, files={"paths": ["a.py"]}), patch_of("other.py"), with_tests=False)
    assert found is not None and found.lost == {"other.py": "never read"}


def test_smaller_contexts_are_filled_in_the_same_order() -> None:
    both = recall_of("task", notes(**CONTEXT), patch_of("a.py", "b.py"), with_tests=False)
    one = recall_of("task", notes(**CONTEXT), patch_of("b.py"), with_tests=False)
    assert both is not None and one is not None
    assert both.by_limit == {16_000: False, 32_000: True, 64_000: True, 128_000: True}
    assert one.by_limit[16_000]  # a.py does not fit and is skipped
    assert not both.lost


def test_runs_of_older_versions_have_no_sizes() -> None:
    older = {name: value for name, value in CONTEXT.items() if name != "sizes"}
    found = recall_of("task", notes(**older), patch_of("a.py"), with_tests=False)
    assert found is not None and found.by_limit == {} and not found.lost


def test_without_a_context_or_an_edited_source_file_there_is_nothing_to_tell() -> None:
    assert recall_of("task", [], patch_of("a.py"), with_tests=False) is None
    assert recall_of("task", notes(**CONTEXT), patch_of("README.md"), with_tests=False) is None
