"""The engine's working memory: the same evidence after a kill, and after its file is lost or damaged."""

import random

import msgspec
import pytest

from core.alerts import Alerts
from core.maintenance.doctor import examine
from core.rollout import Arm, Guard, GuardSource, RolloutPhase, RolloutStep, RolloutWorker
from core.rollout.working_memory import WorkingMemory, sealed

GUARDS = (
    Guard(name="errors", source=GuardSource.ERRORS),
    Guard(name="loss", source=GuardSource.LOSS, required=False),
)
STEPS = (RolloutStep(share=0.2, dwell_seconds=1e5),)


@pytest.fixture
def judged(workspace, rollouts, start, worker, source, clock):
    """Let a rollout collect evidence, and return its id."""
    rollout = start(guards=GUARDS, deadline_seconds=1e6, steps=STEPS)
    worker.tick(clock.now)
    feed(source, worker, clock)
    return rollout.rollout_id


def feed(source, worker, clock, seed: int = 1) -> None:
    dice = random.Random(seed)
    for arm, n in ((Arm.STABLE, 400), (Arm.CANDIDATE, 100)):
        source.serve(arm, n, share=0.2, n_failed=n // 10)
        source.score(arm, *(dice.expovariate(1) for _ in range(n)), share=0.2)
    for _ in range(2):
        worker.tick(clock.pass_by(10))


def content_of(path) -> dict:
    return msgspec.msgpack.decode(path.read_bytes()[64:])


def altered(path) -> bytes:
    """Return a well-formed file with false counts below the digest of the true ones."""
    content = content_of(path)
    content["evidence"]["n_candidate"] = 1_000_000
    return path.read_bytes()[:64] + msgspec.msgpack.encode(content)


def another(workspace, source, registry, clock) -> RolloutWorker:
    return RolloutWorker(workspace, source=source, registry=registry, clock=clock)


def readings(rollouts, rollout_id):
    return [
        (reading.guard, reading.verdict, reading.effect, reading.low, reading.high, reading.n_candidate)
        for reading in rollouts.get(rollout_id).observed.readings
    ]


def test_an_engine_after_a_killed_one_continues_from_the_file(
    workspace, rollouts, judged, registry, source, clock
) -> None:
    before = readings(rollouts, judged)
    worker = another(workspace, source, registry, clock)
    worker.tick(clock.pass_by(10))
    assert readings(rollouts, judged) == before
    assert "rollout.recollect" not in [event.verb for event in rollouts.get(judged).observed.events]


@pytest.mark.parametrize("is_known", [True, False], ids=["from the file", "from the predictions, after an upgrade"])
def test_the_failed_callers_are_those_before_the_kill(
    workspace, rollouts, judged, registry, source, clock, monkeypatch, worker, is_known
) -> None:
    for arm in (Arm.STABLE, Arm.CANDIDATE):
        for unit in (7, -(2**62)):
            source.serve(arm, 2, share=0.2, n_failed=2, unit=unit)
    for _ in range(2):
        worker.tick(clock.pass_by(10))
    path = workspace.evidence_file(judged)
    content = content_of(path)
    assert len(content["failed_units"]["errors"]) == 2 * 8
    if is_known:
        monkeypatch.setattr(source, "failed_units", lambda *_, **__: pytest.fail("reads every prediction"))
    else:
        path.write_bytes(sealed(msgspec.msgpack.encode(content | {"failed_units": None})))
    again = another(workspace, source, registry, clock)
    again.tick(clock.pass_by(10))
    (_, collector) = again._collectors[judged]
    assert collector.failed_units == {"errors": {7, -(2**62)}}


def test_a_document_older_than_the_file_does_not_count_anything_twice(
    workspace, rollouts, judged, registry, source, clock, worker, monkeypatch
) -> None:
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(worker._rollouts, "save", killed)  # after the file was written, before the document was
        with pytest.raises(KeyboardInterrupt):
            feed(source, worker, clock, seed=2)
    worker = another(workspace, source, registry, clock)
    for _ in range(2):
        worker.tick(clock.pass_by(10))
    evidence = rollouts.get(judged).observed.evidence
    assert (evidence.n_stable, evidence.n_candidate) == (800, 200)
    assert rollouts.get(judged).observed.losses.n_computed == 1_000


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        pytest.param(lambda path: path.unlink(), "the file is missing", id="missing"),
        pytest.param(lambda path: path.write_bytes(b"not this"), "is damaged", id="damaged"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:100]), "is damaged", id="cut off"),
        pytest.param(lambda path: path.write_bytes(altered(path)), "does not match its digest", id="false counts"),
        pytest.param(
            lambda path: path.write_bytes(msgspec.msgpack.encode(content_of(path) | {"version": 2})),
            "is of version 2, and 3 is needed",
            id="of an earlier release",
        ),
    ],
)
def test_a_lost_file_is_collected_again_and_an_event_says_so(
    workspace, rollouts, judged, registry, source, clock, damage, problem
) -> None:
    before, path = readings(rollouts, judged), workspace.evidence_file(judged)
    damage(path)
    findings = [finding for finding in examine(workspace) if finding.file == str(path)]
    assert len(findings) == path.exists()
    worker = another(workspace, source, registry, clock)
    for _ in range(2):
        worker.tick(clock.pass_by(10))
    observed = rollouts.get(judged).observed
    assert readings(rollouts, judged) == before
    (event,) = [event for event in observed.events if event.verb == "rollout.recollect"]
    assert problem in event.reason
    assert [finding for finding in examine(workspace) if finding.file == str(path)] == []


def test_the_file_of_another_rollout_with_the_same_id_is_not_used(workspace, rollouts, judged, source, clock) -> None:
    twin = msgspec.structs.replace(rollouts.get(judged), created_at=clock.pass_by(1))
    recalled = WorkingMemory(workspace).recall(twin, source)
    assert "is of another rollout" in recalled.problem
    assert recalled.collector.evidence.n_candidate == 0


def test_the_file_is_removed_when_its_rollout_ends(
    workspace, rollouts, judged, registry, source, clock, worker, ana
) -> None:
    path = workspace.evidence_file(judged)
    assert path.exists()
    rollouts.abort(judged, actor=ana)
    worker.tick(clock.pass_by(1))
    assert rollouts.get(judged).observed.phase is RolloutPhase.ABORTED
    assert not path.exists()
    path.write_bytes(b"left by an engine that was killed")
    another(workspace, source, registry, clock).tick(clock.pass_by(1))
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_one_event_and_a_state_that_ends_with_its_cause(
    workspace, rollouts, judged, registry, source, clock
) -> None:
    """A folder in its place can be neither read nor replaced; judging goes on from the predictions."""
    path = workspace.evidence_file(judged)
    path.unlink()
    path.mkdir()
    for _ in range(2):  # each an engine of its own
        worker = another(workspace, source, registry, clock)
        for _ in range(30):
            worker.tick(clock.pass_by(1))
    source.serve(Arm.CANDIDATE, 50, share=0.2)
    for _ in range(5):
        worker.tick(clock.pass_by(1))
    stuck = rollouts.get(judged)
    assert [event.verb for event in stuck.observed.events].count("rollout.recollect") == 1
    assert stuck.is_stuck
    assert "its evidence cannot be stored" in stuck.observed.problem
    assert stuck.observed.evidence.n_candidate == 150, "new requests are read all the same"
    (alert,) = [alert for alert in Alerts(workspace).all() if alert.rule == "rollout_stuck"]
    assert (alert.state, "its evidence cannot be stored" in alert.summary) == ("firing", True)
    path.rmdir()
    for _ in range(5):
        worker.tick(clock.pass_by(1))
    assert not rollouts.get(judged).is_stuck
    assert path.is_file()
    (alert,) = [alert for alert in Alerts(workspace).all() if alert.rule == "rollout_stuck"]
    assert alert.state == "resolved"


def test_a_candidate_goes_no_further_on_evidence_that_cannot_be_stored_and_harm_takes_it_back(
    workspace, rollouts, start, registry, worker, source, clock
) -> None:
    rollout = start(guards=GUARDS, steps=(RolloutStep(share=0.2, dwell_seconds=10),))
    path = workspace.evidence_file(rollout.rollout_id)
    path.mkdir()
    worker.tick(clock.now)
    source.serve(Arm.STABLE, 40_000, share=0.2, n_failed=400)
    source.serve(Arm.CANDIDATE, 10_000, share=0.2, n_failed=40)
    for _ in range(10):
        worker.tick(clock.pass_by(4))
    held = rollouts.get(rollout.rollout_id)
    assert (held.is_stuck, held.is_active) == (True, True)
    assert held.observed.verdict.reason == "it goes no further while its evidence cannot be stored"
    source.serve(Arm.STABLE, 40, share=0.2)
    source.serve(Arm.CANDIDATE, 900, share=0.2, n_failed=900)
    for _ in range(3):
        worker.tick(clock.pass_by(4))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.ROLLED_BACK
