"""The live version and its challengers, by what both did; a challenger that is better for long enough is proposed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import NotFoundError
from core.monitoring.documents import ModelMonitoring, MonitoredMetric, PerformancePart, VersionMonitoring
from core.monitoring.verdicts import PerformanceVerdict
from core.retraining.leaderboard import leaderboard, rank
from core.rollout import Rollout, RolloutPhase, Strategy
from core.rollout.plan import GuardSource, make_plan
from core.rollout.readings import GuardReading, GuardVerdict
from core.rollout.rollout import ObservedRollout
from core.settings import settings_in_force
from core.settings.policy import CanaryPolicy
from core.settings.retraining import ChallengerRules
from core.training.own_data import TrainRequest, train_on_file
from tests.clocks import START
from tests.end_to_end import market
from tests.retraining_world import ANA, BEN, MODEL, World

RULES = ChallengerRules(min_hours=24, min_outcomes=200)
DAY = timedelta(days=1)


def loss(effect: float, low: float, high: float | None, *, n: int = 500, **given: Any) -> GuardReading:
    known = {"verdict": GuardVerdict.SAFE, "stable_value": 2.0, "candidate_value": 2.0 + effect, "is_ratio": False}
    return GuardReading(
        guard="loss",
        source=GuardSource.LOSS,
        required=True,
        reason="within its margin",
        n_stable=n,
        n_candidate=n,
        effect=effect,
        low=low,
        high=high,
        **(known | given),
    )


def rollout(candidate: str, *readings: GuardReading, strategy: Strategy = Strategy.SHADOW, **observed: Any) -> Rollout:
    seen = {"phase": RolloutPhase.RUNNING, "started_at": START - 2 * DAY, "readings": readings}
    return Rollout(
        rollout_id=f"ro-{candidate}",
        model=MODEL,
        stable="1.0.0",
        candidate=candidate,
        plan=make_plan(strategy, CanaryPolicy()),
        created_at=START - 2 * DAY,
        created_by="ana@desk",
        desired_by="ana@desk",
        desired_at=START,
        observed=ObservedRollout(**(seen | observed)),
        updated_at=START,
        updated_by="ana@desk",
    )


def ranked(*rollouts: Rollout, **given: Any):
    return rank(MODEL, "1.0.0", rollouts, given.pop("monitoring", None), given.pop("rules", RULES), now=START, **given)


def test_what_is_shown_ranks_before_what_is_seen() -> None:
    board = ranked(
        rollout("1.1.0", loss(-0.1, -0.5, 0.3)),
        rollout("1.2.0", loss(0.6, 0.1, 1.1)),
        rollout("1.3.0", loss(-0.4, -0.7, -0.1)),
        rollout("1.4.0"),
        rollout("1.5.0", loss(-0.3, -1.2, 0.6)),
        rollout("1.6.0", loss(-0.9, -1.2, -0.6)),
    )
    assert [(each.version, each.verdict) for each in board] == [
        ("1.6.0", "better"),
        ("1.3.0", "better"),
        ("1.0.0", "live"),
        ("1.5.0", "open"),
        ("1.1.0", "open"),
        ("1.4.0", "not compared"),
        ("1.2.0", "worse"),
    ]


def test_realised_and_estimated_performance_stand_beside_the_comparison() -> None:
    mae = MonitoredMetric(metric="mae", value=6.1, low=5.8, high=6.4)
    part = PerformancePart(as_of=START, verdict=PerformanceVerdict.HOLDS, n_outcomes=900, metrics=(mae,))
    seen = VersionMonitoring(version="1.0.0", role="stable", performance=part)
    monitoring = ModelMonitoring(model=MODEL, versions=(seen,), updated_at=START)
    champion = ranked(monitoring=monitoring)[0]
    assert (champion.realised.n, champion.estimated) == (900, None)
    assert champion.reason == "realised: mae 6.1 (5.8 to 6.4)"


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        pytest.param({}, {}, None, id="shown for two days"),
        pytest.param({"started_at": START - DAY / 2}, {}, "compared for 12.0 of 24 hours", id="not long enough"),
        pytest.param({"readings": (loss(-0.4, -0.7, -0.1, n=199),)}, {}, "199 of 200 outcomes", id="too few outcomes"),
        pytest.param({"readings": (loss(-0.4, -0.7, 0.0),)}, {}, "", id="not shown"),
        pytest.param({"readings": (loss(-0.4, -0.7, None),)}, {}, "", id="not bounded yet"),
        pytest.param({}, {"decided_elsewhere": "1.1.0"}, "its retraining decides", id="a retraining decides"),
        pytest.param({}, {"rules": None}, "no proposal is wanted", id="no proposal is wanted"),
        pytest.param(
            {"phase": RolloutPhase.FINISHED, "ended_at": START - DAY / 2}, {}, None, id="its shadow has ended"
        ),
        pytest.param(
            {"phase": RolloutPhase.FINISHED, "ended_at": START - 1.5 * DAY}, {}, "compared for", id="it ended early"
        ),
    ],
)
def test_a_challenger_is_proposed_once_it_is_shown_to_be_better_for_long_enough(given, options, said) -> None:
    observed = {"readings": (loss(-0.4, -0.7, -0.1),)} | given
    readings = observed.pop("readings")
    (found,) = [each for each in ranked(rollout("1.1.0", *readings, **observed), **options) if each.role != "live"]
    assert found.is_proposed is (said is None)
    assert (said or "") in found.reason


def test_a_canary_goes_live_by_itself_and_harm_is_never_proposed() -> None:
    slow = GuardReading(
        guard="slow", source=GuardSource.SLOW, required=True, verdict=GuardVerdict.HARMFUL, reason="slower than before"
    )
    canary = rollout("1.1.0", loss(-0.4, -0.7, -0.1), strategy=Strategy.CANARY)
    harmed = rollout("1.2.0", loss(-0.4, -0.7, -0.1), slow)
    board = {each.version: each for each in ranked(canary, harmed)}
    assert (board["1.1.0"].is_proposed, board["1.2.0"].is_proposed) == (False, False)
    assert "goes live by itself" in board["1.1.0"].reason
    assert (board["1.2.0"].verdict, board["1.2.0"].reason) == ("worse", "ro-1.2.0: slower than before")


def test_a_ratio_below_one_is_better_and_uneven_arms_decide_nothing() -> None:
    ratio = loss(0.8, 0.7, 0.9, is_ratio=True)
    uneven = GuardReading(
        guard="traffic", source=GuardSource.TRAFFIC, required=False, verdict=GuardVerdict.UNEVEN, reason="60 % of 50 %"
    )
    board = {each.version: each for each in ranked(rollout("1.1.0", ratio), rollout("1.2.0", ratio, uneven))}
    assert board["1.1.0"].against_live.gain == pytest.approx(0.2)
    assert (board["1.1.0"].verdict, board["1.2.0"].verdict) == ("better", "open")


def test_the_engine_proposes_a_better_shadow_and_withdraws_it_once_the_live_version_changes(
    world: World, tmp_path: Path
) -> None:
    file = market.write_csv(tmp_path / "second.csv", market.flats(300, seed=2, dearer=1.4))
    settings = settings_in_force(world.workspace.root)
    second = train_on_file(world.workspace, TrainRequest(MODEL, file, target="rent"), settings, actor=ANA).version
    proposal = world.rollouts.plan(MODEL, second.version, Strategy.SHADOW, actor=ANA)
    started = world.rollouts.start(proposal, actor=ANA)
    now = world.clock.now
    observed = msgspec.structs.replace(
        started.observed,
        phase=RolloutPhase.RUNNING,
        started_at=now - 2 * DAY,
        deadline_at=now + 9 * DAY,
        readings=(loss(-0.4, -0.7, -0.1),),
    )
    world.rollouts.save(started, observed)
    board = leaderboard(world.workspace, MODEL, now=now)
    assert [(each.version, each.is_proposed) for each in board] == [(second.version, True), ("1.0.0", False)]
    world.pipeline.tick()
    world.pass_by(seconds=16)
    world.pipeline.tick()
    (alert,) = [each for each in world.alerts.open() if each.rule == "challenger_better"]
    assert alert.labels == {"model": MODEL, "version": second.version}
    assert "loss difference -0.4 (95% from -0.7 to -0.1) on 500 outcomes" in alert.summary

    world.rollouts.abort(started.rollout_id, actor=BEN)
    world.rollout_worker.tick(world.clock.pass_by(1))
    for _ in range(2):
        world.registry.apply(world.registry.plan_promotion(MODEL, second.version), actor=BEN, reason="it is better")
    world.pass_by(seconds=16)
    world.pipeline.tick()
    assert [each.rule for each in world.alerts.open() if each.rule == "challenger_better"] == []
    assert [each.version for each in leaderboard(world.workspace, MODEL, now=world.clock.now)] == [second.version]


def test_an_unknown_model_is_refused(world: World) -> None:
    with pytest.raises(NotFoundError):
        leaderboard(world.workspace, "nobody", now=START)
