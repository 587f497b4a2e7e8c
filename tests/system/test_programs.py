"""Programs in sessions of their own: they outlive an interrupt, and not those who asked for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from codemonkeys.system import programs
from codemonkeys.system.programs import Programs

SLEEP = ("sh", "-c", "echo $$ > started; sleep 1000")


def run_sleep(folder: Path, seconds: float = 100) -> tuple[int, str]:
    return programs.run(SLEEP, os.environ, folder, seconds)


def test_output_and_errors_are_one_text_and_bytes_are_decoded(tmp_path: Path) -> None:
    command = ("sh", "-c", r"printf 'one\n'; printf '\377' >&2; exit 3")
    assert programs.run(command, os.environ, tmp_path, 100) == (3, "one\n�")


def test_a_program_has_a_session_of_its_own(tmp_path: Path) -> None:
    code, shown = programs.run(
        [sys.executable, "-S", "-c", "import os; print(os.getsid(0))"], os.environ, tmp_path, 100
    )
    assert code == 0 and int(shown) != os.getsid(0)


def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_sleep(tmp_path, 0.5)


def test_programs_of_a_session_are_killed_and_those_of_others_are_not(tmp_path: Path) -> None:
    ours, others = Programs(), Programs()
    codes: dict[str, int] = {}

    def sleep(name: str, of: Programs) -> None:
        (tmp_path / name).mkdir()
        codes[name] = of.call(lambda: run_sleep(tmp_path / name))[0]

    threads = [threading.Thread(target=sleep, args=each) for each in (("ours", ours), ("theirs", others))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while not all((tmp_path / name / "started").exists() for name in ("ours", "theirs")):
        assert time.monotonic() < deadline, "a program did not start"
        time.sleep(0.01)
    ours.kill()
    threads[0].join(100)
    assert codes == {"ours": -9}
    assert ours.call(lambda: run_sleep(tmp_path))[0] == -9, "what starts afterwards ends at once"
    others.kill()
    threads[1].join(100)
    assert codes["theirs"] == -9


def test_a_failure_quotes_the_end_in_one_line_and_keeps_everything() -> None:
    output = "\n".join(f"line {number}" for number in range(500)) + "\n\x1b[31mtoken https://me:secret@host/\n\n"
    error = programs.failure("pip failed", output)
    assert str(error) == "pip failed. It said: line 498 | line 499 | token https://[redacted login]@host/"
    assert error.output.count("\n") == 500 and "secret" not in error.output
