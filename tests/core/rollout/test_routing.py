"""Routing: sticky, by the share, growing one way, fast, and undisturbed by an exchange of tables."""

import subprocess
import sys
import threading
from types import FrameType

import pytest

from core.rollout import (
    Arm,
    DesiredRollout,
    NotRoutedError,
    RolloutPhase,
    Router,
    RoutingTable,
    Strategy,
    routing_tables,
)

N_KEYS = 40_000
KEYS = [f"customer-{number}" for number in range(N_KEYS)]


def a_table(share: float, *, rollout_id: str = "ro-0001", **more) -> RoutingTable:
    return RoutingTable(model="spread", stable="1.0.0", candidate="1.1.0", share=share, rollout_id=rollout_id, **more)


def taken(share: float, **more) -> set[str]:
    """The keys that the candidate answers."""
    router = Router({"spread": a_table(share, **more)})
    return {key for key in KEYS if router.route("spread", key).arm is Arm.CANDIDATE}


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5, 0.95])
def test_a_share_is_honoured_within_chance(share) -> None:
    sigma = (share * (1 - share) / N_KEYS) ** 0.5
    assert len(taken(share)) / N_KEYS == pytest.approx(share, abs=4 * sigma)


@pytest.mark.parametrize(("share", "n"), [(0.0, 0), (1.0, N_KEYS)])
def test_a_share_of_0_routes_none_and_1_routes_all(share, n) -> None:
    assert len(taken(share)) == n


def test_growing_the_share_only_moves_keys_to_the_candidate() -> None:
    before: set[str] = set()
    for share in (0.05, 0.1, 0.2, 0.5, 1.0):
        after = taken(share)
        assert before <= after
        before = after


def test_another_rollout_starts_with_other_callers() -> None:
    both = taken(0.1) & taken(0.1, rollout_id="ro-0002")
    assert len(both) / N_KEYS == pytest.approx(0.01, abs=0.003)


def test_a_key_goes_the_same_way_in_another_process() -> None:
    router = Router({"spread": a_table(0.5)})
    here = [router.route("spread", key).version for key in KEYS[:50]]
    script = (
        "from core.rollout import Router, RoutingTable\n"
        "table = RoutingTable(model='spread', stable='1.0.0', candidate='1.1.0', share=0.5, rollout_id='ro-0001')\n"
        "router = Router({'spread': table})\n"
        "print(*(router.route('spread', f'customer-{n}').version for n in range(50)))"
    )
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert here == there


def test_a_route_names_what_to_record_with_the_prediction() -> None:
    route = Router({"spread": a_table(1.0)}).route("spread", "x")
    assert (route.version, route.arm, route.share, route.rollout_id, route.mirror) == (
        "1.1.0",
        Arm.CANDIDATE,
        1.0,
        "ro-0001",
        None,
    )
    assert -(2**63) <= route.unit < 2**63


def test_a_shadow_is_given_copies_and_answers_nobody() -> None:
    router = Router({"spread": a_table(0.0, mirror_share=0.25)})
    routes = [router.route("spread", key) for key in KEYS]
    assert {route.version for route in routes} == {"1.0.0"}
    assert sum(route.mirror == "1.1.0" for route in routes) / N_KEYS == pytest.approx(0.25, abs=0.01)


def test_a_model_without_a_live_version_is_named_with_those_that_have_one() -> None:
    with pytest.raises(NotRoutedError, match="Models that serve: spread"):
        Router({"spread": a_table(0.1)}).route("liquidity", "x")


def test_replacing_the_tables_disturbs_no_routing_thread() -> None:
    router = Router({"spread": a_table(0.0)})
    odd, stop = [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            route = router.route("spread", "customer-1")
            if (route.arm is Arm.CANDIDATE) != (route.share == 1.0):
                odd.append(route)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2_000):
        router.update({"spread": a_table(float(number % 2))})
    stop.set()
    for thread in threads:
        thread.join()
    assert odd == []


def test_a_route_is_a_few_calls_however_many_models_and_callers_there_are() -> None:
    few = Router({"spread": a_table(0.2)})
    many = Router({f"model-{number}": a_table(0.2) for number in range(1_000)} | {"spread": a_table(0.2)})
    for key in KEYS[:1_000]:
        many.route("spread", key)
    assert n_calls(many) == n_calls(few) <= 12  # of Python and of C; benchmarks/bench_rollout.py times them


def n_calls(router: Router) -> int:
    calls = []

    def count(_frame: FrameType, event: str, _called: object) -> None:
        if event.endswith("call"):  # and not "return"
            calls.append(event)

    sys.setprofile(count)
    try:
        router.route("spread", "customer-1")
    finally:
        sys.setprofile(None)
    return len(calls)


def test_the_tables_follow_registry_and_rollouts(
    workspace, rollouts, start, worker, clock, stable, candidate, ana
) -> None:
    assert routing_tables(workspace)["spread"] == RoutingTable(model="spread", stable=stable)
    rollout = start()
    assert routing_tables(workspace)["spread"].share == 0.0  # the engine has not opened the first step yet
    assert routing_tables(workspace)["spread"].versions == (stable, candidate)
    worker.tick(clock.now)
    assert routing_tables(workspace)["spread"] == RoutingTable(
        model="spread", stable=stable, candidate=candidate, share=0.05, rollout_id=rollout.rollout_id
    )
    rollouts.abort(rollout.rollout_id, actor=ana)
    assert routing_tables(workspace)["spread"].share == 0.0  # before any engine has noticed
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.ABORTED
    assert routing_tables(workspace)["spread"].candidate is None


def test_the_tables_of_a_shadow_give_copies_only(workspace, start, worker, clock) -> None:
    start(Strategy.SHADOW)
    worker.tick(clock.now)
    table = routing_tables(workspace)["spread"]
    assert (table.share, table.mirror_share) == (0.0, 1.0)


def test_an_abort_stops_copies_too(workspace, rollouts, start, worker, clock, ana) -> None:
    rollout = start(Strategy.SHADOW)
    worker.tick(clock.now)
    rollouts.request(rollout.rollout_id, DesiredRollout.ABORTED, actor=ana)
    assert routing_tables(workspace)["spread"].mirror_share == 0.0
