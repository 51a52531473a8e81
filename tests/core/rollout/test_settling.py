"""Late outcomes: safety is judged by answers whose outcomes have come, harm by all outcomes that have come."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from core.registry import Stage
from core.rollout import (
    Arm,
    Guard,
    GuardSource,
    GuardVerdict,
    RolloutPhase,
    RolloutStep,
    RolloutWorker,
    Strategy,
    make_plan,
)
from core.rollout.by_caller import ratio_of
from core.rollout.caller_sums import CallerSums, CellLayout
from core.rollout.collector import ARRIVALS, Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.expectation_text import deadline_warning, settle_lines
from core.rollout.expectations import expect
from core.rollout.guard_reader import read_guards
from core.rollout.plan import SettleBasis
from core.rollout.readings import Pace
from core.rollout.settling_sums import N_COHORTS, SettlingSums
from core.rollout.simulated_callers import NEVER, Callers, Watched, effective_callers, first_at, log_evidence, watch
from core.rollout.usual_traffic import UsualLosses, UsualTraffic
from core.settings.policy import CanaryPolicy
from core.telemetry.chunk import to_us
from core.telemetry.predictions import (
    Batch,
    Cursor,
    OutcomeDelay,
    OutcomeRecord,
    PredictionReader,
    PredictionRecord,
    PredictionWriter,
    Scored,
    ScoredPair,
    ServedRequest,
)
from core.telemetry.predictions.delays import delay_of
from tests.clocks import START
from tests.core.rollout.conftest import a_plan
from tests.truth import least_expected, most_expected

ALPHA, BETA = 0.01, 0.05
CANARY, AB = (0.05, 0.1, 0.2), (0.5,)
LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.5)
PACE = Pace(share=0.5, n_requests=1_000, seconds=100.0)
SECOND = 1_000_000
HOUR = 3_600 * SECOND


def evenly(seen: Watched) -> np.ndarray:
    both = [log_evidence(seen.layout, seen.n_answers, seen.n, higher=higher) for higher in (True, False)]
    return np.maximum(*both) - math.log(2) < -math.log(ALPHA) / 2


def is_safe(seen: Watched) -> bool:
    margin = log_evidence(seen.layout, seen.n, seen.totals, ratio=1.5, higher=False)
    enough = (effective_callers(seen.layout, seen.n) >= 5) & evenly(seen)
    return first_at(np.where(enough, margin, 0), BETA) != NEVER


def is_won(seen: Watched) -> bool:
    both = [log_evidence(seen.layout, seen.n, seen.totals, higher=higher) for higher in (True, False)]
    enough = effective_callers(seen.layout, seen.n) >= 5
    return first_at(np.where(enough, np.maximum(*both), 0), BETA / 2) != NEVER


def is_harmful(seen: Watched, agree: np.ndarray) -> bool:
    harm = log_evidence(seen.layout, seen.n, seen.totals, higher=True)
    return first_at(np.where(agree, harm, 0), ALPHA) != NEVER


@pytest.mark.truth
@pytest.mark.parametrize("shares", [CANARY, AB], ids=["canary", "A/B"])
@pytest.mark.parametrize("n_callers", [50, 500, 5_000])
@pytest.mark.parametrize("loss", ["exponential", "lognormal"])
def test_large_losses_that_come_late_make_no_bad_candidate_safe(truth, shares, n_callers, loss) -> None:
    """A fifth of the losses, the largest, come a quarter of the rollout later than all others.

    At the margin of 1.5 settled answers are rarely called safe; all answers are often, which is the limit of
    `settle_seconds` 0. Equal arms are rarely rolled back and rarely have a winner. Twice as bad is found.
    """
    n, random = 4 * truth.scale, np.random.default_rng(51)
    callers = Callers(n=n_callers, shares=shares, loss=loss, late=0.25, late_from=0.8, settle=0.25, n_looks=25)
    back = won = safe = at_once = found = 0
    for _ in range(n):
        equal, margin, twice = (watch(replace(callers, ratio=ratio), random) for ratio in (1.0, 1.5, 2.0))
        back += is_harmful(equal, evenly(equal.settled))
        won += is_won(equal.settled)
        safe += is_safe(margin.settled)
        at_once += is_safe(margin)
        found += is_harmful(twice, evenly(twice.settled))
    truth.at_most(back / n, most_expected(ALPHA, n), n=n)
    truth.at_most(won / n, most_expected(BETA, n), n=n)
    truth.at_most(safe / n, most_expected(BETA, n), n=n)
    truth.at_most(at_once / n, 1.0, n=n)  # the known limit, for the table
    if shares is AB and n_callers > 50:
        truth.at_least(found / n, least_expected(0.9, n), n=n)


def test_the_effect_is_that_of_settled_answers() -> None:
    """Half as bad again, and its large losses come an hour late."""
    random, now = np.random.default_rng(52), 3 * HOUR // 2
    scored = []
    for _ in range(12_000):
        place, at = random.random(), int(random.random() * now)
        arm = Arm.CANDIDATE if place < 0.5 else Arm.STABLE
        loss = random.exponential(1.5 if arm is Arm.CANDIDATE else 1.0)
        if loss < 1.6 or at + HOUR <= now:
            scored.append(Scored(arm, 0.5, loss, int(place * 2**64) - 2**63, at_us=at))
    plan = a_plan(Strategy.AB, guards=(LOSS,), primary="loss", settle_seconds=3_600)
    collector = collected(plan, [Batch([], [], scored, Cursor(), True, seen_until_us=now)])
    assert ratio_of(collector.settled["loss"]) == pytest.approx(1.5, rel=0.1)
    assert ratio_of(collector.sums["loss"]) < 1.35, "the limit of plans that do not wait"
    reading = read_guards(plan, collector.evidence, collector.sums, PACE, settled=collector.settled)[0]
    assert reading.verdict is GuardVerdict.HARMFUL
    assert reading.n_stable + reading.n_candidate == len(scored), "harm is judged by all that has come"


def collected(plan, batches) -> Collector:
    collector = Collector(plan, RolloutEvidence())
    for batch in batches:
        collector.add(batch)
    return collector


def late_batches(n: int = 400, *, pairs: bool = False, seed: int = 53) -> list[Batch]:
    """Return batches of a quarter of an hour, with outcomes that take up to two hours."""
    random = np.random.default_rng(seed)
    answers = np.sort(random.integers(0, 6 * HOUR, n))
    arrivals = answers + random.integers(0, 2 * HOUR, n)
    losses, places = random.integers(0, 50, (n, 2)).astype(float), random.random(n)
    batches = []
    for end in range(HOUR // 4, 9 * HOUR, HOUR // 4):
        arms = [Arm.CANDIDATE if place < 0.5 else Arm.STABLE for place in places]
        units = [int(place * 2**64) - 2**63 for place in places]
        new = [i for i in range(n) if end - HOUR // 4 <= answers[i] < end]
        come = [i for i in range(n) if end - HOUR // 4 <= arrivals[i] < end]
        batches.append(
            Batch(
                [ServedRequest(arms[i], 0.5, 1.0, False, units[i], at_us=int(answers[i])) for i in new],
                [],
                [] if pairs else [Scored(arms[i], 0.5, losses[i, 0], units[i], at_us=int(answers[i])) for i in come],
                Cursor(),
                True,
                scored_pairs=[ScoredPair(*losses[i], units[i], at_us=int(answers[i])) for i in come] if pairs else (),
                seen_until_us=end,
            )
        )
    return batches


@pytest.mark.parametrize("pairs", [False, True], ids=["arms", "pairs"])
def test_settled_sums_hold_every_outcome_of_older_answers_and_no_other(pairs) -> None:
    waiting = a_plan(
        Strategy.AB, guards=(LOSS,), primary="loss", settle_seconds=7_200, answer_changes_outcome=not pairs
    )
    at_once = a_plan(Strategy.AB, guards=(LOSS,), primary="loss", answer_changes_outcome=not pairs)
    batches, width = late_batches(pairs=pairs), 2 * HOUR // N_COHORTS
    collector = Collector(waiting, RolloutEvidence())
    for number, batch in enumerate(batches):
        collector.add(batch)
        until = (batch.seen_until_us - 2 * HOUR) // width * width  # whole cohorts settle

        def older(rows, until=until):
            return [row for row in rows if row.at_us < until]

        expected = collected(
            at_once,
            [
                each._replace(
                    served=older(each.served), scored=older(each.scored), scored_pairs=older(each.scored_pairs)
                )
                for each in batches[: number + 1]
            ],
        )
        everything = collected(at_once, batches[: number + 1])
        for name in ("loss",) if pairs else ("loss", ARRIVALS):
            for sums, reference in (
                (collector.settled[name], expected.sums[name]),
                (collector.sums[name], everything.sums[name]),
            ):
                assert (sums.n == reference.n).all()
                assert (sums.total == reference.total).all()
                assert (sums.baseline == reference.baseline).all()
            assert len(collector.young.get(name, {})) <= N_COHORTS + 1
    assert collector.young == {}, "all is settled in the end"


def test_nothing_is_kept_twice_where_nothing_has_to_settle() -> None:
    collector = collected(a_plan(Strategy.AB, guards=(LOSS,), primary="loss"), late_batches())
    assert collector.settled == {}
    assert collector.young == {}


def test_a_clock_that_is_set_back_keeps_no_more_cohorts() -> None:
    sums = SettlingSums(CellLayout(AB), 3_600)
    for minute in (*range(600), *range(300, 900)):
        sums.settle(minute * 60 * SECOND)
        at_us = np.array([minute, minute + 500]) * 60 * SECOND
        for part, which in sums.parts(at_us):
            part.add(which * 0, which * 0, np.ones(len(which)))
        assert len(sums.young) <= 3 * N_COHORTS
    assert sums.arrived.n.sum() == 2_400


def test_sums_are_merged_with_what_they_know_of_their_values() -> None:
    one, other = CallerSums(CellLayout(AB)), CallerSums(CellLayout(AB))
    zero = np.zeros(1, dtype=np.int64)
    one.add(zero, zero, np.ones(1))
    other.add(zero, zero, np.array([-2.5]))
    other.add(zero, zero, np.array([np.nan]))
    one.merge(other)
    assert (one.n[0], one.total[0], one.least, one.is_binary, one.n_set_aside) == (2, -1.5, -2.5, False, 1)


@pytest.fixture
def settling(rollouts, start, worker, source, clock):
    """Let a rollout that waits an hour for outcomes collect some of both kinds, and return its id."""
    rollout = start(
        guards=(LOSS,),
        deadline_seconds=1e6,
        steps=(RolloutStep(share=0.2, dwell_seconds=1e5),),
        settle_seconds=3_600,
        settle_basis=SettleBasis.HISTORY,
    )
    worker.tick(clock.now)
    feed(source, clock)
    clock.pass_by(3_000)
    feed(source, clock)
    worker.tick(clock.pass_by(1_500))
    worker.tick(clock.pass_by(10))
    return rollout.rollout_id


def feed(source, clock) -> None:
    for arm, n in ((Arm.STABLE, 400), (Arm.CANDIDATE, 100)):
        source.serve(arm, n, share=0.2)
        source.score(arm, *(float(number % 7) for number in range(n)), share=0.2)
        source.served[-n:] = [row._replace(at_us=to_us(clock.now)) for row in source.served[-n:]]
        source.scored[-n:] = [row._replace(at_us=to_us(clock.now)) for row in source.scored[-n:]]


def test_the_reading_says_how_many_younger_outcomes_wait(rollouts, settling) -> None:
    loss, _, arrivals = rollouts.get(settling).observed.readings
    assert (loss.n_stable, loss.n_candidate, loss.n_waiting) == (400, 100, 500)
    assert loss.reason.endswith("; 500 outcomes of settled answers, 500 younger wait")
    assert (arrivals.n_stable, arrivals.n_candidate) == (400, 100)


def test_younger_outcomes_survive_a_killed_engine_and_settle_in_time(
    workspace, rollouts, settling, registry, source, clock
) -> None:
    before = rollouts.get(settling).observed.readings
    worker = RolloutWorker(workspace, source=source, registry=registry, clock=clock)
    worker.tick(clock.pass_by(10))
    worker.tick(clock.pass_by(70))
    assert rollouts.get(settling).observed.readings == before
    worker.tick(clock.pass_by(3_600))
    worker.tick(clock.pass_by(70))
    observed = rollouts.get(settling).observed
    assert (observed.readings[0].n_stable, observed.readings[0].n_waiting) == (800, 0)
    assert "rollout.recollect" not in [event.verb for event in observed.events]


def test_harm_does_not_wait(rollouts, start, worker, source, clock) -> None:
    rollout = start(guards=(LOSS,), steps=(RolloutStep(share=0.2, dwell_seconds=60),), settle_seconds=1e6)
    worker.tick(clock.now)
    for arm, n, losses in ((Arm.STABLE, 800, 0.1), (Arm.CANDIDATE, 200, 0.5)):
        source.serve(arm, n, share=0.2)
        source.score(arm, *(float(number < losses * n) for number in range(n)), share=0.2)
        source.served[-n:] = [row._replace(at_us=to_us(clock.now)) for row in source.served[-n:]]
        source.scored[-n:] = [row._replace(at_us=to_us(clock.now)) for row in source.scored[-n:]]
    worker.tick(clock.pass_by(10))
    ended = rollouts.get(rollout.rollout_id).observed
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.readings[0].reason == "loss: 100 of 200 against 80 of 800, shown to be more frequent"


def test_safety_waits(rollouts, start, worker, source, clock) -> None:
    rollout = start(
        guards=(LOSS,), steps=(RolloutStep(share=0.2, dwell_seconds=0, min_samples=1),), settle_seconds=3_600
    )
    worker.tick(clock.now)
    for _ in range(20):
        feed(source, clock)
    worker.tick(clock.pass_by(10))
    loss = rollouts.get(rollout.rollout_id).observed.readings[0]
    assert loss.verdict is GuardVerdict.UNDECIDED
    assert loss.reason == "loss: no answer is settled yet; 0 outcomes of settled answers, 10,000 younger wait"
    worker.tick(clock.pass_by(4_500))
    assert rollouts.get(rollout.rollout_id).observed.phase is RolloutPhase.PROMOTED


def test_the_delay_is_that_of_answers_old_enough() -> None:
    """Outcomes take from 0 to 2 hours; of the answers of the last hours only the quick ones are known."""
    random, now = np.random.default_rng(54), 20 * HOUR
    answered = random.integers(0, now, 20_000)
    arrived = answered + (random.random(20_000) * 2 * HOUR).astype(int)
    times = [(a, b) for a, b in zip(answered.tolist(), arrived.tolist(), strict=True) if b <= now]
    found = delay_of(times, None, now)
    assert found.seconds == pytest.approx(0.99 * 7_200, rel=0.01)
    assert not found.is_short
    naive = np.quantile([b - a for a, b in times if a > now - 2 * HOUR], 0.99) / SECOND
    assert naive < 0.95 * found.seconds, "which is what recent answers would say"
    kept = [(a, b) for a, b in times if b >= 10 * HOUR]  # earlier outcomes were deleted
    assert delay_of(kept, 10 * HOUR, now).seconds == pytest.approx(0.99 * 7_200, rel=0.02)
    assert delay_of([(0, HOUR)] * 30, None, 3 * HOUR // 2) == OutcomeDelay(3_600.0, 30, is_short=True)
    assert delay_of([(0, HOUR)] * 19, None, 9 * HOUR) is None
    assert delay_of([], None, now) is None


def test_the_delay_is_read_from_the_stored_predictions(workspace) -> None:
    with PredictionWriter(workspace.predictions_file, clock=lambda: START) as writer:
        for number in range(100):
            at = START + timedelta(minutes=number)
            for model, seconds in (("spread", number), ("other", 30_000)):
                request = f"{model}-{number}"
                writer.add(PredictionRecord(request_id=request, at=at, model=model, version="1.0.0", latency_ms=1.0))
                writer.add_outcome(OutcomeRecord(request, at + timedelta(seconds=seconds), loss=1.0))
        writer.flush()
    reader = PredictionReader(workspace.predictions_file)
    now = START + timedelta(minutes=200)
    found = reader.outcome_delay("spread", "1.0.0", now=now)
    assert found == OutcomeDelay(98.0, 100)
    assert reader.outcome_delay("spread", "2.0.0", now=now) is None
    reader.close()


@pytest.mark.parametrize(
    ("policy", "delay", "settle", "line"),
    [
        pytest.param(
            {"settle_hours": 2},
            OutcomeDelay(60, 99),
            7_200,
            "Safety is judged by answers older than 2 h (policy: settle_hours). Harm",
            id="policy",
        ),
        pytest.param(
            {},
            OutcomeDelay(7_199.5, 99),
            7_200,
            "Safety is judged by answers older than 2 h: 99% of outcomes have come by then. Harm",
            id="history",
        ),
        pytest.param(
            {},
            OutcomeDelay(7_200, 99, is_short=True),
            7_200,
            "Safety is judged by answers older than 2 h: 99% of outcomes have come by then, as far as so short",
            id="short history",
        ),
        pytest.param({}, None, 0, "How long outcomes take is not known: outcomes that come late are", id="unknown"),
        pytest.param({"settle_hours": 0}, OutcomeDelay(60, 99), 0, "Outcomes are judged when they come (", id="zero"),
        pytest.param({}, OutcomeDelay(0, 99), 0, "Outcomes come at once.", id="at once"),
    ],
)
def test_a_plan_says_which_answers_show_safety(policy, delay, settle, line) -> None:
    plan = make_plan(Strategy.CANARY, CanaryPolicy(**policy), delay=delay)
    assert plan.settle_seconds == settle
    (found,) = settle_lines(plan)
    assert found.startswith(line)


def test_a_plan_without_outcomes_says_nothing_about_them() -> None:
    assert list(settle_lines(a_plan())) == []


def test_a_deadline_before_the_first_settled_answer_is_warned_of() -> None:
    plan = make_plan(Strategy.CANARY, CanaryPolicy(settle_hours=48, require_loss=True))
    assert deadline_warning(plan, None) == (
        "Warning: no answer is settled before the deadline: safety is judged by answers older than 2 days, and the "
        "deadline comes after 24 h. Set deadline_hours higher."
    )
    assert deadline_warning(make_plan(Strategy.CANARY, CanaryPolicy(settle_hours=48)), None) == ""


def test_the_proof_is_expected_once_answers_have_settled() -> None:
    losses = UsualLosses(n=5_000, a_day=5_000.0, mean=1.0, within=1.0)
    usual = UsualTraffic(seconds=6e5, requests_a_day=5_000.0, failure_rate=0.001, n_answers=9_000, losses=losses)
    at_once, later = (
        expect(make_plan(Strategy.CANARY, CanaryPolicy(settle_hours=hours)), usual).verdicts for hours in (0, 10)
    )
    waits = {(of.guard, of.is_harm): after.seconds - of.seconds for of, after in zip(at_once, later, strict=True)}
    assert waits == {("errors", True): 0, ("errors", False): 0, ("loss", True): 0, ("loss", False): 36_000}


def test_a_proposal_learns_from_stored_outcomes_how_long_they_take(workspace, rollouts, register) -> None:
    stable, candidate = register(Stage.PRODUCTION), register()
    with PredictionWriter(workspace.predictions_file, clock=lambda: START) as writer:
        for number in range(100):
            at, request = START - timedelta(hours=9, minutes=number), f"request-{number}"
            writer.add(PredictionRecord(request_id=request, at=at, model="spread", version=stable, latency_ms=1.0))
            writer.add_outcome(OutcomeRecord(request, at + timedelta(hours=2), loss=1.0))
        writer.flush()
    proposal = rollouts.plan("spread", candidate, Strategy.CANARY)
    assert (proposal.plan.settle_seconds, proposal.plan.settle_basis) == (7_200, SettleBasis.HISTORY)
    line = (
        "Safety is judged by answers older than 2 h: 99% of outcomes have come by then. Harm is judged by all outcomes "
        "that have come."
    )
    assert line in proposal.effects
