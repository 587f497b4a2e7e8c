"""After an unknown option the user is shown how to call pylint: a usage line or a pointer to the help."""

import os
import re
import subprocess
import sys
import tempfile


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        for option in ("-Q", "--no-such-thing"):
            command = [sys.executable, "-m", "pylint", option]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            text = done.stdout + done.stderr
            tip = re.search(r"\busage\b|--help|\bpylint -h\b", text, re.IGNORECASE)
            crash = "Traceback (most recent call last)" in text
            print(f"{option}: usage tip {'found' if tip else 'missing'}, traceback {'printed' if crash else 'absent'}")
            if crash or not tip:
                verdict = 2
    return verdict


sys.exit(main())
