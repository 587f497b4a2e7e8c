"""The machines of a run's cluster, as part of its status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from codemonkeys.report.fitting import WIDE, Id
from codemonkeys.report.tables import new_table, plain

NARROW = 58
"""Columns below which the table is left with what matters most."""


def cluster_lines(cluster: Mapping[str, Any], active: bool) -> list[str]:
    """How many machines are in which state and what failed on them, and where their dashboard is, if it has one.

    `active`: whether a session works on the run; states are of the past otherwise.
    """
    nodes, at = cluster["nodes"], f"{cluster['address']}, " if cluster["address"] else ""
    lines = [f"{at}{states(nodes)}" if active else f"{count_of(len(nodes))} so far"]
    failures, elsewhere = (sum(node[name] for node in nodes) for name in ("failures", "elsewhere"))
    if failures:
        what = "execution failed" if failures == 1 else "executions failed"
        lines.append(f"{failures:,} {what} on a node; {elsewhere:,} retried on another since")
    if active and cluster["dashboard"]:
        lines.append(f"dashboard: {cluster['dashboard']}")
    return lines


def nodes_table(cluster: Mapping[str, Any], active: bool, limit: int, width: int) -> RenderableType:
    """One line per machine; of more than `limit`, those that have trouble or most to do."""
    nodes = cluster["nodes"]
    shown = sorted(sorted(nodes, key=notable)[:limit], key=lambda node: nodes.index(node))
    lines = [cells(node, active, width) for node in shown]
    table = new_table("node", *lines[0], numbers=NUMBERS, gap=2 if width >= WIDE else 1)
    for node, line in zip(shown, lines, strict=True):
        style = {"suspect": "yellow", "gone": "dim"}.get(node["state"], "") if active else ""
        table.add_row(Id(name_of(node, nodes), style), *(plain(cell, style) for cell in line.values()))
    others = [node for node in nodes if node not in shown]
    if not others:
        return table
    executions = sum(node["executions"] for node in others)
    counts = f" ({counted(others)})" if active else ""
    return Group(table, plain(f"and {len(others)} more{counts} with {executions:,} executions", "dim"))


NUMBERS = ("running", "executions", "exec.", "environments", "env.", "disk free", "failed")


def cells(node: Mapping[str, Any], active: bool, width: int) -> dict[str, str]:
    """What is known of a machine, by heading; shorter where there are fewer columns, less where it is of the past."""
    running = f"{node['running']} on {node['cores']:g} cores" if width >= WIDE else str(node["running"])
    now, disk = {"state": node["state"], "running": running}, {"disk free": gigabytes(node["disk_free_mb"])}
    environments = str(node["environments"])
    if node["state"] == "gone":
        now["running"] = disk["disk free"] = environments = ""
    if not active:
        now, disk = {}, {}
    executions, failed = f"{node['executions']:,}", str(node["failures"] or "")
    if width < NARROW:
        return {**now, "exec.": executions}
    if width < WIDE:
        return {**now, "exec.": executions, "env.": environments, **disk, "failed": failed}
    counts = {"executions": executions, "environments": environments, **disk, "failed": failed}
    return {"sandbox": node["sandbox"], **now, **counts}


def name_of(node: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> str:
    """The address of a machine, with the end of its id where several have that address."""
    address, id = node["address"], str(node["node"])
    if not address:
        return id
    same = sum(other["address"] == address for other in nodes)
    return f"{address} {id[-6:]}" if same > 1 else str(address)


def notable(node: Mapping[str, Any]) -> tuple[bool, bool, bool, int, int]:
    """Order of importance: those that do not answer, those that work, of these those with failures, the busiest."""
    there = node["state"] != "gone"
    return node["state"] != "suspect", not there, not node["failures"], -node["running"], -node["executions"]


def states(nodes: Sequence[Mapping[str, Any]]) -> str:
    """`4 nodes up`, or `4 nodes: 3 up, 1 gone`."""
    if all(node["state"] == "up" for node in nodes):
        return f"{count_of(len(nodes))} up"
    return f"{count_of(len(nodes))}: {counted(nodes)}"


def counted(nodes: Sequence[Mapping[str, Any]]) -> str:
    """`3 up, 1 gone`."""
    counts = Counter(node["state"] for node in nodes)
    return ", ".join(f"{counts[state]} {state}" for state in ("up", "suspect", "gone") if counts[state])


def count_of(nodes: int) -> str:
    """`1 node`, `2 nodes`."""
    return "1 node" if nodes == 1 else f"{nodes:,} nodes"


def gigabytes(megabytes: int | None) -> str:
    """Disk space for reading."""
    return "" if megabytes is None else f"{megabytes / 1024:,.0f} GB"
