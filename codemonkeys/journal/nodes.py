"""The machines of a cluster in the journal, where other processes see them too."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codemonkeys.journal.queries import has_table, rows
from codemonkeys.journal.times import now
from sandboxes.base import Execution, Reason
from sandboxes.nodes import Cluster, Node

if TYPE_CHECKING:
    from codemonkeys.journal.writer import Writer


class StoredNodes:
    """The machines that executions of a run go to."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def put(self, cluster: Cluster, before: Cluster | None) -> None:
        """Store what is known of the machines now.

        `before`: what this session has stored last; None: nothing, and machines of earlier sessions are gone.
        """
        known = {} if before is None else {node.id: node for node in before.nodes}
        with self._writer.writing() as connection:
            if before is None:
                connection.execute("UPDATE nodes SET state = 'gone', running = 0")
            if before is None or (before.address, before.dashboard) != (cluster.address, cluster.dashboard):
                connection.execute("DELETE FROM cluster")
                connection.execute("INSERT INTO cluster VALUES (?, ?)", (cluster.address, cluster.dashboard))
            for id in known.keys() - {node.id for node in cluster.nodes}:
                connection.execute("UPDATE nodes SET state = 'gone', running = 0 WHERE node = ?", (id,))
            for node in cluster.nodes:
                if node != known.get(node.id):
                    self._put(connection, node, told=known[node.id].failure if node.id in known else "")

    def end(self) -> None:
        """Store that nothing runs any more."""
        with self._writer.writing() as connection:
            connection.execute("UPDATE nodes SET running = 0 WHERE running > 0")

    @staticmethod
    def _put(connection: sqlite3.Connection, node: Node, told: str) -> None:
        """`told`: the failure of the machine that is stored already."""
        values = {**asdict(node), "seen_at": now()}
        del values["id"], values["failure"]
        if node.failure and node.failure != told:
            values |= {"last_failure": node.failure, "last_failure_at": now()}
        update = ", ".join(f"{name} = excluded.{name}" for name in values)
        connection.execute(
            f"INSERT INTO nodes (node, {', '.join(values)}) VALUES ({', '.join('?' * (len(values) + 1))}) "
            f"ON CONFLICT (node) DO UPDATE SET {update}",
            (node.id, *values.values()),
        )


def count_execution(connection: sqlite3.Connection, result: Execution) -> None:
    """Count an execution on its machine, or its failure; part of the transaction that stores it."""
    failed = result.reason is Reason.SANDBOX_FAILED
    connection.execute(
        "INSERT INTO nodes (node, executions, failures) VALUES (?, ?, ?) ON CONFLICT (node) DO UPDATE SET "
        "executions = executions + excluded.executions, failures = failures + excluded.failures",
        (result.node, not failed, failed),
    )
    if failed:
        connection.execute(
            "UPDATE nodes SET last_failure = ?, last_failure_at = ? WHERE node = ?", (result.detail, now(), result.node)
        )


def stored_cluster(connection: sqlite3.Connection) -> dict[str, Any] | None:
    """Address, dashboard and machines of a run's cluster, as last stored; None if it has had none.

    Machines are in the order: up, suspect, gone; `elsewhere` counts the executions that failed on a machine and came
    to their end on another.
    """
    if not has_table(connection, "nodes"):
        return None
    nodes = rows(connection, "SELECT * FROM nodes ORDER BY state = 'gone', state = 'suspect', address, node")
    if not nodes:
        return None
    elsewhere = dict(
        connection.execute(
            "SELECT node, count(*) FROM execution_steps f WHERE state = 'failed' AND node <> '' AND EXISTS ("
            "SELECT 1 FROM execution_steps d WHERE (d.task, d.stage, d.sample, d.turn, d.part) = "
            "(f.task, f.stage, f.sample, f.turn, f.part) AND d.state = 'done' AND d.node NOT IN ('', f.node)) "
            "GROUP BY node"
        )
    )
    found = rows(connection, "SELECT address, dashboard FROM cluster")
    about = found[0] if found else {"address": "", "dashboard": ""}
    return {**about, "nodes": [{**node, "elsewhere": elsewhere.get(node["node"], 0)} for node in nodes]}
