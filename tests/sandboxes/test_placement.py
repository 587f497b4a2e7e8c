"""Which node an execution goes to, by rules and by any sequence of events."""

from __future__ import annotations

import heapq
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from sandboxes.cluster.node_state import DISK_MARGIN_MB, FAILURES, Condition, NodeState, Request, Start
from sandboxes.cluster.placement import MOVES, Placement

GB = 1024


def cluster(*nodes: NodeState) -> Placement:
    placement = Placement()
    for node in nodes:
        assert placement.add(node) == []
    return placement


def node(name: str, cores: float = 2, *held: str, memory_mb: int = 8 * GB, disk_free_mb: float = 100 * GB) -> NodeState:
    return NodeState(name, cores, memory_mb, disk_free_mb, dict.fromkeys(held, float(GB)))


def submit(placement: Placement, environment: str, **given: float) -> list[Start]:
    return placement.submit(Request(environment, **given))[1]  # type: ignore[arg-type]


def test_an_execution_goes_where_its_environment_is() -> None:
    placement = cluster(node("a"), node("b", 2, "flask"), node("c"))
    assert submit(placement, "flask") == [Start(1, "b")]
    assert submit(placement, "flask") == [Start(2, "b")]


def test_a_new_environment_goes_to_the_node_with_the_least_to_do() -> None:
    placement = cluster(node("a", 2, "flask", "click"), node("b", 2, "attrs"), node("c", 2, "black", "django"))
    assert submit(placement, "new") == [Start(1, "b", fetch=True)]


def test_environments_prepared_before_anything_runs_are_spread() -> None:
    placement = cluster(*(node(name, 4) for name in "abcd"))
    starts = [submit(placement, f"task {number}", cores=0)[0] for number in range(8)]
    assert Counter(start.node for start in starts) == dict.fromkeys("abcd", 2)


def test_what_needs_no_cores_waits_for_none() -> None:
    placement = cluster(node("a", 1, "flask"))
    assert submit(placement, "flask")
    assert submit(placement, "flask") == []
    assert submit(placement, "click", cores=0) == [Start(3, "a", fetch=True)]
    assert submit(placement, "flask", cores=0) == [Start(4, "a")]


def test_others_wait_for_an_environment_on_its_way_and_start_once_it_has_arrived() -> None:
    placement = cluster(node("a", 4))
    assert submit(placement, "flask") == [Start(1, "a", fetch=True)]
    assert submit(placement, "flask") == []
    assert placement.arrived("a", "flask", GB, 3.0) == [Start(2, "a")]


def test_a_copy_is_made_only_when_the_wait_is_longer_than_the_move() -> None:
    placement = cluster(node("a", 2, "flask"), node("b", 2))
    placement.estimates.seconds_per_mb = 10 / GB  # ten seconds to move it
    placement.estimates.execution_seconds["flask"] = 5.0
    starts = [submit(placement, "flask") for _ in range(7)]
    # Two run; the wait of a fifth behind two others would be (4 + 1) / 2 * 5 s.
    assert starts[:2] == [[Start(1, "a")], [Start(2, "a")]]
    assert starts[2:6] == [[]] * 4
    assert starts[6] == [Start(3, "b", fetch=True)]


def test_short_executions_are_not_worth_a_move() -> None:
    placement = cluster(node("a", 2, "flask"), node("b", 2))
    placement.estimates.execution_seconds["flask"] = 0.1
    assert [len(submit(placement, "flask")) for _ in range(100)] == [1, 1] + [0] * 98


def test_waits_on_a_node_count_whatever_environment_they_are_for() -> None:
    """Thirty environments with a request each are as long a wait as one with thirty."""
    names = [f"task {number}" for number in range(30)]
    placement = cluster(node("a", 2, *names), node("b", 2))
    moved = [start for name in names for start in submit(placement, name) if start.fetch]
    assert moved and {start.node for start in moved} == {"b"}


def test_estimates_follow_what_was_measured() -> None:
    placement = cluster(node("a", 2))
    for _ in range(40):
        (start,) = submit(placement, "flask")
        if start.fetch:
            placement.arrived("a", "flask", 1000, 100.0)
        placement.end(start.ticket, 30.0)
    assert abs(placement.estimates.execution("flask") - 30) < 0.1
    assert placement.estimates.seconds_per_mb > 0.02
    assert placement.estimates.size("flask") == 1000


def test_the_longest_waiting_goes_first_and_nothing_passes_what_does_not_fit() -> None:
    placement = cluster(node("a", 4, "flask", "click", memory_mb=8 * GB))
    assert submit(placement, "flask", memory_mb=6 * GB)
    assert submit(placement, "click", memory_mb=4 * GB) == []
    assert submit(placement, "flask", memory_mb=1 * GB) == []
    assert [start.ticket for start in placement.end(1, 1.0)] == [2, 3]


def test_a_new_environment_does_not_pass_what_does_not_fit_either() -> None:
    placement = cluster(node("a", 4, "flask", memory_mb=8 * GB))
    assert submit(placement, "flask", memory_mb=6 * GB)
    assert submit(placement, "flask", memory_mb=4 * GB) == []
    assert submit(placement, "click", memory_mb=1 * GB) == []


def test_what_is_larger_than_any_node_runs_alone_on_the_largest() -> None:
    placement = cluster(node("a", 4, "flask", memory_mb=2 * GB), node("b", 4, memory_mb=4 * GB))
    assert submit(placement, "flask", memory_mb=64 * GB, cores=100) == [Start(1, "b", fetch=True)]
    assert placement.arrived("b", "flask", GB, 1.0) == []
    assert submit(placement, "flask", memory_mb=3 * GB) == []
    assert placement.end(1, 1.0) == [Start(2, "b")]


def test_disk_is_looked_at_before_a_move() -> None:
    placement = cluster(node("a", 1, disk_free_mb=DISK_MARGIN_MB + 10), node("b", 1, disk_free_mb=20 * GB))
    assert submit(placement, "flask", cores=0) == [Start(1, "b", fetch=True)]


def test_idle_environments_make_room_the_least_recently_used_first() -> None:
    placement = cluster(node("a", 4, "one", "two", "three", disk_free_mb=DISK_MARGIN_MB + 10))
    placement.estimates.sizes["new"] = 1.5 * GB
    assert submit(placement, "one")
    assert submit(placement, "new") == [Start(2, "a", fetch=True, evict=("two", "three"))]


def test_what_can_never_start_says_why() -> None:
    placement = Placement()
    ticket, starts = placement.submit(Request("flask"))
    assert starts == [] and placement.stuck(ticket) == "no node of the cluster is up"
    placement.add(node("a", disk_free_mb=500))
    assert placement.stuck(ticket) == "no node has the disk for an environment of 2048 MiB (a: 500 MiB)"
    assert [start.node for start in placement.add(node("b"))] == ["b"]
    assert placement.stuck(ticket) is None


def test_after_a_failure_another_node_is_tried() -> None:
    placement = cluster(node("a", 2, "flask"), node("b", 2))
    assert submit(placement, "flask") == [Start(1, "a")]
    placement.end(1, failed=True)
    assert submit(placement, "flask") == [Start(2, "b", fetch=True)]


def test_where_all_nodes_failed_they_are_tried_again() -> None:
    placement = cluster(node("a", 2, "flask"))
    assert submit(placement, "flask")
    placement.end(1, failed=True)
    assert submit(placement, "flask") == [Start(2, "a")]


def test_a_node_that_could_not_get_an_environment_holds_it_not() -> None:
    placement = cluster(node("a", 2), node("b", 2))
    (start,) = submit(placement, "flask")
    (again,) = (*placement.end(start.ticket, failed=True), *submit(placement, "flask"))
    assert again.fetch and again.node != start.node


def test_a_node_that_fails_again_and_again_gets_nothing_new_until_it_is_well() -> None:
    placement = cluster(node("a", 2, "flask"))
    for _ in range(FAILURES):
        (start,) = submit(placement, "flask")
        placement.end(start.ticket, failed=True)
    assert placement.nodes["a"].condition is Condition.SUSPECT
    assert submit(placement, "flask") == []
    (start,) = placement.set_condition("a", Condition.UP)
    placement.end(start.ticket, failed=True)
    assert placement.nodes["a"].condition is Condition.SUSPECT  # once is enough now


def test_what_waited_for_a_lost_node_goes_elsewhere_and_what_ran_there_is_given_back() -> None:
    placement = cluster(node("a", 1, "flask"), node("b", 1))
    assert submit(placement, "flask") == [Start(1, "a")]
    assert submit(placement, "flask") == []
    assert placement.set_condition("a", Condition.GONE) == [Start(2, "b", fetch=True)]
    placement.end(1, failed=True)
    assert placement.nodes["a"].running == {} and placement.waiting == 0


def test_an_environment_that_a_node_has_lost_is_brought_again() -> None:
    placement = cluster(node("a", 1, "flask"))
    placement.missing("a", "flask")
    assert submit(placement, "flask") == [Start(1, "a", fetch=True)]


def test_a_node_added_takes_its_part() -> None:
    placement = cluster(node("a", 1, "flask"))
    placement.estimates.execution_seconds["flask"] = 60.0
    assert [len(submit(placement, "flask")) for _ in range(10)] == [1] + [0] * 9
    assert placement.add(node("b", 2)) == [Start(2, "b", fetch=True)]
    assert placement.arrived("b", "flask", GB, 1.0) == [Start(3, "b")]


def test_a_session_stays_on_its_node_while_that_is_up() -> None:
    placement = cluster(node("a", 1, "flask"), node("b", 1, "flask"))
    assert submit(placement, "flask") == [Start(1, "a")]
    ticket, starts = placement.submit(Request("flask", node="a"))
    assert starts == []
    assert placement.set_condition("a", Condition.SUSPECT) == [Start(ticket, "b")]


def test_many_requests_of_a_task_do_not_hold_up_those_of_another() -> None:
    placement = cluster(node("a", 2, "big"), node("b", 2, "small"))
    placement.estimates.execution_seconds["big"] = 0.1
    for _ in range(500):
        submit(placement, "big")
    assert submit(placement, "small") == [Start(501, "b")]


def test_a_released_environment_is_forgotten() -> None:
    placement = cluster(node("a", 1, "flask"), node("b", 1, "flask"))
    free = placement.nodes["a"].disk_free_mb
    assert placement.release("flask") == ["a", "b"]
    assert placement.nodes["a"].disk_free_mb == free + GB
    assert placement.release("flask") == []


nodes_of_any_kind = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(6, 20), st.sets(st.sampled_from("tuv"))),
    min_size=1,
    max_size=4,
)
requests = st.tuples(
    st.just("submit"),
    st.sampled_from("tuvwxyz"),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.integers(0, 9),
    st.sampled_from([None, "node 0"]),
)
events = st.one_of(
    requests,
    requests,
    st.tuples(st.just("end"), st.integers(0, 50), st.booleans(), st.floats(0, 60)),
    st.tuples(st.sampled_from(["suspect", "up", "gone", "missing", "release"]), st.integers(0, 3)),
)


class Watched:
    """A placement, and what must hold of it whatever happens."""

    def __init__(self, nodes: list[tuple[int, int, int, set[str]]]) -> None:
        self.placement = Placement()
        self.started: dict[int, Start] = {}
        self.submitted: dict[int, Request] = {}
        self.log: list[Start] = []
        for number, (cores, memory, disk, held) in enumerate(nodes):
            sizes = dict.fromkeys(sorted(held), 1.0 * GB)
            self.take(self.placement.add(NodeState(f"node {number}", cores, memory * GB, disk * GB, sizes)))

    def take(self, starts: list[Start]) -> None:
        nodes = self.placement.nodes
        for start in starts:
            assert start.ticket not in self.started, "started twice"
            self.started[start.ticket] = start
            self.log.append(start)
            state, environment = nodes[start.node], self.submitted[start.ticket].environment
            assert state.up
            assert (environment in state.fetching) if start.fetch else (environment in state.environments)
            assert not set(start.evict) & {request.environment for request in state.running.values()}
        for state in nodes.values():
            running = [request for request in state.running.values() if request.cores]
            assert len(running) <= 1 or sum(request.cores for request in running) <= state.cores
            assert len(running) <= 1 or sum(request.memory_mb for request in running) <= state.memory_mb
            assert len(state.fetching) <= MOVES
            assert not state.fetching or state.disk_free_mb - sum(state.fetching.values()) >= DISK_MARGIN_MB
            waiting = self.submitted.keys() - self.started.keys()
            if state.up and not running and not state.refused:
                able = (self.submitted[ticket] for ticket in waiting)
                able = (r for r in able if r.memory_mb <= state.memory_mb and r.node in (None, state.id))
                assert not {r.environment for r in able} & state.environments.keys(), "idle, while something waits"

    def submit(self, environment: str, cores: float, memory: int, home: str | None) -> None:
        request = Request(environment, cores, memory * GB, home)
        ticket, starts = self.placement.submit(request)
        self.submitted[ticket] = request
        self.take(starts)

    def end(self, ticket: int, failed: bool, seconds: float) -> None:
        """End a request as a driver does: an environment on its way has arrived, or that failed."""
        start, request = self.started.pop(ticket), self.submitted.pop(ticket)
        gone = self.placement.nodes[start.node].condition is Condition.GONE
        if start.fetch and not failed and not gone:
            self.take(self.placement.arrived(start.node, request.environment, GB, seconds))
        self.take(self.placement.end(ticket, seconds, failed=failed or gone))

    def happen(self, event: tuple[object, ...]) -> None:
        nodes = list(self.placement.nodes.values())
        match event:
            case ("submit", str(environment), float(cores), int(memory), (None | str()) as home):
                self.submit(environment, cores, memory, home)
            case ("end", int(number), bool(failed), float(seconds)) if self.started:
                self.end(sorted(self.started)[number % len(self.started)], failed, seconds)
            case ("missing", int(number)):
                state = nodes[number % len(nodes)]
                if idle := sorted(state.environments.keys() - {r.environment for r in state.running.values()}):
                    self.take(self.placement.missing(state.id, idle[0]))
            case ("release", int(number)):
                self.placement.release("tuvw"[number])
            case (("suspect" | "up" | "gone") as condition, int(number)):
                self.take(self.placement.set_condition(nodes[number % len(nodes)].id, Condition(condition)))


@settings(max_examples=150)
@given(nodes_of_any_kind, st.lists(events, max_size=40))
def test_whatever_happens_no_node_is_overcommitted_and_all_that_waits_starts(
    nodes: list[tuple[int, int, int, set[str]]], happened: list[tuple[object, ...]]
) -> None:
    watched, again = Watched(nodes), Watched(nodes)
    for event in happened:
        watched.happen(event)
        again.happen(event)
    assert watched.log == again.log  # deterministic
    watched.take(watched.placement.add(NodeState("last", 2, 8 * GB, 50 * GB)))
    while watched.started:
        watched.end(min(watched.started), False, 1.0)
    assert watched.placement.waiting == 0 and not watched.submitted
    assert all(not state.running and not state.cores_taken for state in watched.placement.nodes.values())


def test_one_task_with_many_executions_leaves_no_core_idle_for_long() -> None:
    """Simulated seconds: sixty nodes of four cores, of which one holds what five hundred executions need."""
    placement = cluster(*(node(f"{number:02}", 4) for number in range(60)))
    placement.nodes["00"].hold("big", GB)
    placement.add(node("60", 4, "big"))
    clock, under_way, copies = 0.0, list[tuple[float, int, str, bool]](), 0

    def take(starts: list[Start]) -> None:
        nonlocal copies
        for start in starts:
            copies += start.fetch
            heapq.heappush(under_way, (clock + 5 + 20 * start.fetch, start.ticket, start.node, start.fetch))

    for _ in range(500):
        take(submit(placement, "big"))
    while under_way:
        clock, ticket, at, fetched = heapq.heappop(under_way)
        if fetched:
            take(placement.arrived(at, "big", GB, 20.0))
        take(placement.end(ticket, 5.0))
    assert placement.waiting == 0
    assert clock < 500 * 5 / 4 / 8  # as fast as on eight nodes
    assert copies < 45
