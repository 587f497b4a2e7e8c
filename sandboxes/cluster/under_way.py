"""One execution on its way through a cluster: to a place, to the node, and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from sandboxes import inside
from sandboxes.base import Environment, Execution, Limits, Reason, SandboxError, Script
from sandboxes.cluster.dispatcher import Dispatcher
from sandboxes.cluster.handle import Node, NodeLost
from sandboxes.cluster.homes import Homes
from sandboxes.cluster.members import Members, is_nodes_fault
from sandboxes.cluster.messages import Done, Order, Unknown, applied, execution_of, limit_values
from sandboxes.cluster.node_state import Request, Start
from sandboxes.cluster.texts import SHORT, Key, Ref, hash_of
from sandboxes.layers import EMPTY, Layer
from sandboxes.sessions import Step

MOST_SENT_AGAIN = 3
"""Times that an order is sent to a node that does not have what it refers to."""


class Wanted(NamedTuple):
    """What is to be carried out."""

    environment: Environment
    script: Script
    patch: str | None
    limits: Limits
    layer: Layer | None
    """Of a command in a session: what has changed before."""


class UnderWay:
    """Carries one execution out. No thread waits for it: each method is called when the one before has led to it."""

    def __init__(self, wanted: Wanted, members: Members, homes: Homes, dispatcher: Dispatcher) -> None:
        self._wanted, self._members, self._homes, self._dispatcher = wanted, members, homes, dispatcher
        self._before = EMPTY if wanted.layer is None else wanted.layer
        self._ticket = self._sent = 0
        self._node: Node | None = None
        """Where it is, once it can be sent there."""
        self._begun = 0.0
        self.result: Future[Step] = Future()
        """Gets what it came to, and never an error; it cannot be cancelled."""
        self.result.set_running_or_notify_cancel()

    def begin(self) -> Future[Step]:
        """Ask for a place; returns the result to come."""
        environment, script, _, limits, _ = self._wanted
        if refusal := inside.refusal(environment, script, limits):
            self.result.set_result(Step(inside.failed(refusal), self._before))
            return self.result
        request = Request(environment.name, 1, limits.memory_mb, self._homes.get(self._before.id))
        try:
            self._ticket, waiting = self._members.ask(request)
        except SandboxError as error:
            self._failed(error)
        else:
            waiting.add_done_callback(lambda place: self._then(self._placed, place))
        return self.result

    def _then(self, step: Callable[..., None], *arguments: object) -> None:
        self._dispatcher.soon(partial(self._take, step, *arguments))

    def _take(self, step: Callable[..., None], *arguments: object) -> None:
        try:
            step(*arguments)
        except Exception as error:  # also of texts that cannot be passed on
            self._failed(error)

    def _placed(self, place: Future[Start]) -> None:
        """It has a place, unless there is none."""
        start, name = place.result(), self._wanted.environment.name
        node = self._members.node(start.node)
        there = partial(self._take, self._there, node)
        if start.fetch or start.evict or not node.holds(name):
            self._dispatcher.aside(lambda: self._members.bring(self._wanted.environment, start, node), there)
        else:
            there(None)

    def _there(self, node: Node, failed: Exception | None) -> None:
        """The environment is on the node, unless that failed."""
        if failed is not None:
            raise failed
        self._node, self._begun = node, time.monotonic()
        self._send(None)

    def _send(self, failed: Exception | None) -> None:
        """Have it carried out."""
        assert self._node is not None
        if failed is not None:
            raise failed
        if self._sent == MOST_SENT_AGAIN:
            raise NodeLost(f"node {self._node.name} does not keep what it is sent")
        self._sent += 1
        node, (environment, script, patch, limits, layer) = self._node, self._wanted
        texts: dict[bytes, str] = {}
        layers = () if layer is None or layer.id == EMPTY.id or layer.id in node.sent else (layer,)
        order = Order(
            environment.name,
            environment.repository,
            environment.variables,
            environment.activate,
            _text(script.text, node, texts),
            script.name,
            script.command,
            None if patch is None else _text(patch, node, texts),
            limit_values(limits),
            None if layer is None else layer.id,
        )
        keys: list[Key] = [*texts, *(sent.id for sent in layers)]
        answer = node.carry_out(order, texts, layers)
        answer.add_done_callback(lambda answered: self._then(self._answered, answered, keys))

    def _answered(self, answered: Future[Done | Unknown], keys: list[Key]) -> None:
        """It was carried out, or is sent again with what the node turns out not to have."""
        assert self._node is not None
        answer, node, environment = answered.result(), self._node, self._wanted.environment
        for key in keys:
            node.sent.add(key)
        if isinstance(answer, Done):
            self._done(answer, node)
            return
        assert isinstance(answer, Unknown)
        node.forget(answer, environment.name)
        again = partial(self._take, self._send)
        if answer.environment:
            self._dispatcher.aside(lambda: self._members.missing(node, environment), again)
        else:
            again(None)

    def _done(self, done: Done, node: Node) -> None:
        execution = execution_of(done.result, node.id)
        failed = execution.reason is Reason.SANDBOX_FAILED
        self._members.give_back(self._ticket, time.monotonic() - self._begun, failed)
        if self._wanted.layer is None:
            self.result.set_result(Step(execution, self._before))
            return
        after = self._before if done.layer is None else applied(self._before, done.layer)
        node.sent.add(after.id)
        self._homes.put(after.id, node.id)
        self.result.set_result(Step(execution, after, done.dropped))

    def _failed(self, error: Exception) -> None:
        """It was not carried out."""
        if self._ticket:
            self._members.give_back(self._ticket, None, is_nodes_fault(error))
        told = inside.unforeseen(SandboxError("the sandbox was closed") if self._members.closed else error)
        node = "" if self._node is None else self._node.id
        self.result.set_result(Step(Execution(told.reason, detail=told.detail, node=node), self._before))


def _text(text: str, node: Node, texts: dict[bytes, str]) -> str | Ref:
    """The text itself if it is short, else its hash; `texts` gets it if the node has not been sent it."""
    if len(text) <= SHORT:
        return text
    key = hash_of(text)
    if key not in node.sent:
        texts[key] = text
    return Ref(key)
