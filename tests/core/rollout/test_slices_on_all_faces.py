"""A candidate that is worse on one slice and better elsewhere is stopped there, and every face says so."""

import itertools
import json

import numpy as np
import pytest

from console.cli.main import main
from console.presentation.rollout_evidence import evidence_lines
from core.rollout import Arm, Guard, GuardSource, GuardVerdict, RolloutPhase, RolloutWorker, Strategy
from core.rollout.slices import Slice, code_of
from core.telemetry.chunk import to_us
from core.telemetry.predictions import Scored
from widgets.glyphs import UNICODE

LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.1)
ERRORS = Guard(name="errors", source=GuardSource.ERRORS, tolerated_share=0.01)
REGION = Slice(column="region", names=("missing", "EU", "US", "other"), levels=("EU", "US"))
DESK = Slice(column="desk", names=("missing", "1", "other"), levels=("1",))
WORSE, ELSEWHERE, SHARE_WORSE = 3.0, 0.4, 0.2  # on average 0.92 times the stable version's loss


def feed(source, clock, share, n, seed, *, with_rows=True):
    """Serve and score requests, each of a caller of its own; the candidate is worse where region is US."""
    random = np.random.default_rng(seed)
    for _ in range(n):
        is_us, place = random.random() < SHARE_WORSE, random.random()
        arm = Arm.CANDIDATE if place < share else Arm.STABLE
        ratio = (WORSE if is_us else ELSEWHERE) if arm is Arm.CANDIDATE else 1.0
        code = code_of([REGION, DESK], {"region": "US" if is_us else "EU"}) if with_rows else None
        unit = int(place * 2**64) - 2**63
        source.serve(arm, 1, share=share, unit=unit)
        source.served[-1] = source.served[-1]._replace(slices=code, at_us=to_us(clock.now))
        source.scored.append(
            Scored(arm, share, random.exponential(ratio), unit, code, request=unit, at_us=to_us(clock.now))
        )


def judged(rollouts, rollout, worker, source, clock, *, ticks, n, **more):
    for tick in range(ticks):
        share = rollouts.get(rollout.rollout_id).share
        feed(source, clock, share, n, tick, **more)
        worker.tick(clock.pass_by(61))
        if not rollouts.get(rollout.rollout_id).is_active:
            break
    return rollouts.get(rollout.rollout_id)


@pytest.fixture
def shown(workspace, monkeypatch, capsys):
    """Print a rollout as `bondx rollout show` does, as a table and as JSON."""
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))

    def show(rollout_id: str):
        capsys.readouterr()
        assert main(["rollout", "show", rollout_id]) == 0
        table = capsys.readouterr().out
        assert main(["rollout", "show", rollout_id, "--json"]) == 0
        return table, json.loads(capsys.readouterr().out)

    return show


@pytest.mark.parametrize("strategy", [Strategy.CANARY, Strategy.AB])
def test_worse_on_one_slice_is_never_taken_further(
    rollouts, start, worker, source, clock, shown, api, strategy
) -> None:
    guards, primary = (ERRORS, LOSS), "loss" if strategy is Strategy.AB else ""
    rollout = start(strategy, guards=guards, primary=primary, slices=(REGION, DESK), deadline_seconds=1e6)
    worker.tick(clock.now)
    found = judged(rollouts, rollout, worker, source, clock, ticks=12, n=800)
    assert found.observed.phase is RolloutPhase.ROLLED_BACK
    assert found.observed.verdict.guard == "loss region=US"
    assert "shown to be worse" in found.observed.events[-1].reason
    worst = found.observed.slices[0]
    assert (str(worst.slice), worst.verdict, worst.effect > 2) == ("region=US", GuardVerdict.HARMFUL, True)
    loss = next(reading for reading in found.observed.readings if reading.guard == "loss")
    assert loss.verdict is not GuardVerdict.HARMFUL, "over all requests it is no worse"

    written = "\n".join(line.text for line in evidence_lines(found, clock.now, UNICODE, absence=None))
    table, document = shown(rollout.rollout_id)
    answer = api.get(f"/api/v1/rollouts/{rollout.rollout_id}").json()
    for face in (written, table):
        assert "loss region=US" in face
        assert "loss region=EU" in face
        assert worst.reason.removeprefix("loss region=US: ") in face
    for each in (document, answer):
        readings = {
            (reading["source"], reading["slice"]["level"]): reading
            for reading in each["observed"]["slices"]
            if reading["slice"]["column"] == "region"
        }
        assert readings["loss", "US"]["verdict"] == "harmful"
        assert readings["loss", "EU"]["verdict"] == "undecided"
    assert {"what": "loss by desk", "reason": "no outcomes with a value of it for both versions"} in answer["observed"][
        "not_judged"
    ]


def test_a_slice_under_suspicion_holds_the_rollout(rollouts, start, worker, source, clock, monkeypatch) -> None:
    """So early that nothing is proven, the first step is not left."""
    rollout = start(guards=(ERRORS, LOSS), slices=(REGION,), deadline_seconds=1e6)
    worker.tick(clock.now)
    seen = []
    for tick in range(40):
        feed(source, clock, rollouts.get(rollout.rollout_id).share, 100, tick)
        worker.tick(clock.pass_by(61))
        found = rollouts.get(rollout.rollout_id).observed
        seen.append(found)
        if found.phase is not RolloutPhase.RUNNING:
            break
    suspect = [each for each in seen if each.slices and each.slices[0].verdict is GuardVerdict.SUSPECT]
    assert suspect
    for before, after in itertools.pairwise(seen):
        if before in suspect:
            assert after.step == before.step or after.slices[0].verdict is not GuardVerdict.SUSPECT
    assert {found.what for found in suspect[0].not_judged} >= {"loss region=US"}


def test_slices_that_no_request_carries_are_listed_as_not_judged(
    workspace, rollouts, start, worker, source, clock, shown
) -> None:
    """As by the Python face without rows, and where the column is missing in every request."""
    rollout = start(guards=(ERRORS, LOSS), slices=(REGION, DESK), deadline_seconds=1e6)
    worker.tick(clock.now)
    found = judged(rollouts, rollout, worker, source, clock, ticks=3, n=200, with_rows=False)
    assert found.observed.slices == ()
    expected = {f"{guard} by {column}" for guard in ("errors", "loss") for column in ("region", "desk")}
    assert {each.what for each in found.not_judged} >= expected
    written = "\n".join(line.text for line in evidence_lines(found, clock.now, UNICODE, absence=None))
    table, document = shown(rollout.rollout_id)
    for face in (written, table, json.dumps(document["observed"]["not_judged"])):
        assert "loss by region" in face


def test_an_engine_that_follows_judges_slices_by_all_that_was_read(
    workspace, registry, rollouts, start, worker, source, clock
) -> None:
    rollout = start(guards=(ERRORS, LOSS), slices=(REGION,), deadline_seconds=1e6)
    worker.tick(clock.now)
    judged(rollouts, rollout, worker, source, clock, ticks=1, n=300)
    for _ in range(2):
        worker.tick(clock.pass_by(5))
    before = rollouts.get(rollout.rollout_id).observed.slices
    again = RolloutWorker(workspace, source=source, registry=registry, clock=clock)
    for _ in range(2):
        again.tick(clock.pass_by(5))
    assert before
    assert rollouts.get(rollout.rollout_id).observed.slices == before
