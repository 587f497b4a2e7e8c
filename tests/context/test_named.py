"""What an issue names is found: paths, modules, frames, definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.context.lexical import LexicalIndex
from codemonkeys.context.named import MOST, lookup, named_files

FILES = {
    "src/pkg/__init__.py": "",
    "src/pkg/fields.py": "class DateTimeField:\n    def _bind_to_schema(self): pass\n",
    "src/pkg/sub/fields.py": "x = 1\n",
    "src/pkg/sub/utils.py": "def load_all_things(): pass\n",
    "web/app.ts": "export function renderTheApp() {}\n",
    "tests/test_fields.py": "from pkg.fields import DateTimeField\n",
}

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3/site-packages/pkg/sub/utils.py", line 3, in load
  File "C:\\\\py\\\\lib\\\\site-packages\\\\django\\\\core.py", line 3, in load
"""


@pytest.mark.parametrize(
    ("issue", "named"),
    [
        ("It is in src/pkg/fields.py.", ["src/pkg/fields.py"]),
        ("See ./pkg/sub/fields.py:12", ["src/pkg/sub/fields.py"]),
        ("fields.py is wrong", []),  # there are two
        ("utils.py is wrong", ["src/pkg/sub/utils.py"]),
        ("Call pkg.sub.utils.nothing()", ["src/pkg/sub/utils.py"]),
        (TRACEBACK, ["src/pkg/sub/utils.py"]),
        ("`DateTimeField` fails", ["src/pkg/fields.py"]),
        ("`_bind_to_schema` fails", ["src/pkg/fields.py"]),
        ("renderTheApp fails", ["web/app.ts"]),
        ("The field of a date fails", []),
        ("", []),
    ],
)
def test_what_an_issue_names(issue: str, named: list[str]) -> None:
    with LexicalIndex(FILES.items()) as index:
        assert named_files(issue, index.paths, index) == named


def test_a_name_that_many_files_define_names_none() -> None:
    files = {f"m{n}.py": "def set_up_all(): pass\n" for n in range(4)}
    with LexicalIndex(files.items()) as index:
        assert named_files("set_up_all fails", index.paths, index) == []


def test_a_long_traceback_names_a_few() -> None:
    files = {f"pkg/m{n}.py": "" for n in range(40)}
    with LexicalIndex(files.items()) as index:
        assert len(named_files("\n".join(files), index.paths, index)) == MOST


paths = st.lists(st.sampled_from(["a", "b", "lib", "src"]), max_size=3).map(lambda parts: "/".join([*parts, "m.py"]))


@given(st.lists(paths, unique=True), paths)
def test_a_file_is_looked_up_by_its_own_path(repository: list[str], path: str) -> None:
    found = lookup(path, {*repository, path})
    others = [other for other in repository if other != path and other.endswith(f"/{path}")]
    assert found == [path] or others


@given(st.text(), st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_any_text_can_be_looked_for(issue: str, files: dict[str, str]) -> None:
    with LexicalIndex(files.items()) as index:
        assert set(named_files(issue, index.paths, index)) <= files.keys()
        assert set(index.rank(issue)) <= files.keys()
