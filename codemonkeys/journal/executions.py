"""Executions in the journal, with reuse: equal arguments give equal results."""

from __future__ import annotations

import hashlib
import json

from codemonkeys.journal import texts
from codemonkeys.journal.nodes import count_execution
from codemonkeys.journal.times import now
from codemonkeys.journal.writer import KeyIndex, Stored, Writer
from codemonkeys.keys import APPLIED, COMMAND, REPOSITORY_TESTS, StepKey
from codemonkeys.stages import ENVIRONMENT, REGRESSION, VOTES, base_stage
from sandboxes.base import Environment, Execution, Limits, Reason, Script
from sandboxes.layers import Layer

MATRIX = (VOTES.name, REGRESSION.name)
"""Stages in which the same scripts run on every candidate."""


def execution_hash(
    environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None = None
) -> str:
    """SHA-256 of everything that determines the result of an execution. `layer`: of a command in a session."""
    content = [environment.name, vars(script), patch, vars(limits), *([] if layer is None else [layer.id])]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class StoredExecutions:
    """The executions of one run."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._keys = KeyIndex(writer.reader, "SELECT stage, sample, turn, part FROM execution_steps WHERE task = ?")
        self._bases: dict[str, set[str]] = {}
        """Hashes of outputs that others were or may be compressed against, by task."""

    def stored(self, key: StepKey) -> Stored | None:
        """The finished execution for a key, if there is one."""
        if key[1:] not in self._keys.of(key.task):
            return None
        row = self._writer.reader.execute(
            "SELECT id, request_hash FROM execution_steps "
            "WHERE task = ? AND stage = ? AND sample = ? AND turn = ? AND part = ? AND state = 'done'",
            tuple(key),
        ).fetchone()
        return None if row is None else Stored(*row)

    def equal(self, request_hash: str) -> Stored | None:
        """A finished execution with equal arguments, under any key."""
        row = self._writer.reader.execute(
            "SELECT id, request_hash FROM execution_steps WHERE request_hash = ? AND state = 'done' LIMIT 1",
            (request_hash,),
        ).fetchone()
        return None if row is None else Stored(*row)

    def result(self, stored: Stored) -> Execution:
        """The result of a stored execution."""
        row = self._writer.reader.execute(
            "SELECT reason, exit_code, signal, output_hash, seconds, detail FROM execution_steps WHERE id = ?",
            (stored.id,),
        ).fetchone()
        return Execution(Reason(row[0]), row[1], row[2], texts.get(self._writer.reader, row[3]), row[4], row[5])

    def put(
        self,
        key: StepKey,
        request_hash: str,
        environment: Environment,
        script: Script,
        patch: str | None,
        result: Execution,
        reused: bool,
        attempts: int,
    ) -> None:
        """Store the result of an execution."""
        # Of the same scripts on other edits there are many outputs, and hardly any is read.
        similar = self._writer.similar if base_stage(key.stage) in MATRIX else None
        state = "failed" if result.reason is Reason.SANDBOX_FAILED else "done"
        self._keys.of(key.task).add(key[1:])
        with self._writer.writing() as connection:
            output = texts.put(connection, result.output, similar=similar)
            if similar is not None and output in similar:
                self._bases.setdefault(key.task, set()).add(output)
            connection.execute(
                "INSERT INTO execution_steps (task, stage, sample, turn, part, state, request_hash, environment, "
                "script_hash, patch_hash, reason, exit_code, signal, output_hash, detail, reused, attempts, seconds, "
                "ended_at, node) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*key, state, request_hash, environment.name, texts.put(connection, script.text, plain=True)),
                    *(None if patch is None else texts.put(connection, patch, plain=True), str(result.reason)),
                    *(result.exit_code, result.signal, output),
                    *(result.detail, reused, attempts, result.seconds, now(), "" if reused else result.node),
                ),
            )
            if result.node and not reused:
                count_execution(connection, result)

    def forget_keys(self, task: str) -> None:
        """Free the memory that a task which has ended takes."""
        self._keys.forget(task)
        for digest in self._bases.pop(task, ()):
            self._writer.similar.let_go(digest)

    def could_not_tell(self, task: str) -> bool:
        """Whether test scripts of a task ran, and none ended with an exit code that says anything about the issue."""
        row = self._writer.connection.execute(
            "SELECT max(reason = 'exited' AND exit_code IN (0, 2)) FROM execution_steps "
            "WHERE task = ? AND stage NOT IN (?, ?) AND part <> ? AND part NOT LIKE ? AND part NOT LIKE ? "
            "AND state = 'done'",
            (task, ENVIRONMENT.name, REGRESSION.name, APPLIED, f"{REPOSITORY_TESTS}%", f"{COMMAND}%"),
        ).fetchone()
        return bool(row[0] == 0)

    def supersede(self, stored: Stored) -> None:
        """Mark a stored result as superseded, so that the step is redone."""
        with self._writer.writing() as connection:
            connection.execute("UPDATE execution_steps SET state = 'superseded' WHERE id = ?", (stored.id,))
