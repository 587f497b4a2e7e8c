"""The same model answers through mini-swe-agent 2.4.6 and through an agent of ours: do both come to the same patch?

    CODEMONKEYS_TEST_DATA=FOLDER python -m benchmarks.peer_mini [--python PYTHON]

Needs Linux namespaces (the local sandbox), and a package index for mini-swe-agent, which is installed into a virtual
environment of its own; `--python`: one that has it. An endpoint gives both agents the same answers, as native tool
calls of `bash`, on the repositories of three tasks; only how one submits differs. mini-swe-agent runs the commands in
a copy of the repository and submits what `git diff` says, as its own configuration for SWE-bench has it; ours runs them
in a session of the local sandbox. No test script is written, which neither needs for a patch. Ends with one line:

    RESULT mini= litellm= tasks= same_patches=
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from codemonkeys.agent.trajectory import run_agent
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.journal.store import Journal
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.roles import ModelSet
from codemonkeys.prompting import Prompts
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes import Environment
from sandboxes.local import LocalSandbox

VERSION = "2.4.6"
MODEL = "openai/scripted"
ANSWERS: dict[str, list[list[str]]] = {
    "marshmallow-code__marshmallow-1359": [
        ["grep -n 'opts, self.SCHEMA_OPTS_VAR_NAME' -r src"],
        ["sed -i 's/getattr(schema.opts, self.SCHEMA/getattr(self.root.opts, self.SCHEMA/' src/marshmallow/fields.py"],
        ["git diff --stat"],
    ],
    "pallets__flask-5014": [
        ["ls", "grep -n 'in name' src/flask/blueprints.py; false"],
        [
            "cat > edit.awk <<'X'\n/if \"[.]\" in name:/ && !done {\n"
            '  print "        if not name:\\n            raise ValueError(\\"It has no name.\\")\\n"; done = 1\n'
            "}\n{ print }\nX\nawk -f edit.awk src/flask/blueprints.py > new && cp new src/flask/blueprints.py",
            "echo 'left behind' > notes.log; sed -n 185,200p src/flask/blueprints.py",
        ],
    ],
    "pylint-dev__astroid-1866": [
        ["cd astroid/brain && grep -n 'IndexError, KeyError' *.py"],
        [
            "sed -i 's/except (IndexError, KeyError):/except (IndexError, KeyError, TypeError, ValueError):/' "
            "astroid/brain/brain_builtin_inference.py"
        ],
        ["chmod +x astroid/util.py; printf 'no newline at the end' >> astroid/context.py; git rm -q --cached tox.ini"],
        ["git reset -q; rm tox.ini; exit 3"],
    ],
}
"""Commands of each answer by task; two in one answer are two tool calls."""
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git diff"
"""How an answer to mini-swe-agent submits; to ours it calls `submit`."""
DRIVER = """
import json, sys
from importlib.metadata import version
from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

model, url, folder = sys.argv[1:]
asked = {"api_base": url, "api_key": "none"}
agent = DefaultAgent(
    LitellmModel(model_name=model, model_kwargs=asked, cost_tracking="ignore_errors"), LocalEnvironment(cwd=folder),
    system_template="You resolve an issue.", instance_template="{{ task }}", step_limit=20, cost_limit=0,
)
ended = agent.run("It breaks.")
print(json.dumps({**ended, "litellm": version("litellm"), "mini": version("mini-swe-agent")}))
"""


@contextmanager
def serving(answers: list[list[dict[str, Any]]]) -> Iterator[str]:
    """An endpoint that answers with tool calls, in turn by the answers in the request; yields its address."""

    class Provider(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            turn = sum(message["role"] == "assistant" for message in request["messages"])
            calls = [
                {"id": f"call_{turn}_{n}", "type": "function", "function": function}
                for n, function in enumerate(answers[turn])
            ]
            message = {"role": "assistant", "content": "I go on.", "tool_calls": calls}
            usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
            choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
            record = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            body = json.dumps({**record, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def called(name: str, **arguments: str) -> dict[str, Any]:
    """A tool call, as an answer has it."""
    return {"name": name, "arguments": json.dumps(arguments)}


def commands(answers: list[list[str]]) -> list[list[dict[str, Any]]]:
    """Answers with the commands as calls of `bash`."""
    return [[called("bash", command=command) for command in answer] for answer in answers]


def unpack(archive: Path, folder: Path) -> Path:
    """The repository of a task, committed."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    identity = ("-c", "user.name=base", "-c", "user.email=base@localhost")
    for words in (("init", "-q"), ("add", "-A", "-f"), (*identity, "commit", "-q", "-m", "base")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def through_mini(python: str, answers: list[list[str]], repository: Path) -> dict[str, str]:
    """How mini-swe-agent ends, its submission, and versions."""
    with serving([*commands(answers), [called("bash", command=SUBMIT)]]) as url:
        words = [python, "-c", DRIVER, MODEL, url, str(repository)]
        quiet = {**os.environ, "MSWEA_SILENT_STARTUP": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=quiet)
    ended: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return ended


def through_ours(answers: list[list[str]], repository: Path, folder: Path, id: str) -> str:
    """The patch that our agent submits; it is told once that there is no test script."""
    submit = [called("submit")]
    snapshot, task = Snapshot.of_repository(repository), Task(id, "owner/name", "0" * 40, "It breaks.")
    sandbox = LocalSandbox()
    given: dict[str, Any] = {"agent": {"calls": "tools"}, "generation": {"kinds": ["agent"], "repository_tests": False}}
    settings = load_settings(**given)
    journal = Journal(folder, "run", "source", {})
    journal.add_tasks([task])
    with serving([*commands(answers), submit, submit]) as url:
        model = HostedModel(MODEL, url)
        steps = Steps(journal, ModelSet(model, model), sandbox, settings.operation)
        environment = Environment("peer", folders=(("/testbed", repository),), variables=(("PATH", "/usr/bin:/bin"),))
        prompts = Prompts("0123abcd", None, {"repo": task.repo, "issue": task.issue, "runs_on": ""})

        async def solve() -> str:
            candidate = await run_agent(Work(task, snapshot, environment, settings, prompts, steps), 0, [])
            await model.close()
            return "" if candidate is None else candidate.patch

        patch = asyncio.run(solve())
    journal.close()
    sandbox.close()
    return patch


def applied(patch: str, repository: Path) -> str:
    """The tree that a patch makes of a repository, by its id."""
    for words in (("reset", "-q", "--hard"), ("clean", "-q", "-f", "-d")):
        subprocess.run(["git", *words], cwd=repository, check=True)
    subprocess.run(["git", "apply", "--index"], cwd=repository, input=patch, text=True, check=True)
    tree = subprocess.run(["git", "write-tree"], cwd=repository, capture_output=True, text=True, check=True)
    return tree.stdout.strip()


def installed(folder: Path) -> str:
    """A Python with mini-swe-agent."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"mini-swe-agent=={VERSION}"], check=True)
    return str(folder / "bin" / "python")


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python")
    given = parser.parse_args()
    tasks = Path(os.environ["CODEMONKEYS_TEST_DATA"], "task_repo", "tasks")
    same, ended = 0, dict[str, str]()
    with tempfile.TemporaryDirectory(prefix="peer-") as place:
        python = given.python or installed(Path(place, "venv"))
        for id, answers in ANSWERS.items():
            repositories = [unpack(tasks / id / "repo.tar.gz", Path(place, id, side)) for side in ("mini", "ours")]
            ended = through_mini(python, answers, repositories[0])
            patch = through_ours(answers, repositories[1], Path(place, id, "runs"), id)
            theirs = ended["submission"]
            trees = [applied(each, repositories[0]) if each else "" for each in (theirs, patch)]
            equal = "the same text" if theirs == patch else "the same files" if trees[0] == trees[1] else "DIFFERENT"
            same += trees[0] == trees[1] != ""
            lines = f"{len(theirs.splitlines())} and {len(patch.splitlines())} lines"
            print(f"{id}: mini-swe-agent {ended['exit_status']}; patches: {equal} ({lines})", flush=True)
            if trees[0] != trees[1]:
                print(f"--- mini-swe-agent's\n{theirs}\n--- ours\n{patch}")
    print(f"RESULT mini={ended['mini']} litellm={ended['litellm']} tasks={len(ANSWERS)} same_patches={same}")


if __name__ == "__main__":
    main()
