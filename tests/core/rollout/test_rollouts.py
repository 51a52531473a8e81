"""The verbs: what people may ask of rollouts, and who wins when two ask at once."""

import json
import subprocess
import sys

import pytest

from core.actor import Actor, Origin
from core.errors import ConflictError, NotFoundError
from core.governance import AuditLog
from core.registry import Registry, Stage
from core.registry.holds import Holds
from core.rollout import RolloutActiveError, RolloutPhase, RolloutRefusedError, Rollouts, Strategy
from core.settings import PolicySource, PromotionSettings, load_policy
from core.state import StaleRevisionError
from core.telemetry.predictions import PredictionRecord, PredictionWriter

BEN = Actor("ben", "desk", Origin.CONSOLE)
CLEO = Actor("cleo", "desk", Origin.API)


def test_a_proposal_says_what_will_happen_and_the_way_back(rollouts, stable, candidate) -> None:
    proposal = rollouts.plan("spread", candidate, Strategy.CANARY)
    assert proposal.allowed
    assert (proposal.stable, proposal.candidate) == (stable, candidate)
    assert [step.share for step in proposal.plan.steps] == [0.05, 0.1, 0.2]
    assert {gate.name for gate in proposal.gates} >= {"min_accuracy"}
    assert "5% → 10% → 20%" in " ".join(proposal.effects)
    assert "Not judged: latency (no limit is set, and the stable version has answered too few requests" in " ".join(
        proposal.effects
    )
    assert stable in proposal.undo


def test_the_rules_come_from_the_policy_of_the_workspace(workspace, rollouts, candidate) -> None:
    workspace.settings_file.write_text("policy:\n  canary:\n    max_share: 0.4\n    alpha: 0.02\n")
    plan = rollouts.plan("spread", candidate).plan
    assert [step.share for step in plan.steps] == [0.05, 0.1, 0.2, 0.4]
    assert plan.alpha == 0.02


def test_the_latency_limit_is_the_99th_percentile_of_the_stable_version(
    workspace, rollouts, stable, candidate, clock
) -> None:
    with PredictionWriter(workspace.predictions_file, clock=clock) as writer:
        for number in range(1_000):
            writer.add(PredictionRecord(f"r{number}", clock.now, "spread", stable, latency_ms=number / 10))
        writer.flush()
    proposal = rollouts.plan("spread", candidate)
    (slow,) = (guard for guard in proposal.plan.guards if guard.name == "slow")
    assert slow.limit == 148.5
    told = " ".join(proposal.effects)
    assert "slow (slower than 148.5 ms: the larger of 1.5 times stable's p99 99 ms and the floor 5 ms)" in told
    assert "Not judged: latency" not in told


@pytest.mark.parametrize(
    ("stage", "attainment", "strategy", "says"),
    [
        pytest.param(Stage.DEVELOPMENT, 0.9, Strategy.CANARY, "must be in Staging", id="not in Staging"),
        pytest.param(Stage.STAGING, 0.5, Strategy.CANARY, "min_accuracy", id="a gate it could not pass at the end"),
        pytest.param(Stage.STAGING, 0.5, Strategy.SHADOW, None, id="but a shadow passes no gate"),
        pytest.param(Stage.DEVELOPMENT, 0.9, Strategy.SHADOW, None, id="nor does it have to be in Staging"),
    ],
)
def test_a_candidate_that_could_not_go_live_is_refused_beforehand(
    rollouts, stable, register, ana, stage, attainment, strategy, says
) -> None:
    version = register(stage, attainment=attainment)
    proposal = rollouts.plan("spread", version, strategy)
    assert proposal.allowed == (says is None)
    if says:
        assert says in proposal.refusal
        with pytest.raises(RolloutRefusedError, match=says):
            rollouts.start(proposal, actor=ana)
    else:
        assert rollouts.start(proposal, actor=ana).candidate == version


def test_without_a_live_version_there_is_nothing_to_roll_out_against(rollouts, register) -> None:
    version = register(Stage.STAGING)
    assert "nothing to compare" in rollouts.plan("spread", version).refusal


def test_a_share_that_the_rules_forbid_is_refused(rollouts, candidate) -> None:
    with pytest.raises(RolloutRefusedError, match="ceiling"):
        rollouts.plan("spread", candidate, share=0.5)


def test_there_is_one_rollout_of_a_model_at_a_time(rollouts, start, register, ana) -> None:
    first = start()
    another = register(Stage.STAGING)
    proposal = rollouts.plan("spread", another)
    assert first.rollout_id in proposal.refusal
    with pytest.raises(RolloutActiveError, match=first.rollout_id):
        rollouts.start(proposal, actor=ana)
    rollouts.abort(first.rollout_id, actor=ana)
    with pytest.raises(ConflictError, match="the engine is ending it"):
        rollouts.start(proposal, actor=ana)
    assert "the engine is ending it" in rollouts.plan("spread", another).refusal


class TestAbortWithoutAnEngine:
    """Nothing is left to judge once traffic is back, so nobody has to wait for an engine to start the next one."""

    def test_ends_the_rollout_in_the_name_of_who_asked(self, workspace, rollouts, start, worker, clock, lease, ana):
        rollout = start()
        worker.tick(clock.now)
        lease.release()
        ended = rollouts.abort(rollout.rollout_id, actor=ana, reason="odd spreads", expected_revision=rollout.revision)
        assert (ended.observed.phase, ended.share, ended.observed.ended_at) == (RolloutPhase.ABORTED, 0.0, clock.now)
        (*_, event) = ended.observed.events
        assert (event.by, event.reason) == ("ana@desk", "asked by ana@desk while no engine was running: odd spreads")
        *_, asked, end = AuditLog(workspace).tail(5)
        assert (asked.verb, end.verb) == ("rollout.abort", "rollout.end")
        assert end.actor == "ana@desk"
        assert (end.before["phase"], end.after["phase"]) == ("running", "aborted")

    @pytest.mark.parametrize("seen", [False, True], ids=["before its first step", "with traffic"])
    def test_lets_the_next_one_start(self, rollouts, start, worker, clock, lease, ana, seen):
        rollout = start()
        if seen:
            worker.tick(clock.now)
        lease.release()
        rollouts.abort(rollout.rollout_id, actor=ana)
        assert start().rollout_id == "ro-0002"

    def test_ends_a_rollout_whose_engine_was_killed_before_it_did(self, rollouts, start, lease, ana):
        rollout = start()
        assert rollouts.abort(rollout.rollout_id, actor=ana).is_active
        with pytest.raises(RolloutRefusedError, match="aborted it at"):
            rollouts.abort(rollout.rollout_id, actor=BEN)
        lease.release()
        assert not rollouts.abort(rollout.rollout_id, actor=BEN).is_active

    def test_is_refused_once_it_has_ended(self, rollouts, start, lease, ana):
        rollout = start()
        lease.release()
        rollouts.abort(rollout.rollout_id, actor=ana)
        with pytest.raises(RolloutRefusedError, match="has ended"):
            rollouts.abort(rollout.rollout_id, actor=BEN)

    def test_wins_over_an_engine_that_had_read_it_before(self, rollouts, start, worker, clock, lease, ana):
        seen = start()
        lease.release()
        rollouts.abort(seen.rollout_id, actor=ana)
        with pytest.raises(StaleRevisionError):
            rollouts.save(seen, seen.observed)
        worker.tick(clock.pass_by(1))
        assert rollouts.get(seen.rollout_id).observed.phase is RolloutPhase.ABORTED


def test_a_proposal_is_stale_once_another_version_is_live(rollouts, registry, register, candidate, ana) -> None:
    proposal = rollouts.plan("spread", candidate)
    register(Stage.PRODUCTION)
    with pytest.raises(RolloutRefusedError, match="Review the plan again"):
        rollouts.start(proposal, actor=ana)


class TestFourEyes:
    """What the engine promotes at the end, it promotes in the name of who started the rollout."""

    @pytest.fixture
    def registry(self, workspace, clock) -> Registry:
        return Registry(workspace, promotion=PromotionSettings(required_approvals=1), clock=clock)

    @pytest.fixture
    def candidate(self, workspace, register) -> str:
        """A version in Staging that Ana has registered, beside one that is live."""
        lenient = Registry(workspace, promotion=PromotionSettings())
        lenient.apply(lenient.plan_promotion("spread", register()), actor=CLEO)
        return register()

    def test_nobody_starts_on_their_own_approval_alone(self, rollouts, registry, candidate) -> None:
        registry.approve("spread", candidate, actor=BEN)
        proposal = rollouts.plan("spread", candidate, actor=BEN)
        assert "ben cannot approve their own promotion" in proposal.refusal
        open_to_others = rollouts.plan("spread", candidate)
        assert open_to_others.allowed
        with pytest.raises(RolloutRefusedError, match="ben cannot approve their own promotion"):
            rollouts.start(open_to_others, actor=BEN)

    def test_a_split_that_serves_nearly_everybody_takes_an_approval_too(self, rollouts, registry, candidate) -> None:
        proposal = rollouts.plan("spread", candidate, Strategy.AB, share=0.999, actor=BEN)
        assert "nobody has approved" in proposal.refusal
        registry.approve("spread", candidate, actor=BEN)
        open_to_others = rollouts.plan("spread", candidate, Strategy.AB, share=0.999)
        with pytest.raises(RolloutRefusedError, match="ben cannot approve their own promotion"):
            rollouts.start(open_to_others, actor=BEN)
        registry.approve("spread", candidate, actor=CLEO)
        assert rollouts.start(open_to_others, actor=BEN).strategy is Strategy.AB

    def test_a_shadow_answers_nobody_and_needs_no_approval(self, rollouts, registry, candidate) -> None:
        assert rollouts.plan("spread", candidate, Strategy.SHADOW, actor=BEN).allowed

    def test_nor_does_an_approval_after_the_start_help(self, rollouts, registry, candidate, worker, clock) -> None:
        registry.approve("spread", candidate, actor=CLEO)
        rollout = rollouts.start(rollouts.plan("spread", candidate), actor=BEN)
        worker.tick(clock.now)
        registry.withdraw_approval("spread", candidate, actor=CLEO)
        registry.approve("spread", candidate, actor=BEN)
        rollouts.promote_now(rollout.rollout_id, actor=BEN)
        worker.tick(clock.now)
        ended = rollouts.get(rollout.rollout_id)
        assert ended.observed.phase is RolloutPhase.ROLLED_BACK
        assert "ben cannot approve their own promotion" in ended.observed.events[-1].reason

    def test_with_another_persons_approval_it_goes_live(self, rollouts, registry, candidate, worker, clock) -> None:
        registry.approve("spread", candidate, actor=CLEO)
        rollout = rollouts.start(rollouts.plan("spread", candidate), actor=BEN)
        worker.tick(clock.now)
        rollouts.promote_now(rollout.rollout_id, actor=BEN)
        worker.tick(clock.now)
        assert registry.production("spread").version == candidate


def test_a_rollout_names_the_rules_that_it_was_started_by(workspace, rollouts, candidate, tmp_path, ana) -> None:
    by_default = rollouts.plan("spread", candidate)
    file = tmp_path / "careful.yaml"
    file.write_text("overrides: {spread: {canary: {initial_share: 0.01}}}\n")
    careful = Rollouts(workspace, policy=PolicySource(workspace.root, config=file))
    proposal = careful.plan("spread", candidate)
    assert proposal.plan.steps[0].share == 0.01
    assert proposal.policy_sha256 == load_policy(workspace.root, config=file).for_model("spread").sha256
    assert proposal.policy_sha256 != by_default.policy_sha256
    rollout = careful.start(proposal, actor=ana)
    assert (rollout.policy_sha256, rollout.policy_files) == (proposal.policy_sha256, ("bondx.yaml", "careful.yaml"))
    (record,) = AuditLog(workspace).tail(1)
    assert record.after["policy_sha256"] == proposal.policy_sha256


def test_a_candidate_named_by_an_alias_is_the_version_behind_it(rollouts, registry, candidate, ana) -> None:
    registry.set_alias("spread", "next", candidate, actor=ana)
    assert rollouts.start(rollouts.plan("spread", "@next"), actor=ana).candidate == candidate


def test_both_versions_of_an_active_rollout_are_held(
    workspace, rollouts, start, stable, candidate, worker, clock, ana
) -> None:
    holds = Holds(workspace.database("registry"))
    rollout = start()
    assert holds.of("spread") == {stable: rollout.rollout_id, candidate: rollout.rollout_id}
    rollouts.abort(rollout.rollout_id, actor=ana)
    worker.tick(clock.now)
    assert holds.of("spread") == {}


def test_every_request_is_recorded_with_who_and_why(workspace, rollouts, start, ana) -> None:
    rollout = start(reason="better on the holdout")
    rollouts.hold(rollout.rollout_id, actor=ana, reason="the desk asked")
    rollouts.resume(rollout.rollout_id, actor=ana)
    rollouts.abort(rollout.rollout_id, actor=ana, reason="not today")
    records = [record for record in AuditLog(workspace).tail(20) if record.object == rollout.rollout_id]
    assert [(record.verb, record.reason) for record in records] == [
        ("rollout.start", "better on the holdout"),
        ("rollout.hold", "the desk asked"),
        ("rollout.resume", ""),
        ("rollout.abort", "not today"),
    ]
    assert {record.actor for record in records} == {"ana@desk"}


def test_a_request_based_on_a_stale_view_is_refused_but_progress_makes_no_view_stale(
    rollouts, start, worker, clock, ana
) -> None:
    seen = start()
    worker.tick(clock.now)
    held = rollouts.hold(seen.rollout_id, actor=ana, expected_revision=seen.revision)
    assert held.desired == "paused"
    with pytest.raises(StaleRevisionError, match="ana@desk"):
        rollouts.abort(seen.rollout_id, actor=ana, expected_revision=seen.revision)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        pytest.param(["resume"], "already asked for that", id="running already"),
        pytest.param(["hold", "hold"], "already asked for that", id="held already"),
        pytest.param(["abort", "resume"], "aborted it at", id="an abort is final"),
        pytest.param(["advance"], "is not open yet", id="no step before the first"),
    ],
)
def test_an_impossible_request_is_refused_with_the_reason(rollouts, start, ana, asked, says) -> None:
    rollout = start()
    *before, last = asked
    for verb in before:
        getattr(rollouts, verb)(rollout.rollout_id, actor=ana)
    with pytest.raises(RolloutRefusedError, match=says):
        getattr(rollouts, last)(rollout.rollout_id, actor=ana)


def test_a_person_may_take_a_step_at_a_time_up_to_the_last(rollouts, start, worker, clock, ana) -> None:
    rollout = start()
    worker.tick(clock.now)
    rollouts.advance(rollout.rollout_id, actor=ana, reason="it is quiet")
    worker.tick(clock.pass_by(1))
    observed = rollouts.get(rollout.rollout_id).observed
    assert (observed.step, observed.share) == (1, 0.2)
    assert "asked by ana@desk: it is quiet" in observed.events[-1].reason
    with pytest.raises(RolloutRefusedError, match="no step after the last"):
        rollouts.advance(rollout.rollout_id, actor=ana)


def test_a_key_pressed_just_after_the_engine_took_the_step_does_not_take_another(
    rollouts, start, worker, clock, ana
) -> None:
    rollout = start()
    worker.tick(clock.now)
    rollouts.advance(rollout.rollout_id, actor=ana, step=1)
    worker.tick(clock.pass_by(1))
    with pytest.raises(RolloutRefusedError, match="already at step 2 of 2"):
        rollouts.advance(rollout.rollout_id, actor=ana, step=1)


def test_a_step_requested_while_someone_else_holds_the_rollout_leaves_it_held(
    rollouts, start, worker, clock, ana, monkeypatch
) -> None:
    rollout = start()
    worker.tick(clock.now)
    seen = rollouts.get(rollout.rollout_id)
    rollouts.hold(rollout.rollout_id, actor=BEN, reason="the desk asked")
    looks, named = [seen], rollouts.named  # what was looked at just before the hold
    monkeypatch.setattr(rollouts, "named", lambda name: looks.pop() if looks else named(name))
    rollouts.advance(rollout.rollout_id, actor=ana)
    monkeypatch.undo()
    asked = rollouts.get(rollout.rollout_id)
    assert (asked.desired, asked.desired_step) == ("paused", 1)


def test_a_rollout_held_before_its_first_step_gets_no_traffic(workspace, rollouts, start, worker, clock, ana) -> None:
    rollout = start()
    rollouts.hold(rollout.rollout_id, actor=ana)
    worker.tick(clock.now)
    assert rollouts.get(rollout.rollout_id).share == 0.0
    rollouts.resume(rollout.rollout_id, actor=ana)
    worker.tick(clock.pass_by(1))
    assert rollouts.get(rollout.rollout_id).share == 0.05


@pytest.mark.parametrize("strategy", [Strategy.CANARY, Strategy.BLUE_GREEN])
def test_before_its_first_step_is_open_a_rollout_goes_back_but_not_forward(
    rollouts, start, worker, clock, ana, strategy
):
    rollout = start(strategy)
    for forward in (rollouts.advance, rollouts.promote_now):
        with pytest.raises(RolloutRefusedError, match="its first step is not open yet"):
            forward(rollout.rollout_id, actor=ana)
    assert rollouts.get(rollout.rollout_id) == rollout
    rollouts.hold(rollout.rollout_id, actor=ana)
    rollouts.resume(rollout.rollout_id, actor=ana)
    worker.tick(clock.now)
    assert rollouts.promote_now(rollout.rollout_id, actor=ana).is_asked_live


def test_an_experiment_is_not_promoted_from_within(rollouts, start, ana) -> None:
    rollout = start(Strategy.AB)
    with pytest.raises(RolloutRefusedError, match="ends with a finding"):
        rollouts.promote_now(rollout.rollout_id, actor=ana)


def test_an_ended_rollout_refuses_every_request(rollouts, start, worker, clock, ana) -> None:
    rollout = start()
    rollouts.abort(rollout.rollout_id, actor=ana)
    worker.tick(clock.now)
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.ABORTED
    with pytest.raises(RolloutRefusedError, match="has ended"):
        rollouts.hold(rollout.rollout_id, actor=ana)
    with pytest.raises(NotFoundError, match="ro-0001"):
        rollouts.hold("ro-0009", actor=ana)


STARTER = """
import sys, json
from pathlib import Path
from core.actor import Actor, Origin
from core.errors import CoreError
from core.rollout import Rollouts, Strategy
from core.state import Workspace

name, root, version = sys.argv[1:]
rollouts = Rollouts(Workspace.open(Path(root)))
proposal = rollouts.plan("spread", version, Strategy.CANARY)
print("planned", flush=True)
sys.stdin.readline()
try:
    rollout = rollouts.start(proposal, actor=Actor(name, "desk", Origin.COMMAND_LINE))
    print(json.dumps({"won": rollout.rollout_id}), flush=True)
except CoreError as error:
    print(json.dumps({"exit_code": int(error.exit_code), "says": str(error)}), flush=True)
"""


def test_when_two_processes_start_a_rollout_at_once_exactly_one_succeeds(workspace, rollouts, candidate) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, name, str(workspace.root), candidate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("ana", "ben", "eve")
    ]
    assert [starter.stdout.readline() for starter in starters] == ["planned\n"] * 3
    for starter in starters:
        starter.stdin.write("go\n")
        starter.stdin.flush()
    answers = [json.loads(starter.communicate()[0]) for starter in starters]
    assert sorted("won" in answer for answer in answers) == [False, False, True]
    for answer in answers:
        if "won" not in answer:
            assert answer["exit_code"] == 4
            assert "ro-0001" in answer["says"]
    assert len(rollouts.all()) == 1
