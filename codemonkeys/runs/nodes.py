"""The machines of a run's cluster, stored in its journal while the run goes on: `status` reads them there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

from codemonkeys.errors import JournalError
from codemonkeys.journal.store import Journal
from codemonkeys.redact import redact
from sandboxes.base import Sandbox
from sandboxes.nodes import Cluster, ClusterSandbox

PAUSE = 2.0
"""Seconds between two looks; each is written if something has changed."""


@asynccontextmanager
async def keeping_nodes(journal: Journal, sandbox: Sandbox) -> AsyncIterator[None]:
    """Store the machines of a sandbox that has several, from the beginning of the block to its end.

    Where they cannot be written, the run goes on: its own steps meet the same fault, and tell it.
    """
    if not isinstance(sandbox, ClusterSandbox):
        yield
        return
    over = asyncio.Event()
    stored: Cluster | None = None

    async def look() -> None:
        nonlocal stored
        found = without_secrets(sandbox.cluster())
        if found != stored:
            with suppress(JournalError):
                await journal.group_commit(partial(journal.nodes.put, found, stored))
                stored = found

    async def keep_up() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), PAUSE)
            await look()

    await look()
    keeping_up = asyncio.create_task(keep_up())
    try:
        yield
    finally:
        over.set()
        await keeping_up
        with suppress(JournalError):
            await journal.group_commit(journal.nodes.end)


def without_secrets(cluster: Cluster) -> Cluster:
    """The same without secrets in what its machines said."""
    nodes = (replace(node, failure=redact(node.failure)) if node.failure else node for node in cluster.nodes)
    return replace(cluster, nodes=tuple(nodes))
