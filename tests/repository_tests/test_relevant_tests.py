"""Which tests matter: by what they import, what they are called and where they lie; examples and data do not count."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from codemonkeys.repository_tests.python_files import python_tests
from codemonkeys.repository_tests.relevant_tests import relevant_tests
from codemonkeys.tasks.snapshot import Snapshot

T = "def test_it():\n    pass\n"
FILES = {
    "src/shop/__init__.py": "from .cart import Cart\n",
    "src/shop/cart.py": "from shop import prices\n\n\nclass Cart: ...\n",
    "src/shop/prices.py": "",
    "src/shop/io/__init__.py": "",
    "src/shop/io/reader.py": "",
    "src/shop/io/writer.py": "",
    "tests/test_cart.py": "import pytest\n" + T,
    "tests/test_checkout.py": "from shop.cart import (\n    Cart,\n)\n" + T,
    "tests/test_unrelated.py": "import os\n" + T,
    "tests/io/test_reading.py": "from shop.io import reader as r\n" + T,
    "tests/io/test_other.py": "import shop.io.writer, os\n" + T,
    "tests/conftest.py": "import shop.cart\n",
    "tests/helpers_test.py": "from shop.cart import Cart\n",
    "docs/test_cart.py": "from shop.cart import Cart\n" + T,
    "examples/tests/test_cart.py": T,
    "tests/test_binary.py": b"\0\0",
}


@pytest.fixture
def shop(make_snapshot: Callable[..., Snapshot]) -> Snapshot:
    return make_snapshot(FILES)


def test_only_files_that_hold_tests_are_tests(shop: Snapshot) -> None:
    assert python_tests(shop) == [
        "tests/io/test_other.py",
        "tests/io/test_reading.py",
        "tests/test_cart.py",
        "tests/test_checkout.py",
        "tests/test_unrelated.py",
    ]


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        ({"src/shop/cart.py": 1}, ["tests/test_cart.py", "tests/test_checkout.py"]),
        ({"src/shop/io/reader.py": 1}, ["tests/io/test_reading.py", "tests/io/test_other.py"]),
        ({"src/shop/io/writer.py": 1}, ["tests/io/test_other.py", "tests/io/test_reading.py"]),
        ({"src/shop/prices.py": 1}, ["tests/test_checkout.py"]),
        ({"tests/test_unrelated.py": 1}, ["tests/test_unrelated.py"]),
        ({"README.md": 1, "new_script.py": 1}, []),
        ({}, []),
    ],
)
def test_imports_names_and_folders_decide(shop: Snapshot, touched: dict[str, int], expected: list[str]) -> None:
    assert relevant_tests(shop, touched, 5) == expected


def test_what_most_candidates_touch_weighs_most(shop: Snapshot) -> None:
    assert relevant_tests(shop, {"src/shop/cart.py": 1, "src/shop/io/reader.py": 9}, 1) == ["tests/io/test_reading.py"]
    assert relevant_tests(shop, {"src/shop/cart.py": 9, "src/shop/io/reader.py": 1}, 1) == ["tests/test_cart.py"]
    assert relevant_tests(shop, {"src/shop/cart.py": 1}, 0) == []


def test_relative_imports_reach_the_package_they_name(make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot(
        {
            "lib/__init__.py": "",
            "lib/units/__init__.py": "",
            "lib/units/system.py": "",
            "lib/units/tests/__init__.py": "",
            "lib/units/tests/test_a.py": "from ..system import x\n" + T,
            "lib/units/tests/test_b.py": "from . import nothing\n" + T,
            "lib/other/test_c.py": "from lib.units.system import x\n" + T,
        }
    )
    found = relevant_tests(snapshot, {"lib/units/system.py": 1}, 5)
    assert found[0] == "lib/units/tests/test_a.py"
    assert found.index("lib/other/test_c.py") < len(found)


def test_a_name_that_a_package_passes_on_reaches_the_file_that_defines_it(
    make_snapshot: Callable[..., Snapshot],
) -> None:
    files: dict[str, str | bytes] = {
        "pkg/__init__.py": "from .start import begin\nfrom .stop import end\n",
        "pkg/start.py": "from .options import read\n\n\ndef begin(): ...\n",
        "pkg/stop.py": "def end(): ...\n",
        "pkg/options.py": "def read(): ...\n",
        "tests/test_one.py": "from pkg import begin\n\n\n" + T,
        "tests/test_two.py": "from pkg import end\n\n\n" + T,
    }
    snapshot = make_snapshot(files)
    # Of these two, only the first comes to what is touched, by what imports it.
    assert relevant_tests(snapshot, {"pkg/options.py": 1}, 2) == ["tests/test_one.py"]
    assert relevant_tests(snapshot, {"pkg/options.py": 1}, 2, older=True) == [], "a run goes on as it began"
    assert relevant_tests(snapshot, {"pkg/start.py": 1}, 1) == ["tests/test_one.py"]
    assert relevant_tests(snapshot, {"pkg/__init__.py": 1}, 2) == ["tests/test_one.py", "tests/test_two.py"]
