"""Removing ended rollouts: listed first, recorded, and never one whose verdict still counts."""

from collections.abc import Callable

import pytest

from core.errors import ExitCode
from core.governance import AuditLog
from core.maintenance.doctor import examine
from core.maintenance.pruning import KindNotPrunedError, Pruning
from core.registry.holds import Holds
from core.settings.retention import RetentionSettings

KEEPS_TWO = RetentionSettings(rollouts=2)


@pytest.fixture
def aborted(start, rollouts, lease, ana) -> Callable[[int], list[str]]:
    """Start and abort rollouts of the candidate, without an engine."""
    lease.release()

    def ended(n: int) -> list[str]:
        return [rollouts.abort(start().rollout_id, actor=ana).rollout_id for _ in range(n)]

    return ended


@pytest.fixture
def pruning(workspace, clock) -> Pruning:
    return Pruning(workspace, KEEPS_TWO, clock=clock)


def ids(rollouts) -> list[str]:
    return [rollout.rollout_id for rollout in rollouts.all()]


def test_ended_rollouts_beyond_the_newest_are_listed_and_then_removed(workspace, rollouts, aborted, pruning, ana):
    names = aborted(5)
    assert Pruning(workspace, RetentionSettings()).automatic() == ()
    assert pruning.automatic() == ("rollouts",)
    plan = pruning.plan(["rollouts"])
    assert [item.key for item in plan.items] == [f"rollouts:{name}" for name in names[:3]]
    assert ids(rollouts) == names
    said = pruning.carry_out(plan, actor=ana, reason="tidy").summary
    assert said == "deleted 3 rollouts"
    assert ids(rollouts) == names[3:]
    assert pruning.plan(["rollouts"]).items == ()
    assert examine(workspace) == []


def test_the_audit_log_keeps_what_a_removed_rollout_has_found(workspace, aborted, pruning, candidate, ana):
    (first, *_) = aborted(3)
    pruning.carry_out(pruning.plan(["rollouts"]), actor=ana, reason="tidy")
    (record,) = [record for record in AuditLog(workspace).tail(5) if record.verb == "rollout.prune"]
    assert (record.object, record.reason) == (first, "tidy")
    assert (record.before["candidate"], record.before["phase"]) == (candidate, "aborted")
    assert AuditLog(workspace).verify().ok


def test_no_id_is_used_twice(rollouts, aborted, pruning, start, ana):
    names = aborted(4)
    pruning.carry_out(pruning.plan(["rollouts"]), actor=ana, reason="")
    assert start().rollout_id > names[-1]


def test_an_active_rollout_stays_and_is_not_counted(rollouts, aborted, pruning, start, ana):
    names = aborted(2)
    active = start().rollout_id
    assert pruning.plan(["rollouts"]).items == ()
    assert ids(rollouts) == [*names, active]


def test_a_rollout_stays_while_its_verdict_warns_of_a_registered_version(
    workspace, registry, rollouts, start, traffic, worker, clock, lease, pruning, candidate, register, ana
):
    harmful = start().rollout_id
    worker.tick(clock.now)
    traffic.flow(harmful, ticks=60, candidate=0.2)
    warned = registry.verdicts("spread", candidate)
    assert warned
    lease.release()
    other = register()
    for _ in range(3):
        rollouts.abort(rollouts.start(rollouts.plan("spread", other), actor=ana).rollout_id, actor=ana)
    pruning.carry_out(pruning.plan(["rollouts"]), actor=ana, reason="")
    assert harmful in ids(rollouts)
    assert len(ids(rollouts)) == 3
    assert registry.verdicts("spread", candidate) == warned
    registry.apply(registry.plan_archive("spread", candidate), actor=ana)
    register()  # else an undo would move the candidate back
    registry.prune(registry.plan_prune("spread", keep=0), actor=ana)
    assert candidate not in registry.numbers("spread")
    pruning.carry_out(pruning.plan(["rollouts"]), actor=ana, reason="")
    assert harmful not in ids(rollouts)
    assert Holds(workspace.database("registry")).written()["spread"].warnings == {}
    assert rollouts.wrong_holds() == []


def test_a_list_that_no_longer_holds_is_refused_and_nothing_goes(rollouts, aborted, pruning, workspace, clock, ana):
    names = aborted(4)
    plan = pruning.plan(["rollouts"])
    keeps_all = Pruning(workspace, RetentionSettings(rollouts=9), clock=clock)
    with pytest.raises(KindNotPrunedError, match=f"{names[0]} must stay now") as refused:
        keeps_all.carry_out(plan, actor=ana, reason="")
    assert refused.value.exit_code == ExitCode.REFUSED
    assert ids(rollouts) == names
