"""What a process imports with a journal: little for a command, and as ever in a host program."""

import subprocess
import sys
from pathlib import Path

import pytest

from codemonkeys.journal.run_files import connect_to_write

PROGRAM = """
import sys
from pathlib import Path
from codemonkeys import wording
from codemonkeys.journal.run_files import connect_to_write

wording.COMMAND_LINE = {command_line}
connect_to_write(Path(sys.argv[1])).close()
print(*sorted({{"numpy", "pandas"}} & set(sys.modules)))
import pandas
from sqlite_utils import db
print(db.pd is pandas)
"""


def test_a_journal_of_this_version_is_opened_without_what_migrates_it(tmp_path: Path) -> None:
    connect_to_write(tmp_path / "run.db").close()
    program = (
        "import sys\nfrom pathlib import Path\nfrom codemonkeys.journal.run_files import connect_to_write\n"
        "connect_to_write(Path(sys.argv[1])).close()\nprint('sqlite_utils' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, f"{tmp_path}/run.db"], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["False"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("command_line", "told"), [(True, ["", "False"]), (False, ["numpy pandas", "True"])])
def test_a_command_opens_a_journal_without_pandas(tmp_path: Path, command_line: bool, told: list[str]) -> None:
    program = PROGRAM.format(command_line=command_line)
    done = subprocess.run([sys.executable, "-c", program, f"{tmp_path}/run.db"], capture_output=True, text=True)
    assert done.stdout.splitlines() == told, done.stderr
