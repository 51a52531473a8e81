"""The engine's thread for rollouts: it begins and ends them, wakes when asked, and rests while there is none."""

import queue
import threading

import pytest

from core.alerts import Alerts, AlertState
from core.backoff import BackOff
from core.engine import Engine
from core.engine.worker import WorkerThread
from core.engine.workers.rollouts import RolloutLoop
from core.governance import AuditLog
from core.quality.gate import judge
from core.registry import Registry, Stage
from core.rollout import RolloutPhase, RolloutPlan, Rollouts, RolloutWorker
from core.rollout.plan import Guard, GuardSource, RolloutStep
from core.rollout.strategies import Strategy
from core.settings.promotion import PromotionSettings
from tests.waiting import PATIENCE_SECONDS, until

PASSED = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
PATIENT = RolloutPlan(
    strategy=Strategy.CANARY,
    steps=(RolloutStep(share=0.05), RolloutStep(share=0.2)),
    guards=(Guard(name="errors", source=GuardSource.ERRORS, tolerated_share=0.01),),
)


@pytest.fixture
def rollouts(workspace, person, tmp_path):
    """A workspace with spread 1.0.0 in Production and 1.1.0 in Staging."""
    source = tmp_path / "trained"
    source.mkdir()
    registry = Registry(workspace, promotion=PromotionSettings())
    for content, stage in (("a", Stage.PRODUCTION), ("b", Stage.STAGING)):
        (source / "model.txt").write_text(content)
        version = registry.register(
            "spread", source, metrics={"attainment": 0.9}, lineage={}, gates=PASSED, actor=person
        ).version
        while registry.get("spread", version).stage is not stage:
            registry.apply(registry.plan_promotion("spread", version), actor=person)
    return Rollouts(workspace, registry=registry)


@pytest.fixture
def start(rollouts, person):
    candidate = Registry(rollouts._workspace).versions("spread")[-1].version
    return lambda: rollouts.start(rollouts.plan("spread", candidate, policy=PATIENT), actor=person).rollout_id


@pytest.fixture
def engine(workspace, person):
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    yield engine
    engine.stop(0)


@pytest.fixture
def phase(rollouts):
    """Wait until a rollout is in a phase."""

    def reached(rollout_id: str, wished: RolloutPhase):
        def found():
            rollout = rollouts.get(rollout_id)
            return rollout if rollout.observed.phase is wished else None

        return until(found, str(wished), told=lambda: rollouts.get(rollout_id))

    return reached


def test_the_engine_starts_holds_resumes_and_aborts_a_rollout(workspace, engine, rollouts, start, phase, person):
    rollout_id = start()
    assert phase(rollout_id, RolloutPhase.RUNNING).observed.share == 0.05
    rollouts.hold(rollout_id, actor=person, reason="lunch")
    phase(rollout_id, RolloutPhase.PAUSED)
    rollouts.resume(rollout_id, actor=person)
    phase(rollout_id, RolloutPhase.RUNNING)
    rollouts.abort(rollout_id, actor=person, reason="enough")
    assert phase(rollout_id, RolloutPhase.ABORTED).observed.events[-1].reason.endswith("enough")
    audit = AuditLog(workspace)
    audit.drain()  # a change is seen once it is committed; its record may still be on the way to the log
    verbs = {record.verb for record in audit.tail(50)}
    assert {"rollout.begin", "rollout.hold", "rollout.resume", "rollout.end"} <= verbs


def test_the_next_engine_continues_where_the_last_one_stopped(workspace, rollouts, start, phase, person):
    first = Engine(workspace, mode="headless", actor=person)
    first.start()
    rollout_id = start()
    begun = phase(rollout_id, RolloutPhase.RUNNING).observed
    first.stop(0)
    rollouts.advance(rollout_id, actor=person)
    second = Engine(workspace, mode="headless", actor=person)
    second.start()
    try:
        seen = until(lambda: (now := rollouts.get(rollout_id).observed).step > 0 and now, "the second step")
    finally:
        second.stop(0)
    assert (seen.share, seen.started_at) == (0.2, begun.started_at)


class CountedTurns:
    """Counts the worker's turns; fails in those it is told to fail in."""

    def __init__(self, monkeypatch, failing=()):
        self.n = 0
        self.came = threading.Condition()
        tick = RolloutWorker.tick

        def counted(worker, now):
            with self.came:
                self.n += 1
                self.came.notify_all()
            if self.n in failing:
                raise RuntimeError("a bug")
            return tick(worker, now)

        monkeypatch.setattr(RolloutWorker, "tick", counted)

    def until(self, n):
        with self.came:
            assert self.came.wait_for(lambda: self.n >= n, PATIENCE_SECONDS), self.n


@pytest.fixture
def loop(context):
    return RolloutLoop(context)


@pytest.fixture
def run(loop):
    """Give the loop its thread; at the end of the test it must have ended."""
    thread = WorkerThread(loop, report=lambda *_: None)
    yield thread.start
    thread.stop()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_without_an_active_rollout_there_is_no_step_until_something_changes(monkeypatch, loop, run):
    monkeypatch.setattr("core.engine.workers.rollouts.TICK_SECONDS", 0.001)
    turns, waits = CountedTurns(monkeypatch), queue.Queue()
    wait = loop.wake.wait
    monkeypatch.setattr(loop.wake, "wait", lambda timeout: waits.put(timeout) or wait(timeout))
    run()
    turns.until(1)
    assert waits.get(timeout=PATIENCE_SECONDS) is None, "nothing but news ends this wait"
    assert turns.n == 1
    loop.wake.set()
    turns.until(2)


def test_during_a_rollout_steps_follow_automatically(monkeypatch, run, start):
    start()
    monkeypatch.setattr("core.engine.workers.rollouts.TICK_SECONDS", 0.001)
    turns = CountedTurns(monkeypatch)
    run()
    turns.until(5)


def test_a_failed_step_raises_an_alert_and_the_next_step_follows(monkeypatch, workspace, start, person, phase):
    monkeypatch.setattr("core.engine.worker.RESTART", BackOff(first_seconds=0.01))
    turns = CountedTurns(monkeypatch, failing=(1,))
    rollout_id = start()
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    try:
        turns.until(2)
        phase(rollout_id, RolloutPhase.RUNNING)
    finally:
        engine.stop(0)
    (alert,) = [alert for alert in Alerts(workspace).all() if alert.rule == "engine_trouble"]
    assert alert.labels["thread"] == "rollouts"
    assert alert.state is AlertState.RESOLVED, "the next step has succeeded"
