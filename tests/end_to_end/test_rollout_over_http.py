"""Rollouts as operators live through them: real processes, real requests, real faults, and kills in between."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest

from core.alerts import Alert, Alerts
from core.errors import RefusedError
from core.governance import AuditLog, AuditRecord
from core.maintenance.doctor import examine
from core.registry import Registry, Stage
from core.rollout import Rollout, RolloutPhase
from core.telemetry.predictions import PredictionReader
from core.telemetry.predictions.records import request_number

BAD = {
    "failing": ("errors", "it does not know a district"),
    "slow": ("slow", "it asks a machine far away"),
    "poor": ("loss", "it has learnt the rents of another town"),
}

N_ALONE = 50  # answers in a row by which one version is taken to answer alone


@pytest.fixture(scope="module")
def bad_rollouts(desk) -> dict[str, Rollout]:
    """Rollouts of the three bad candidates, side by side, under traffic."""
    for model in BAD:
        desk.begin_calling(model)
    return {model: desk.start_rollout(model, reason) for model, (_, reason) in BAD.items()}


def verbs(rollout: Rollout) -> list[str]:
    return [event.verb for event in rollout.observed.events]


def rollbacks_of(desk, rollout: Rollout) -> list[AuditRecord]:
    records = AuditLog(desk.workspace).tail(500)
    return [found for found in records if (found.verb, found.object) == ("rollout.roll_back", rollout.rollout_id)]


def calls_about(desk, rollout: Rollout) -> list[Alert]:
    return [alert for alert in Alerts(desk.workspace).open() if alert.labels.get("rollout") == rollout.rollout_id]


def test_neither_side_of_a_rollout_can_be_archived_or_pruned_while_it_lasts(desk) -> None:
    registry = Registry(desk.workspace)
    desk.begin_calling("good")
    rollout = desk.start_rollout("good", "for a look")
    desk.ask("POST", f"/rollouts/{rollout.rollout_id}/requests", {"desired": "paused"})
    for version in (rollout.stable, rollout.candidate):
        plan = registry.plan_archive("good", version)
        assert not plan.allowed
    assert f"is in rollout {rollout.rollout_id}" in registry.plan_archive("good", rollout.candidate).refusal
    kept = {candidate.version: candidate for candidate in registry.plan_prune("good", keep=0).candidates}
    assert not any(candidate.goes for candidate in kept.values())
    assert kept[rollout.candidate].reason == f"is in rollout {rollout.rollout_id}"
    desk.ask("POST", f"/rollouts/{rollout.rollout_id}/requests", {"desired": "aborted", "reason": "seen enough"})
    assert desk.ended(rollout.rollout_id).observed.phase is RolloutPhase.ABORTED
    assert registry.plan_archive("good", rollout.candidate).allowed


def test_a_plan_to_remove_that_is_older_than_the_rollout_is_refused(desk) -> None:
    registry = Registry(desk.workspace)
    to_archive, to_prune = registry.plan_archive("good", "1.1.0"), registry.plan_prune("good", keep=0)
    assert [candidate.version for candidate in to_prune.doomed] == ["1.1.0"]
    rollout = desk.start_rollout("good", "for another look")
    with pytest.raises(RefusedError, match=rollout.rollout_id):
        registry.apply(to_archive, actor=desk.actor, reason="tidying up")
    with pytest.raises(RefusedError, match=rollout.rollout_id):
        registry.prune(to_prune, actor=desk.actor, reason="tidying up")
    desk.ask("POST", f"/rollouts/{rollout.rollout_id}/requests", {"desired": "aborted"})
    desk.ended(rollout.rollout_id)
    assert registry.get("good", "1.1.0").stage is Stage.STAGING


@pytest.mark.parametrize("model", BAD)
def test_a_bad_candidate_is_taken_back_by_itself_and_says_why(desk, bad_rollouts, model: str) -> None:
    guard, _ = BAD[model]
    ended = desk.ended(bad_rollouts[model].rollout_id)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    last = ended.observed.events[-1]
    assert (last.verb, last.by) == ("rollout.roll_back", "engine")
    assert last.reason.startswith(f"{guard}: ")
    assert "shown to be" in last.reason
    assert ended.observed.verdict.guard == guard
    assert ended.observed.evidence.n_candidate > 0
    registry = Registry(desk.workspace)
    assert registry.production(model).version == "1.0.0"
    assert registry.get(model, "1.1.0").stage is Stage.STAGING
    # The step is committed first; the log and the call follow within moments.
    (recorded,) = desk.until(lambda: rollbacks_of(desk, ended), "its audit record")
    assert recorded.actor.startswith("engine@")
    assert recorded.reason == last.reason
    (alert,) = desk.until(lambda: calls_about(desk, ended), "a call")
    assert alert.rule == "rollout_rolled_back"
    assert last.reason in alert.summary
    assert desk.callers[model].failures == [], "no caller has paid for it"


def test_after_a_rollback_the_stable_version_answers_everybody(desk, bad_rollouts) -> None:
    for model, rollout in bad_rollouts.items():
        desk.ended(rollout.rollout_id)
        desk.until(lambda model=model: only_answered_by(desk.callers[model], "1.0.0"), f"{model} 1.0.0 alone")


def test_a_good_candidate_goes_live_though_server_and_engine_are_killed_on_the_way(desk) -> None:
    caller = desk.callers["good"]
    n_answered_before = caller.n_answered
    begun = desk.start_rollout("good", "learnt from twice as many flats")

    def judged(*, at_step: int) -> Rollout | None:
        rollout = desk.rollouts.get(begun.rollout_id)
        assert rollout.is_active, rollout.observed.events[-1]
        is_running = rollout.observed.phase is RolloutPhase.RUNNING and caller.n_answered >= n_answered_before + 100
        return rollout if is_running and rollout.observed.step >= at_step else None

    before = desk.until(lambda: judged(at_step=0), "traffic at the first step")
    desk.kill_server()
    accepted = list(caller.accepted)
    assert_stored(desk, accepted)
    desk.start_server()
    after = desk.rollouts.get(begun.rollout_id)
    assert_nothing_forgotten(before, after)

    desk.until(lambda: judged(at_step=1), "the second step")
    desk.kill_engine()
    n_at_kill = caller.n_answered
    before = desk.rollouts.get(begun.rollout_id)
    desk.until(lambda: caller.n_answered > n_at_kill + 100, "answers without an engine")
    assert_nothing_forgotten(before, desk.rollouts.get(begun.rollout_id))
    desk.start_engine()

    desk.until(lambda: judged(at_step=2), "the third step")
    ended = desk.ended(begun.rollout_id)
    assert ended.observed.phase is RolloutPhase.PROMOTED, ended.observed.events[-1]
    assert_nothing_forgotten(before, ended)
    assert verbs(ended) == ["rollout.start", "rollout.begin", "rollout.advance", "rollout.advance", "rollout.promote"]
    assert all(event.reason for event in ended.observed.events)
    assert [event.share for event in ended.observed.events] == [0, 0.2, 0.35, 0.5, 1.0]
    registry = Registry(desk.workspace)
    assert registry.production("good").version == "1.1.0"
    assert ended.rollout_id in registry.went_live("good").reason

    n_asked = caller.n_asked
    counted = ended.observed.evidence.n_stable + ended.observed.evidence.n_candidate
    assert 0 < counted <= n_asked - n_answered_before, "no answer counts twice, however often its reader was killed"
    desk.until(lambda: only_answered_by(caller, "1.1.0"), "the candidate alone")
    assert_stored(desk, caller.accepted)
    assert caller.failures == []
    assert AuditLog(desk.workspace).verify().ok
    assert examine(desk.workspace) == []


def test_versions_go_live_and_back_under_load_without_a_failed_request(desk) -> None:
    caller = desk.callers["good"]
    n_before = caller.n_answered
    for verb, live in (("rollback", "1.0.0"), ("undo", "1.1.0"), ("rollback", "1.0.0"), ("undo", "1.1.0")):
        plan = desk.ask("POST", "/models/good/plans", {"verb": verb})
        assert plan["allowed"], plan
        move = {"verb": verb, "expected_revision": plan["expected_revision"], "reason": "back and forth"}
        desk.ask("POST", "/models/good/moves", move)
        desk.until(lambda live=live: only_answered_by(caller, live), f"{live} alone")
    assert caller.n_answered - n_before >= 4 * N_ALONE
    desk.until(lambda: sum(found.n_answered for found in desk.callers.values()) >= 2_000, "two thousand answers")
    assert [failure for found in desk.callers.values() for failure in found.failures] == []


def only_answered_by(caller: Any, version: str) -> bool:
    """Say whether the latest answers all came from one version."""
    latest = list(caller.latest)[-N_ALONE:]
    return len(latest) == N_ALONE and set(latest) == {version}


def assert_nothing_forgotten(before: Rollout, after: Rollout) -> None:
    """What was decided and seen is still there; more may have been added."""
    seen = len(before.observed.events)
    assert after.observed.events[:seen] == before.observed.events
    assert after.observed.evidence.n_stable >= before.observed.evidence.n_stable
    assert after.observed.evidence.n_candidate >= before.observed.evidence.n_candidate
    assert after.observed.step >= before.observed.step
    assert after.plan == before.plan


def assert_stored(desk, accepted: Iterable[str]) -> None:
    """Every outcome that was accepted is stored, and so is the prediction that it is about."""
    numbers = {request_number(request_id): request_id for request_id in accepted}
    assert numbers
    file = desk.workspace.predictions_file
    with closing(sqlite3.connect(file)) as connection:
        # One whose prediction was lost with a killed server waits for it.
        query = "SELECT request FROM outcome UNION SELECT request FROM waiting"
        stored = {number for (number,) in connection.execute(query)}
    assert [numbers[number] for number in numbers.keys() - stored] == []
    reader = PredictionReader(file)
    assert all(reader.holds(request_id) for request_id in list(numbers.values())[-500:])
    reader.close()
