"""Submitting a batch, once: it is recorded before, and looked for where nobody confirmed it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from codemonkeys.engine.batch import Batch, Uncollected
from codemonkeys.engine.batch_context import BatchContext
from codemonkeys.errors import AccessRefused, ModelError, RetriesExhausted
from codemonkeys.journal.batches import StoredBatch
from codemonkeys.models.batch_http import BatchFailure
from codemonkeys.models.batching import Unanswered
from codemonkeys.wording import option, resume

LOOKS = 5
"""How often a batch whose submission nobody confirmed is looked for in vain before it counts as not there."""


async def submit(shared: BatchContext, batch: Batch, stored: StoredBatch) -> None:
    """Submit it, once: where that may have happened unconfirmed, it is looked for first.

    Raises Uncollected, ModelError, LeftInBatch.
    """
    if not batch.bodies:
        # An earlier session was killed before it knew.
        await confirm(shared, stored, await find(shared, batch, stored))
        return
    calls = [(f"{stored.tag}-{step}", body) for step, body in batch.bodies.items()]
    last: BatchFailure | None = None
    for wait in (0.0, *shared.waits(LOOKS)):
        await shared.sleep(max(wait, last.wait if last else 0.0))
        try:
            id = await batch.api.submit(stored.tag, calls)
        except BatchFailure as failure:
            last = failure
            if failure.is_final:
                break
            if not failure.may_have_arrived or (found := await find(shared, batch, stored)) is None:
                continue
            id = found
        batch.bodies.clear()
        await confirm(shared, stored, id)
        return
    assert last is not None
    await shared.commit(partial(shared.batches.withdraw, stored.number, str(last)))
    raise refusal_of(shared, last)


async def confirm(shared: BatchContext, stored: StoredBatch, id: str | None) -> None:
    """Record the provider's id of a batch; None: the provider does not have it. Raises Uncollected."""
    if id is None:
        why = "it never arrived"
        await shared.commit(partial(shared.batches.withdraw, stored.number, why))
        raise Uncollected
    await shared.commit(partial(shared.batches.submitted, stored.number, id))
    shared.say(f"{stored.calls} calls to {shared.name} are in batch {id}; its answers may take up to a day")


async def find(shared: BatchContext, batch: Batch, stored: StoredBatch) -> str | None:
    """The provider's id of a batch whose submission it did not confirm; None if it does not have it.

    Raises LeftInBatch.
    """
    since, looks = datetime.fromisoformat(stored.submitted_at), 0
    for wait in shared.waits():
        await shared.sleep(wait, stored)
        try:
            found = await batch.api.find(stored.tag, stored.calls, since, shared.batches.provider_ids())
        except BatchFailure as failure:
            shared.check_access(failure, stored)
            looks += failure.is_final  # It lists no batches.
            if looks == LOOKS:
                break
            continue
        if found.id is not None:
            return found.id
        looks += not found.undecided
        if looks == LOOKS:
            break
    return None


def refusal_of(shared: BatchContext, failure: BatchFailure) -> ModelError | Unanswered:
    """What it means for the calls of a batch that it was not taken."""
    message = f"{shared.name}: the batch was not taken: {failure}"
    if failure.status in (401, 402, 403):
        return AccessRefused(f"{message}. Check the key and the account")
    if failure.status in (404, 405, 501):
        return AccessRefused(f"{message}. This address has no batch API: {resume(shared.run, option('no_batch'))}")
    if failure.is_final:
        return Unanswered(message)
    return RetriesExhausted(f"{message}. Resume the run later", charged=False)
