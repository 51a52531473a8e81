"""How long a verdict is said to take, against simulated rollouts; and what a plan says about it."""

import math

import numpy as np
import pytest

from core.rollout import Strategy, make_plan
from core.rollout.by_caller import contrast, log_evidence
from core.rollout.caller_sums import CallerSums, CellLayout
from core.rollout.expectation_text import about, deadline_warning, duration_lines
from core.rollout.expectations import expect
from core.rollout.simulation import Traffic, simulate
from core.rollout.usual_traffic import UsualLosses, UsualTraffic, usual_traffic
from core.settings.policy import CanaryPolicy
from core.telemetry.predictions import RecentTraffic

DAY = 86_400.0


def usual(a_day=1000.0, *, callers=0, failure_rate=0.003, loss=(1.25, 1.0, 0.0), **more):
    mean, within, between = loss
    losses = UsualLosses(n=5000, a_day=a_day, mean=mean, within=within, between=between) if mean else None
    return UsualTraffic(
        **{
            "seconds": 7 * DAY,
            "requests_a_day": a_day,
            "n_callers": callers,
            "effective_callers": float(callers),
            "share_with_key": 1.0 if callers else 0.0,
            "failure_rate": failure_rate,
            "n_answers": 1_000_000,
            "losses": losses,
        }
        | more
    )


def plan_of(share=0.2, strategy=Strategy.CANARY, **policy):
    fields = {"initial_share": share, "max_share": share, "dwell_seconds": 0, "min_samples": 1}
    return make_plan(strategy, CanaryPolicy(**fields | policy))


def seconds(plan, traffic, guard, *, is_harm):
    found = [each for each in expect(plan, traffic).verdicts if (each.guard, each.is_harm) == (guard, is_harm)]
    return found[0].seconds


def within_a_factor_of_two(expected, simulated):
    return simulated / 2 <= expected <= simulated * 2


@pytest.mark.truth
@pytest.mark.parametrize(("rate", "share"), [(0.01, 0.2), (0.03, 0.1), (0.01, 0.5)])
def test_a_verdict_on_errors_comes_when_expected(truth, rate, share):
    plan, traffic = plan_of(share), usual(failure_rate=rate)
    for ratio, is_harm in ((2.0, True), (1.0, False)):
        made = simulate(
            Traffic(base_rate=rate, ratio=ratio, n_requests=60_000, steps=((0, share),)),
            n_rollouts=40 * truth.scale,
            alpha=plan.alpha_per_guard,
            beta=plan.beta,
            margin=plan.guards[0].margin,
            seed=1,
        )
        simulated = float(np.median(made.harmful_at if is_harm else made.safe_at))
        expected = seconds(plan, traffic, "errors", is_harm=is_harm) / DAY * traffic.requests_a_day
        assert within_a_factor_of_two(expected, simulated), (expected, simulated)


@pytest.mark.truth
@pytest.mark.parametrize("is_harm", [True, False], ids=["harm", "safety"])
@pytest.mark.parametrize(
    ("share", "loss", "callers", "is_paired"),
    [
        (0.2, (1.25, 1.0, 0.0), 0, False),
        (0.5, (1.25, 1.0, 0.0), 0, False),
        (0.2, (2.0, 1.0, 0.02), 500, False),
        (0.2, (1.25, 1.0, 0.0), 0, True),
        (0.2, (1.25, 1.0, 0.05), 300, True),
    ],
)
def test_a_verdict_on_losses_comes_when_expected(truth, share, loss, callers, is_paired, is_harm):
    plan, traffic = plan_of(share, answer_changes_outcome=not is_paired), usual(callers=callers, loss=loss)
    random = np.random.default_rng(3)
    simulated = float(np.median([_outcomes_to(plan, loss, callers, is_harm, random) for _ in range(9 * truth.scale)]))
    expected = seconds(plan, traffic, "loss", is_harm=is_harm) / DAY * traffic.requests_a_day
    assert within_a_factor_of_two(expected, simulated), (expected, simulated)


def _outcomes_to(plan, loss, callers, is_harm, random, most=40_000):
    """Return after how many outcomes the verdict comes: a candidate 10 % worse, or just as good."""
    mean, within, between = loss
    share, ratio = plan.steps[0].share, 1.1 if is_harm else 1.0
    layout = CellLayout(() if plan.is_paired else (share,))
    sums, n_callers = CallerSums(layout), callers or most
    place = random.random(n_callers)
    unit = random.integers(0, callers, most) if callers else np.arange(most)
    usual_loss = mean + math.sqrt(between) * random.normal(size=n_callers)[unit]
    noise, other = math.sqrt(within) * random.normal(size=(2, most))
    cells = layout.cells(place[unit])
    needed = -math.log(plan.alpha_per_guard if is_harm else plan.beta)
    before, n = 0, 60
    while n < most:
        part = slice(before, n)
        if plan.is_paired:
            alike = 0.9 * noise + math.sqrt(1 - 0.9**2) * other
            sums.add_pairs(cells[part], (usual_loss + noise)[part], (usual_loss * ratio + alike)[part])
        else:
            values = usual_loss * np.where(place[unit] < share, ratio, 1.0) + noise
            sums.add(cells[part], np.zeros(n - before, dtype=np.int64), values[part])
        evidence = (
            log_evidence(contrast(sums), higher=True)
            if is_harm
            else log_evidence(contrast(sums, ratio=plan.guards[-1].margin), higher=False)
        )
        if evidence >= needed:
            return n
        before, n = n, int(n * 1.15) + 1
    return most


def test_pairs_a_larger_share_and_a_wider_margin_are_offered_with_their_times_the_quickest_first():
    found = expect(plan_of(0.1), usual(failure_rate=0.02))
    ways = {way.change: way.seconds for way in found.quicker}
    assert {"a shadow of all requests", "a share of 50%"} <= set(ways)
    assert list(ways.values()) == sorted(ways.values())
    assert max(ways.values()) < found.seconds_to_last


def test_a_plan_says_what_is_usual_what_is_expected_and_what_is_quicker():
    plan, traffic = plan_of(0.1), usual(300.0, failure_rate=0.02)
    lines = list(duration_lines("spread", "1.0.0", plan, traffic, expect(plan, traffic)))
    assert lines[0] == ("Usual traffic in the last 7 days: about 300 requests a day, 2.00% errors, 300 outcomes a day.")
    assert any(line.startswith("Expected on errors: twice as many errors, found after about") for line in lines)
    assert any(line.startswith("Expected on loss: a loss 10% worse, found after about") for line in lines)
    assert lines[-1].startswith("All verdicts would come sooner with ")


def test_a_deadline_before_the_expected_proof_is_warned_of_and_a_later_one_is_not():
    traffic = usual(300.0, failure_rate=0.02)
    early, late = plan_of(0.1, deadline_hours=24), plan_of(0.1, deadline_hours=8760)
    warning = deadline_warning(early, expect(early, traffic))
    assert warning.startswith("Warning: the proof on errors takes about")
    assert "the deadline comes after 24 h" in warning
    assert deadline_warning(late, expect(late, traffic)) == ""


def test_losses_that_are_required_and_never_came_are_warned_of():
    plan, traffic = plan_of(require_loss=True), usual(loss=(0.0, 0.0, 0.0))
    assert "the proof on loss is not expected at all" in deadline_warning(plan, expect(plan, traffic))
    lines = list(duration_lines("spread", "1.0.0", plan, traffic, expect(plan, traffic)))
    assert any("fewer than 20 outcomes of 1.0.0 are known" in line for line in lines)


def test_unknown_traffic_is_said_to_be_unknown():
    (line,) = duration_lines("spread", "1.0.0", plan_of(), None, None)
    assert line.startswith("How long verdicts take is unknown")


def test_few_callers_are_named_where_they_prevent_a_verdict():
    plan, traffic = plan_of(), usual(callers=12, loss=(1.25, 1.0, 0.3))
    lines = list(duration_lines("spread", "1.0.0", plan, traffic, expect(plan, traffic)))
    assert any(line.startswith("12 callers may be too few") for line in lines)


def test_callers_who_come_again_prove_no_objective_however_many_requests_they_send():
    plan = plan_of(tolerated_error_share=0.01)
    few = usual(20_000.0, callers=12, failure_rate=0.0, n_answers=300)
    assert seconds(plan, few, "errors", is_harm=False) is None
    lines = list(duration_lines("spread", "1.0.0", plan, few, expect(plan, few)))
    assert any(line.startswith("12 callers may be too few") for line in lines)
    many = usual(20_000.0, callers=20_000, failure_rate=0.0, n_answers=300)
    assert seconds(plan, many, "errors", is_harm=False) < DAY


def test_the_variance_of_losses_is_parted_into_that_of_one_caller_and_that_between_callers():
    random = np.random.default_rng(5)
    level = random.normal(5.0, 2.0, 200)
    losses = [(float(level[unit] + random.normal()), unit) for unit in range(200) for _ in range(10)]
    found = usual_traffic(RecentTraffic(DAY, 2000, 2000, 3, [10] * 200, (2000, 0.0, 500.0), losses))
    assert found.losses.between == pytest.approx(4.0, rel=0.25)
    assert found.losses.within == pytest.approx(1.0, rel=0.1)
    assert found.effective_callers == 200
    assert found.difference_tolerance == 0.05


def test_the_latest_losses_have_the_rate_at_which_they_came():
    losses = [(float(number % 2), None) for number in range(100)]
    recent = RecentTraffic(DAY, 100, 100, 0, [], (0, 0.0, 0.0), losses)
    assert usual_traffic(recent).losses.a_day == pytest.approx(100)
    assert usual_traffic(recent._replace(losses_seconds=DAY / 8)).losses.a_day == pytest.approx(800)


def test_requests_without_a_caller_are_callers_of_their_own():
    losses = [(float(number % 2), None) for number in range(100)]
    found = usual_traffic(RecentTraffic(DAY, 100, 100, 0, [], (0, 0.0, 0.0), losses))
    assert (found.losses.between, found.losses.are_binary) == (0.0, True)
    assert found.losses.within == pytest.approx(0.25, rel=0.02)


@pytest.mark.parametrize(("given", "expected"), [(30, "about 30 s"), (5400, "about 1.5 h"), (2e6, "about 23 days")])
def test_a_duration_has_two_digits_at_most(given, expected):
    assert about(given) == expected
