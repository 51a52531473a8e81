"""A verdict holds although its data have missed rare large losses, and says what it cannot exclude."""

import math

import numpy as np
import pytest

from core.losses import LossKind, LossRule
from core.rollout import Arm, Guard, GuardSource, GuardVerdict, RolloutStep, Strategy
from core.rollout.by_caller import LEAST_CALLERS, candidate_units, effective_callers, log_evidence
from core.rollout.caller_intervals import ratio_interval
from core.rollout.caller_sums import CallerSums, CellLayout, StoredSums
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.experiment import Winner, decide
from core.rollout.guard_reader import read_guards
from core.rollout.objectives import log_below
from core.rollout.rare_losses import log_harm, safety_contrast, values_needed
from core.rollout.readings import GuardReading, Pace
from core.telemetry.predictions import Batch, Cursor, Scored
from tests.truth import least_expected, most_expected

ALPHA, BETA = 0.01 / 3, 0.05
LAYOUTS = {"canary": CellLayout((0.05, 0.1, 0.2)), "A/B": CellLayout((0.5,)), "pairs": CellLayout(())}
CLIPPED = -math.log(1e-6)


def log_losses(random, n):
    """Of an event of .5 %, the candidate says .005 and is right, and the stable version says .0005."""
    came = random.random(n) < 0.005
    return tuple(np.where(came, -math.log(p), -math.log(1 - p)) for p in (0.0005, 0.005))


def rare_hundreds(random, n):
    return random.exponential(1, n) + 100 * (random.random(n) < 0.01), random.exponential(2, n)


def lognormals(first, second, ratio=1.0):
    def draw(random, n):
        return tuple(
            factor * random.lognormal(-sigma * sigma / 2, sigma, n) for factor, sigma in ((1, first), (ratio, second))
        )

    return draw


def zero_or_one(rate, ratio):
    return lambda random, n: tuple((random.random(n) < p).astype(float) for p in (rate, rate * ratio))


def constant_against_rate(random, n):
    return (random.random(n) < 0.02).astype(float), np.full(n, 0.02)


def watched(strategy, draw, random, n, bound):
    """Return whether the candidate was rolled back, whether it was called safe, and who won, at any of twelve looks."""
    layout = LAYOUTS[strategy]
    sums, stable_and_candidate = CallerSums(layout), draw(random, n)
    stable, candidate = stable_and_candidate
    cells = layout.cells(random.random(n))
    steps = np.arange(n) * layout.n_steps // n
    values = np.where(layout.of_candidate[cells, steps], candidate, stable)
    is_back, is_safe, winner, cuts = False, False, "", np.geomspace(100, n, 12).astype(int)
    for since, until in zip([0, *cuts], cuts, strict=False):
        part = slice(since, until)
        if sums.is_paired:
            sums.add_pairs(cells[part], stable[part], candidate[part])
        else:
            sums.add(cells[part], steps[part], values[part])
        is_back |= log_harm(sums, bound, ALPHA) >= -math.log(ALPHA)
        if min(effective_callers(sums)) >= LEAST_CALLERS and sums.arms()[2] >= values_needed(bound, BETA):
            of = safety_contrast(sums, bound, BETA, ratio=1.1)
            is_safe |= log_evidence(of, higher=False, needed=3.0) >= -math.log(BETA)
        if not winner and (found := ratio_interval(sums, BETA, bound)) is not None:
            winner = "stable" if found[0] > 1 else "candidate" if found[1] is not None and found[1] < 1 else ""
    return is_back, is_safe, winner


@pytest.mark.truth
@pytest.mark.parametrize("strategy", LAYOUTS)
@pytest.mark.parametrize(
    ("draw", "bound"),
    [
        pytest.param(log_losses, CLIPPED, id="a calibrated candidate, rare events"),
        pytest.param(rare_hundreds, None, id="a hundred in one of a hundred"),
        pytest.param(lognormals(1.5, 0.3), None, id="log-normal, stable varies more"),
        pytest.param(constant_against_rate, None, id="a rate against a constant"),
    ],
)
def test_a_candidate_that_is_no_worse_is_rarely_rolled_back_though_the_stable_version_looks_better(
    truth, strategy, draw, bound
) -> None:
    n, random = 8 * truth.scale, np.random.default_rng(41)
    seen = [watched(strategy, draw, random, 3_000, bound) for _ in range(n)]
    truth.at_most(np.mean([back for back, _, _ in seen]), most_expected(0.01, n), n=n)
    truth.at_most(np.mean([winner == "stable" for _, _, winner in seen]), most_expected(0.05, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize("strategy", LAYOUTS)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_a_candidate_at_the_margin_is_rarely_safe_however_much_it_varies(truth, strategy, sigma) -> None:
    n, random = 8 * truth.scale, np.random.default_rng(42)
    seen = [watched(strategy, lognormals(0.3, sigma, 1.1), random, 4_000, None) for _ in range(n)]
    truth.at_most(np.mean([safe for _, safe, _ in seen]), most_expected(0.05, n), n=n)
    truth.at_most(np.mean([winner == "candidate" for _, _, winner in seen]), most_expected(0.05, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(
    ("draw", "bound", "n_outcomes", "is_worse"),
    [
        pytest.param(zero_or_one(0.2, 2), 1.0, 3_000, True, id="twice as often wrong"),
        pytest.param(lognormals(0.8, 0.8, 1.5), None, 20_000, True, id="half as bad again, log-normal"),
        pytest.param(lognormals(0.8, 0.8, 0.9), None, 25_000, False, id="better by a tenth"),
    ],
)
def test_power_remains(truth, draw, bound, n_outcomes, is_worse) -> None:
    n, random = 4 * truth.scale, np.random.default_rng(43)
    seen = [watched("canary", draw, random, n_outcomes, bound) for _ in range(n)]
    truth.at_least(np.mean([back if is_worse else safe for back, safe, _ in seen]), least_expected(0.9, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(
    ("n_callers", "share", "rate"),
    [
        pytest.param(100, 0.03, 0.02, id="3 of 100 callers are always slow"),
        pytest.param(200, 0.01, 0.001, id="2 of 200 callers always fail"),
    ],
)
@pytest.mark.parametrize("strategy", ["canary", "A/B"])
def test_failures_of_a_few_callers_are_not_overlooked(truth, strategy, n_callers, share, rate) -> None:
    n, random, safe = 10 * truth.scale, np.random.default_rng(44), 0
    layout = LAYOUTS[strategy]
    for _ in range(n):
        sums, places = CallerSums(layout), random.random(n_callers)
        units = random.integers(-(2**62), 2**62, n_callers)
        for _ in range(10):
            who = random.integers(0, n_callers, 1_000)
            cells, steps = layout.cells(places[who]), np.full(1_000, layout.n_steps - 1)
            sums.add(cells, steps, (who < share * n_callers).astype(float), units=units[who])
            _, _, answers, failed = sums.arms()
            if log_below(sums, answers, failed, rate) >= math.log(20):
                safe += 1
                break
    truth.at_most(safe / n, most_expected(0.05, n), n=n)


@pytest.mark.parametrize("n", [30, 3_000, 60_000])
def test_callers_are_counted_and_merged_and_stored(n) -> None:
    numbers = np.random.default_rng(45).integers(-(2**63), 2**63 - 1, n)
    layout = CellLayout((0.5,))
    parts = CallerSums(layout), CallerSums(layout)
    for sums, half in zip(parts, (numbers[: 2 * n // 3], numbers[n // 3 :]), strict=True):
        cells = layout.cells(np.full(len(half), 0.25))
        sums.add(cells, 0 * cells, np.ones(len(half)), units=half)
    parts[0].merge(parts[1])
    again = CallerSums(layout, parts[0].stored)
    assert candidate_units(again) == pytest.approx(n, rel=0.1)
    with pytest.raises(ValueError, match="callers"):
        CallerSums(layout, StoredSums(n=parts[0].stored.n, total=parts[0].stored.total, units=(b"damaged", b"")))


def read(plan, losses: dict[Arm, list[float]], *, n_callers: int = 0) -> GuardReading:
    """Read a loss at a share of a half; callers of either arm are as many, or each request is one of its own."""
    random = np.random.default_rng(46)
    half = 1 << 63
    rows = []
    for arm, values in losses.items():
        first = -half if arm is Arm.CANDIDATE else 0
        numbers = (first + random.integers(0, half - 1, n_callers or len(values))).tolist()
        for at, value in enumerate(values):
            number = numbers[at % len(numbers)]
            rows.append(Scored(arm, 0.5, value, number if n_callers else None, None, request=number))
    collector = Collector(plan, RolloutEvidence())
    collector.add(Batch([], [], rows, Cursor(), True))
    return read_guards(plan, collector.evidence, collector.sums, Pace(share=0.5, n_requests=1, seconds=1.0))[0]


@pytest.fixture
def half(plan_of):
    def made(strategy=Strategy.CANARY, margin=1.1, **more):
        guard = Guard(name="loss", source=GuardSource.LOSS, margin=margin)
        steps = (RolloutStep(share=0.5, dwell_seconds=60, min_samples=50),)
        return plan_of(strategy, guards=(guard,), steps=steps, ceiling=0.5, primary="loss", **more)

    return made


def both(stable: list[float], candidate: list[float]) -> dict[Arm, list[float]]:
    return {Arm.STABLE: stable, Arm.CANDIDATE: candidate}


def test_what_is_not_excluded_is_counted_by_caller(half) -> None:
    """Of 28 callers a kind of caller that is one in ten can be missing, however many answers each has."""
    noise = np.random.default_rng(47).normal(1, 0.1, (2, 4_000)).tolist()
    reading = read(half(), both(*noise), n_callers=28)
    assert reading.verdict is GuardVerdict.SAFE
    assert reading.cannot_exclude.endswith("in all answers to up to one in 10 callers")
    assert f"not excluded: {reading.cannot_exclude}" in reading.reason
    size = float(reading.cannot_exclude.split()[2])
    assert size < 1.2, "one caller in nine with twice the loss is worse by a tenth"


def test_what_is_not_excluded_is_said_of_wrong_answers_too_and_beside_no_difference(half) -> None:
    wrong = (np.random.default_rng(49).random(20_000) < 0.2).astype(float).tolist()
    reading = read(half(Strategy.AB, 1.2, loss=LossRule(kind=LossKind.ZERO_ONE)), both(wrong, wrong), n_callers=60)
    assert reading.cannot_exclude == "every answer wrong for up to one in 20 callers"
    verdict = decide(reading, 1.2)
    assert verdict.winner is Winner.NEITHER
    assert verdict.reason.endswith(f"; not excluded: {reading.cannot_exclude}")


def test_losses_of_zero_alone_are_safe_once_there_are_enough(half) -> None:
    assert read(half(), both([0.0] * 100, [0.0] * 100)).verdict is GuardVerdict.UNDECIDED
    reading = read(half(), both([0.0] * 2_000, [0.0] * 2_000))
    assert reading.verdict is GuardVerdict.SAFE
    assert "shown to be rarer than 1% of the candidate's" in reading.reason
    assert read(half(), both([0.5] * 2_000, [0.5] * 2_000)).verdict is GuardVerdict.SAFE


@pytest.mark.parametrize(
    ("ratio", "capped"),
    [
        pytest.param(1.0, GuardVerdict.SAFE, id="equal"),
        pytest.param(3.0, GuardVerdict.HARMFUL, id="three times worse"),
    ],
)
@pytest.mark.parametrize("arm", [Arm.STABLE, Arm.CANDIDATE])
def test_one_value_that_outweighs_all_others_is_named_with_its_cure(half, ratio, capped, arm) -> None:
    random = np.random.default_rng(48)
    losses = both(random.exponential(1, 20_000).tolist(), (ratio * random.exponential(1, 20_000)).tolist())
    losses[arm][0] = 1e12
    reading = read(half(), losses)
    assert reading.verdict is GuardVerdict.UNDECIDED
    assert "one value of 1e+12 outweighs all others, so set loss_cap to judge by the rest" in reading.reason
    plan = half(loss=LossRule(cap=30.0))
    assert plan.describe_guard(plan.guards[0]).count("at most 30") == 1
    reading = read(plan, losses)
    assert (reading.verdict, reading.n_capped) == (capped, 1)
    assert "1 beyond the cap of 30 count as it" in reading.reason
