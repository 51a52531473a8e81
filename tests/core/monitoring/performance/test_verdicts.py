"""Whether performance fell, holds or is open; the worst slice; the reliability curve; callers with alike outcomes."""

from datetime import UTC, datetime

import numpy as np
import pytest
from msgspec.structs import replace

from core.explain.deny_list import NONE_DENIED, DenyList
from core.explain.documents import DENIED
from core.monitoring.performance.held_out import held_out
from core.monitoring.performance.layout import MeasuredTask
from core.monitoring.performance.report import report_of
from core.monitoring.performance.state import PerformanceState
from core.monitoring.performance.verdict import PerformanceRules
from core.monitoring.verdicts import PerformanceVerdict
from tests.core.monitoring.performance.labelled import EVENT, HOUR_US, NUMBER, labelled, profile

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1e6)


def numbers(n, sd=1.0, seed=0):
    rng = np.random.default_rng(seed)
    actual = rng.normal(50, 5, n)
    return actual + sd * rng.normal(size=n), actual


@pytest.fixture(scope="module")
def held():
    return profile(NUMBER, *numbers(20_000, seed=9), region=["EU", "US"] * 10_000)


def reported(held, answer, actual, denied=NONE_DENIED, **more):
    state = PerformanceState.begun(held)
    state.add([labelled(NUMBER, answer, actual, at_us=NOW_US, **more)], held)
    state.count({NOW_US // HOUR_US: len(actual)})
    return report_of(state, held, NOW, denied=denied)


@pytest.mark.parametrize(
    ("n", "sd", "verdict"),
    [
        pytest.param(60, 1.0, PerformanceVerdict.OPEN, id="few outcomes decide nothing"),
        pytest.param(20_000, 1.0, PerformanceVerdict.HOLDS, id="many like held-out rows hold"),
        pytest.param(20_000, 1.1, PerformanceVerdict.OPEN, id="a rise at the margin is open"),
        pytest.param(2_000, 1.5, PerformanceVerdict.FELL, id="errors half as large again fell"),
    ],
)
def test_a_verdict_says_what_is_proved(held, n, sd, verdict):
    report = reported(held, *numbers(n, sd))
    assert report.verdict is verdict
    assert report.metrics[0].metric == "rmse"
    assert report.metrics[0].reference == pytest.approx(1.0, abs=0.02)
    assert f"{n:,} outcomes" in report.reason


def test_a_fall_says_how_many_outcomes_are_awaited(held):
    state = PerformanceState.begun(held)
    state.add([labelled(NUMBER, *numbers(2_000, 1.5), at_us=NOW_US)], held)
    state.count({NOW_US // HOUR_US: 5_000})
    report = report_of(state, held, NOW)
    assert report.verdict is PerformanceVerdict.FELL
    assert report.reason.endswith("60% of the outcomes are awaited, and those that come early may be worse")


def test_an_open_verdict_says_how_many_outcomes_would_settle_it(held):
    report = reported(held, *numbers(150, 1.0))
    assert report.verdict is PerformanceVerdict.OPEN
    assert f"about {report.n_needed:,} outcomes in all would settle it" in report.reason
    assert reported(held, *numbers(int(report.n_needed * 1.3), 1.0)).verdict is PerformanceVerdict.HOLDS


def test_a_fall_of_the_last_hours_shows_after_a_long_good_life(held):
    state = PerformanceState.begun(held)
    long_ago = NOW_US - np.random.default_rng(0).integers(30 * 24 * HOUR_US, 60 * 24 * HOUR_US, 60_000)
    state.add([labelled(NUMBER, *numbers(60_000), at_us=long_ago)], held)
    state.add([labelled(NUMBER, *numbers(2_000, 1.5, seed=1), at_us=NOW_US, first=1)], held)
    report = report_of(state, held, NOW)
    assert report.verdict is PerformanceVerdict.FELL
    assert "over the last" in report.reason
    assert {each.window: each.verdict for each in report.metrics if each.metric == "rmse"}[""] is not report.verdict


@pytest.mark.parametrize(
    ("n_answered", "n_known", "holds_today"),
    [
        pytest.param(115_000, 0, False, id="nothing is known of today"),
        pytest.param(115_000, 20_000, False, id="most of today is awaited"),
        pytest.param(20_000, 20_000, True, id="today is known"),
        pytest.param(60, 60, False, id="today is known but decides nothing alone"),
    ],
)
def test_outcomes_of_long_ago_do_not_speak_for_today(held, n_answered, n_known, holds_today):
    state = PerformanceState.begun(held)
    long_ago = NOW_US - 60 * 24 * HOUR_US
    state.add([labelled(NUMBER, *numbers(20_000), at_us=long_ago)], held)
    state.count({long_ago // HOUR_US: 20_000, NOW_US // HOUR_US: n_answered})
    if n_known:
        state.add([labelled(NUMBER, *numbers(n_known, seed=1), at_us=NOW_US, first=1)], held)
    report = report_of(state, held, NOW)
    assert report.verdict is PerformanceVerdict.HOLDS
    assert report.holds_today is report.part().holds_today is holds_today
    assert ("the outcomes of the last day alone do not say so" in report.reason) is not holds_today


def recovered(held, n_answered, n_since, sd_since=1.0):
    """Report on a version that was worse a month ago, of the US alone or not, and whose answers came true since."""
    state = PerformanceState.begun(held)
    answer, actual = numbers(10_000, 3.0)
    state.add([labelled(NUMBER, answer, actual, at_us=NOW_US - 30 * 24 * HOUR_US, region=["US"] * 10_000)], held)
    state.count({NOW_US // HOUR_US - 30 * 24: 10_000})
    spread = NOW_US - np.random.default_rng(1).integers(0, 6 * 24 * HOUR_US, n_since)
    since = numbers(n_since, sd_since, seed=1)
    state.add([labelled(NUMBER, *since, at_us=spread, region=["US"] * n_since, first=1)], held)
    hours, n = np.unique(spread // HOUR_US, return_counts=True)
    state.count({int(hour): int(each * n_answered / n_since) + 1 for hour, each in zip(hours, n, strict=True)})
    return report_of(state, held, NOW)


def test_a_fall_is_over_once_the_week_since_holds(held):
    report = recovered(held, 20_000, 20_000)
    verdicts = {each.window: each.verdict for each in report.metrics if each.metric == "rmse"}
    assert verdicts[""] is PerformanceVerdict.FELL
    assert verdicts["week"] is PerformanceVerdict.HOLDS
    assert report.verdict is PerformanceVerdict.HOLDS
    assert "it was worse before: rmse" in report.reason
    assert "outcomes over its whole life" in report.reason
    assert report.worst_slice.verdict is PerformanceVerdict.HOLDS
    assert report.worst_slice.window == "week"


@pytest.mark.parametrize(
    ("n_answered", "n_since", "sd_since"),
    [
        pytest.param(200, 200, 1.0, id="few good outcomes prove no recovery"),
        pytest.param(60_000, 20_000, 1.0, id="most outcomes since are awaited"),
        pytest.param(20_000, 20_000, 1.1, id="a week at the margin proves none"),
        pytest.param(20_000, 20_000, 1.5, id="it goes on"),
    ],
)
def test_a_fall_lasts_until_a_recovery_is_proved(held, n_answered, n_since, sd_since):
    report = recovered(held, n_answered, n_since, sd_since)
    assert report.verdict is PerformanceVerdict.FELL
    assert report.worst_slice.verdict is PerformanceVerdict.FELL


def test_an_hour_that_holds_ends_no_fall(held):
    state = PerformanceState.begun(held)
    state.add([labelled(NUMBER, *numbers(20_000, 3.0), at_us=NOW_US - 3 * 24 * HOUR_US)], held)
    state.add([labelled(NUMBER, *numbers(20_000, 1.0, seed=1), at_us=NOW_US, first=1)], held)
    windows = PerformanceRules(windows=(1, 168))
    report = report_of(state, held, NOW, rules=windows)
    assert report.verdict is PerformanceVerdict.FELL


def test_the_worst_slice_is_found_and_no_other_is_accused(held):
    answer, actual = numbers(8_000)
    region = np.array(["EU", "US"] * 4_000)
    worse = np.where(region == "US", 1.6, 1.0)
    report = reported(held, actual + worse * (answer - actual), actual, region=region)
    assert report.worst_slice.slice == "region=US"
    assert report.worst_slice.verdict is PerformanceVerdict.FELL
    assert "corrected for all slices" in report.worst_slice.reason
    other = next(each for each in report.slices if each.slice == "region=EU")
    assert other.verdict is not PerformanceVerdict.FELL


def test_a_slice_of_a_denied_column_counts_as_the_worst_and_is_not_named(held):
    answer, actual = numbers(8_000)
    region = np.array(["EU", "US"] * 4_000)
    worse = np.where(region == "US", 1.6, 1.0)
    named = reported(held, actual + worse * (answer - actual), actual, region=region)
    report = reported(held, actual + worse * (answer - actual), actual, region=region, denied=DenyList(["reg*"]))
    assert report.worst_slice == replace(named.worst_slice, slice=DENIED)
    assert report.slices == ()
    assert "region" not in str(report)


def test_only_the_slices_of_one_column_can_be_listed(held):
    state = PerformanceState.begun(held)
    state.add([labelled(NUMBER, *numbers(100), at_us=NOW_US, region=["EU"] * 100)], held)
    assert [each.slice for each in report_of(state, held, NOW, by="region").slices] == ["region=EU"]
    assert report_of(state, held, NOW, by="sector").slices == ()


def test_outcomes_of_one_caller_count_as_fewer(held):
    rng = np.random.default_rng(2)
    units = rng.integers(-(2**63), 2**63 - 1, 60)
    caller = rng.integers(0, 60, 6_000)
    answer, actual = numbers(6_000)
    shared = rng.normal(size=60)[caller]  # each caller has an error of its own
    alone = reported(held, answer, actual)
    grouped = reported(held, answer + shared, actual, unit=units[caller])
    width = {name: found.metrics[0].high - found.metrics[0].low for name, found in (("a", alone), ("g", grouped))}
    assert width["g"] > 3 * width["a"]
    assert any("of one caller or request are alike" in note for note in grouped.notes)


def test_a_handful_of_callers_has_no_interval(held):
    answer, actual = numbers(2_000, 1.5)
    unit = np.array([10**18, -(10**18)] * 1_000)
    report = reported(held, answer, actual, unit=unit)
    assert report.verdict is PerformanceVerdict.OPEN
    assert report.metrics[0].low is None
    assert any("fewer than 10 callers or requests" in note for note in report.notes)


@pytest.mark.truth
def test_heavy_tails_of_few_held_out_rows_are_no_fall(truth):
    n, fell = 12 * truth.scale, 0
    for seed in range(n):
        rng = np.random.default_rng([seed, 200])
        then, now = (np.exp(1.2 * rng.normal(size=size)) * rng.choice([-1, 1], size) for size in (200, 4_000))
        few = profile(NUMBER, then, np.zeros(200))
        state = PerformanceState.begun(few)
        for k in range(8):
            at_us = NOW_US + k * HOUR_US
            state.add([labelled(NUMBER, now[k::8], np.zeros(500), at_us=at_us, first=8 * seed + k)], few)
            if report_of(state, few, datetime.fromtimestamp((at_us + 10**8) / 1e6, UTC)).verdict.value == "fell":
                fell += 1
                break
    assert fell <= 0.02 * n


def test_the_reference_of_heavy_tailed_errors_holds_what_held_out_rows_lack():
    missed = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 7])
        errors = np.exp(1.2 * rng.normal(size=200)) * rng.choice([-1, 1], 200)
        missed += held_out(profile(NUMBER, errors, np.zeros(200)), MeasuredTask.NUMBER).deciding.high < np.exp(2.88)
    assert missed <= 3


def requests(held, seed, *, per_hour, n_rows, days, has_callers, worse=1.0):
    """Follow requests whose rows share half of the variance of their errors; yield the report of each sixth hour."""
    rng, state = np.random.default_rng(seed), PerformanceState.begun(held)
    for hour in range(24 * days):
        begun_us = (NOW_US // HOUR_US + hour) * HOUR_US
        request = np.repeat(np.arange(per_hour), n_rows)
        actual = rng.normal(50, 5, per_hour * n_rows)
        miss = np.sqrt(0.5) * (rng.normal(size=per_hour)[request] + rng.normal(size=len(actual)))
        at = begun_us + np.sort(rng.integers(0, HOUR_US - 10**8, per_hour))[request]
        unit = rng.integers(-(2**63), 2**63 - 1, per_hour)[request] if has_callers else None
        state.add([labelled(NUMBER, actual + worse * miss, actual, at_us=at, unit=unit, first=hour)], held)
        if hour % 6 == 5:
            yield report_of(state, held, datetime.fromtimestamp((begun_us + HOUR_US - 1) / 1e6, UTC))


@pytest.mark.truth
@pytest.mark.parametrize("has_callers", [True, False], ids=["of a caller each", "without callers"])
def test_requests_of_many_alike_rows_prove_no_fall_that_is_none(held, has_callers, truth):
    missed = {}
    for seed in range(truth.scale):
        for report in requests(held, seed, per_hour=2, n_rows=100, days=3, has_callers=has_callers):
            assert report.verdict is not PerformanceVerdict.FELL
            for each in report.metrics:
                if each.metric == "rmse" and each.low is not None:
                    missed.setdefault(each.window, []).append(not each.low <= 1.0 <= each.high)
    assert "hour" not in missed  # four requests say nothing of how alike their rows are
    assert {"", "week", "day"} <= set(missed)
    assert not any(any(each) for each in missed.values())


def test_requests_of_many_alike_rows_prove_a_fall_that_is_one(held):
    *_, last = requests(held, 0, per_hour=2, n_rows=100, days=3, has_callers=True, worse=1.7)
    assert last.verdict is PerformanceVerdict.FELL


def events(n, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n)
    return p, (rng.random(n) < np.clip(p + shift, 0, 1)).astype(float)


@pytest.mark.parametrize(
    ("shift", "n", "verdict"), [(0.0, 150_000, "holds"), (0.15, 8_000, "off"), (0.0, 300, "cannot")]
)
def test_the_reliability_curve_is_compared_with_that_of_held_out_rows(shift, n, verdict):
    then = profile(EVENT, *events(100_000, seed=8))
    state = PerformanceState.begun(then)
    state.add([labelled(EVENT, *events(n, shift), at_us=NOW_US)], then)
    found = report_of(state, then, NOW).calibration
    assert found.verdict.startswith(verdict)
    assert len(found.points) == 10
    assert sum(point.n for point in found.points) == n
    assert all(point.low <= point.observed <= point.high for point in found.points)
    assert found.error == pytest.approx(shift, abs=0.1)


@pytest.mark.truth
def test_a_version_that_is_as_good_as_held_out_seldom_falls_in_a_month(held, truth):
    fell = 0
    for month in range(3 * truth.scale):
        state = PerformanceState.begun(held)
        rng = np.random.default_rng(month)
        for hour in range(0, 24 * 30, 6):
            now_us = NOW_US + hour * HOUR_US
            n = int(rng.integers(20, 200))
            state.add([labelled(NUMBER, *numbers(n, seed=1000 * month + hour), at_us=now_us, first=hour)], held)
            state.forget(now_us)
            if report_of(state, held, datetime.fromtimestamp(now_us / 1e6, UTC)).verdict is PerformanceVerdict.FELL:
                fell += 1
                break
    assert fell <= 0.2 * 3 * truth.scale


def test_fewer_false_alarms_ask_for_more_proof(held):
    state = PerformanceState.begun(held)
    long_ago = NOW_US - 20 * 24 * HOUR_US
    state.add([labelled(NUMBER, *numbers(20_000), at_us=long_ago)], held)
    state.add([labelled(NUMBER, *numbers(350, 1.45, seed=1), at_us=NOW_US, first=1)], held)
    verdicts = [
        report_of(state, held, NOW, rules=PerformanceRules(false_alarm_days=days)).verdict for days in (1.0, 36_500.0)
    ]
    assert verdicts == [PerformanceVerdict.FELL, PerformanceVerdict.HOLDS]


def test_the_margin_and_the_windows_of_the_settings_are_judged(held):
    state = PerformanceState.begun(held)
    state.add([labelled(NUMBER, *numbers(20_000, 1.3, seed=3), at_us=NOW_US, first=1)], held)
    strict = report_of(state, held, NOW)
    lenient = report_of(state, held, NOW, rules=PerformanceRules(margin=1.0, windows=(6, 48)))

    assert (strict.verdict, lenient.verdict) == (PerformanceVerdict.FELL, PerformanceVerdict.HOLDS)
    assert [window.window for window in lenient.windows] == ["", "2 days", "6 hours"]
    part = lenient.part()
    assert (part.margin, part.windows) == (1.0, ("6 hours", "2 days"))
