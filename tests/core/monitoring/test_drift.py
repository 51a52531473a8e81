"""The drift check's error rates by simulation, and its verdict on each kind of column."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.monitoring import drift, exact_tests, levels
from core.monitoring.compare_numbers import bin_numbers
from core.monitoring.drift_check import DriftVerdict, check_drift
from core.monitoring.number_sketch import CountedNumbers, NumberSketch
from core.tables import ColumnKind

N_FEATURES = 25
NUMBERS = {f"x{k}": ColumnKind.NUMBER for k in range(N_FEATURES)}


def any_alarm_and_watch(n_rows: int, shift: float, n_shifted: int, n_checks: int) -> tuple[float, float]:
    """Return the share of checks with an alarm, and with an alarm or a watch.

    Over 1,000 checks at 200 rows this is 0.9 % and 4.2 % without drift, 14 % and 61 % with 0.3 sigma in three.
    """
    rng = np.random.default_rng(7)
    alarms = watches = 0
    for _ in range(n_checks):
        baseline, current = rng.normal(size=(2, n_rows, N_FEATURES))
        current[:, :n_shifted] += shift
        verdict = check_drift(pd.DataFrame(baseline, columns=NUMBERS), pd.DataFrame(current, columns=NUMBERS), NUMBERS)
        alarms += verdict.verdict is DriftVerdict.ALARM
        watches += verdict.verdict in (DriftVerdict.ALARM, DriftVerdict.WATCH)
    return alarms / n_checks, watches / n_checks


@pytest.mark.parametrize(
    ("n_rows", "shift", "n_shifted", "n_checks", "alarms", "watches"),
    [
        pytest.param(200, 0.0, 0, 40, (0.0, 0.05), (0.0, 0.15), id="no drift at 200 rows"),
        pytest.param(200, 0.3, 3, 40, (0.05, 0.45), (0.4, 0.9), id="a third of sigma in three at 200 rows"),
        pytest.param(2_000, 0.0, 0, 20, (0.0, 0.05), (0.0, 0.15), id="no drift at 2,000 rows"),
        pytest.param(2_000, 0.3, 3, 10, (1.0, 1.0), (1.0, 1.0), id="a third of sigma in three at 2,000 rows"),
        pytest.param(50_000, 0.02, 25, 2, (0.0, 0.0), (0.0, 0.0), id="a fiftieth of sigma everywhere, and many rows"),
    ],
)
def test_checks_of_25_features_keep_their_stated_false_alarm_rate_and_power(
    n_rows, shift, n_shifted, n_checks, alarms, watches
):
    found_alarms, found_watches = any_alarm_and_watch(n_rows, shift, n_shifted, n_checks)

    assert alarms[0] <= found_alarms <= alarms[1]
    assert watches[0] <= found_watches <= watches[1]


def test_the_index_of_unmoved_columns_follows_its_law():
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(400):
        before, after = rng.multinomial(600, [0.1] * 10), rng.multinomial(300, [0.1] * 10)
        psi = drift.population_stability_index(before, after)
        p_values.append(drift.psi_p_value(psi, 600, 300, 10))

    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_the_bound_of_the_psi_is_above_the_truth_at_its_stated_rate():
    rng = np.random.default_rng(2)
    reference, moved = np.full(10, 0.1), np.array([0.13] * 5 + [0.07] * 5)
    truth = float(np.sum((moved - reference) * np.log(moved / reference)))
    below = 0
    for _ in range(400):
        counts = rng.multinomial(500, reference), rng.multinomial(500, moved)
        below += drift.psi_bound(drift.population_stability_index(*counts), 500, 500, 10, level=0.05) < truth

    assert below / 400 <= 0.09


@pytest.mark.parametrize("n_decimals", [1, 9], ids=["many equal values", "no equal values"])
@pytest.mark.parametrize("shift", [-9.0, -0.3, 0.0, 0.3, 9.0])
def test_the_ks_statistic_is_that_of_scipy(shift, n_decimals):
    rng = np.random.default_rng(6)
    reference = np.sort(rng.normal(size=300).round(n_decimals))
    current = np.sort(rng.normal(shift, 1.2, size=170).round(n_decimals))

    statistic = drift.ks_statistic(reference, current)

    assert statistic == pytest.approx(stats.ks_2samp(reference, current).statistic, abs=1e-12)


def test_adjusted_p_values_agree_with_scipy():
    p_values = np.random.default_rng(3).random(30) ** 2

    np.testing.assert_allclose(exact_tests.benjamini_hochberg(p_values), stats.false_discovery_control(p_values))


def test_shares_of_many_rows_are_tested_as_those_of_few():
    few = exact_tests.share_p_value(200, 5_000, 260, 5_000)
    many = exact_tests.share_p_value(201, 5_001, 260, 5_000)

    assert many == pytest.approx(few, rel=0.2)


def frame(n: int = 600, seed: int = 1, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    usual = {"size": rng.normal(size=n), "grade": pd.Categorical(rng.choice(["A", "B", "C"], n))}
    return pd.DataFrame(usual | columns)


KINDS = {"size": ColumnKind.NUMBER, "grade": ColumnKind.CATEGORY}


@pytest.mark.parametrize(
    ("baseline", "current", "feature", "verdict", "words"),
    [
        pytest.param({}, {}, "size", "stable", "below", id="nothing has moved"),
        pytest.param({}, {"size": np.arange(600) / 100}, "size", "alarm", "PSI", id="numbers moved"),
        pytest.param({}, {"grade": ["A"] * 500 + ["B"] * 100}, "grade", "alarm", "PSI", id="levels moved"),
        pytest.param({}, {"grade": ["A", "B", "Z"] * 200}, "grade", "alarm", "never seen", id="a new level"),
        pytest.param(
            {}, {"size": [np.nan] * 300 + list(np.random.default_rng(5).normal(size=300))}, "size", "alarm",
            "empty cells went from 0.0% to 50.0%", id="cells went missing",
        ),
        pytest.param({}, {"size": [np.nan] * 600}, "size", "alarm", "empty cells", id="all cells went missing"),
        pytest.param({"size": [np.nan] * 600}, {"size": [np.nan] * 600}, "size", "stable", "empty on both", id="empty"),
        pytest.param({"size": [4.0] * 600}, {"size": [4.0] * 600}, "size", "stable", "below", id="a constant"),
        pytest.param({"size": [4.0] * 600}, {"size": [5.0] * 600}, "size", "alarm", "", id="another constant"),
        pytest.param({"size": [0.0, 1.0] * 300}, {"size": [0.0, 1.0] * 300}, "size", "stable", "", id="two values"),
    ],
)  # fmt: skip
def test_each_kind_of_column_gets_its_verdict(baseline, current, feature, verdict, words):
    report = check_drift(frame(**baseline), frame(seed=2, **current), KINDS)

    found = next(found for found in report.features if found.feature == feature)
    assert found.verdict == verdict
    assert words in found.reason


def x_report(reference, current, kind=ColumnKind.NUMBER):
    (found,) = check_drift(pd.DataFrame({"x": reference}), pd.DataFrame({"x": current}), {"x": kind}).features
    return found


def normal(n: int, seed: int = 3, **options: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n, **options)


def levels_of(**n_rows: int) -> pd.Categorical:
    return pd.Categorical([level for level, n in n_rows.items() for _ in range(n)])


@pytest.mark.parametrize(
    ("reference", "current", "verdict", "words"),
    [
        pytest.param(normal(600, loc=120, scale=15), [9_000.0], "inconclusive", "rows on each side", id="one row"),
        pytest.param(normal(600, loc=120, scale=15), [9_000.0] * 5, "alarm", "KS statistic 1.000", id="five rows"),
        pytest.param(normal(20), normal(1_000, 4), "inconclusive", "20 values against 1,000", id="20 values"),
        pytest.param(normal(30), normal(30, 4, loc=5.0), "alarm", "KS statistic", id="gross, with few rows"),
        pytest.param(np.ones(600), [1.0], "inconclusive", "too few", id="a constant, and one row"),
        pytest.param(np.ones(600), np.ones(100), "stable", "of the rows have moved", id="a constant, and 100 rows"),
        pytest.param(np.ones(600), 1 + 1e-9 * normal(600), "alarm", "PSI", id="a constant that starts to vary"),
        pytest.param(
            np.where(normal(2_000) < 0, 0.0, normal(2_000, 4) ** 2),
            np.where(normal(2_000, 5) < 0, -(normal(2_000, 6) ** 2), normal(2_000, 7) ** 2),
            "alarm", "PSI", id="zeros that turn negative",
        ),
        pytest.param(normal(600) * 1e307, normal(600, 4) * 1e307, "stable", "PSI", id="huge"),
        pytest.param(normal(600) * 1e-310, normal(600, 4) * 1e-310, "stable", "PSI", id="tiny"),
        pytest.param(2.0**60 + np.arange(600) * 1e3, 2.0**60 + np.arange(600) * 1e3, "stable", "PSI", id="beyond 2^53"),
        pytest.param(normal(2_000), [*normal(1_999, 4), np.inf], "alarm", "1 infinite", id="one infinite cell"),
        pytest.param([*normal(999), np.inf], [*normal(999, 4), -np.inf], "stable", "PSI", id="infinite cells"),
        pytest.param(normal(2_000), [*normal(1_800, 4)] + [np.inf] * 200, "alarm", "10.00%", id="many infinite cells"),
        pytest.param(normal(600), ["high"] * 600, "alarm", "100.00% of the cells hold no number", id="text"),
        pytest.param(np.arange(600.0), [str(n) for n in range(600)], "stable", "PSI", id="the same numbers as text"),
        pytest.param([np.nan] * 600, normal(600), "alarm", "from 100.0% to 0.0%", id="filled now"),
        pytest.param([1.0, np.nan] * 4, [np.nan] * 3, "inconclusive", "no values", id="empty, but in three rows only"),
    ],
)  # fmt: skip
def test_each_kind_of_number_gets_its_verdict(reference, current, verdict, words):
    found = x_report(reference, current)

    assert found.verdict == verdict
    assert words in found.reason
    assert (found.rows_needed is not None) == (verdict == "inconclusive" and "rows on each side" in found.reason)


@pytest.mark.parametrize(
    ("reference", "current", "verdict", "words"),
    [
        pytest.param(levels_of(a=199, b=1), levels_of(a=200), "stable", "of the rows", id="a level seen once"),
        pytest.param(levels_of(a=500, b=500), levels_of(a=495, b=485, c=20), "watch", "never seen", id="2 % new"),
        pytest.param(levels_of(a=500, b=500), levels_of(a=450, b=400, c=150), "alarm", "never seen", id="15 % new"),
        pytest.param(
            levels_of(a=50_000, b=50_000), levels_of(a=50_000, b=49_980, typo=20), "stable", "below 0.002", id="a typo"
        ),
        pytest.param(
            [f"r{n}" for n in range(600)], [f"r{n}" for n in range(600, 1_200)], "stable", "of its own", id="names"
        ),
        pytest.param(levels_of(a=300, b=300), [f"r{n}" for n in range(600)], "alarm", "never seen", id="names now"),
        pytest.param(levels_of(a=300, **{"": 300}), levels_of(a=300, **{"": 300}), "stable", "PSI", id="empty texts"),
        pytest.param(levels_of(a=300, b=300), levels_of(c=5), "alarm", "never seen", id="five rows of a new level"),
        pytest.param(levels_of(a=300, b=300), levels_of(c=1), "inconclusive", "too few", id="one row of a new level"),
    ],
)  # fmt: skip
def test_each_kind_of_level_gets_its_verdict(reference, current, verdict, words):
    found = x_report(reference, current, ColumnKind.CATEGORY)

    assert found.verdict == verdict
    assert words in found.reason
    assert found.ks_statistic is None


def test_dates_are_compared_as_numbers():
    hours = pd.Series(pd.date_range("2026-01-01", periods=600, freq="h"))

    assert x_report(hours, hours + pd.Timedelta("30min"), ColumnKind.TIME).verdict == "stable"
    assert x_report(hours, hours + pd.Timedelta("30D"), ColumnKind.TIME).verdict == "alarm"


@pytest.mark.parametrize(("n", "m"), [(1, 600), (5, 7), (20, 20), (20, 1_000), (60, 300)])
def test_the_p_value_of_few_rows_is_that_of_scipy(n, m):
    reference, current = np.sort(normal(n)), np.sort(normal(m, 4, loc=0.9))
    statistic = drift.ks_statistic(reference, current)

    expected = stats.ks_2samp(reference, current, method="exact").pvalue
    if expected < 0.3:
        assert exact_tests.ks_p_value(statistic, n, m) == pytest.approx(expected, rel=1e-6)
    assert exact_tests.ks_p_value(statistic, n, m) >= expected * (1 - 1e-6) - 0.03


def test_shares_are_tested_as_fisher_does():
    expected = stats.fisher_exact([[3, 197], [12, 188]], alternative="less").pvalue

    assert exact_tests.share_p_value(3, 200, 12, 200) == pytest.approx(2 * expected)


def test_the_moments_of_the_homogeneity_statistic_are_those_of_its_deals():
    rng = np.random.default_rng(9)
    total = rng.multinomial(600, np.arange(1, 13) / 78)
    dealt = rng.multivariate_hypergeometric(total, 150, size=8_000)
    found = np.array([levels.homogeneity(np.stack([few, total - few]))[0] for few in dealt])

    statistic, mean, variance, skewness = levels.homogeneity(np.stack([dealt[0], total - dealt[0]]))

    assert statistic == pytest.approx(stats.chi2_contingency(np.stack([dealt[0], total - dealt[0]])).statistic)
    assert found.mean() == pytest.approx(mean, rel=0.02)
    assert found.var() == pytest.approx(variance, rel=0.1)
    assert stats.skew(found) == pytest.approx(skewness, abs=0.25)


def test_pooled_levels_have_enough_rows_on_both_sides():
    rng = np.random.default_rng(10)
    reference, current = (pd.Series(rng.zipf(1.4, n).astype(str)) for n in (200, 5_000))

    counts = levels.count_levels(reference, current)
    bins = levels.pool_levels(counts)

    assert (bins.sum(axis=1) == [200, 5_000]).all()
    assert bins.sum(axis=0).min() * 200 / 5_200 >= drift.LEAST_EXPECTED
    assert bins.shape[1] > 1


def test_a_value_with_many_rows_has_a_bin_of_its_own():
    reference = np.sort(np.concatenate((np.zeros(500), np.arange(1.0, 501.0))))
    current = np.sort(np.concatenate((-np.arange(1.0, 501.0), np.arange(1.0, 501.0))))

    whole = NumberSketch.whole(reference)
    counts = bin_numbers(whole, CountedNumbers.of_sorted(whole.points, current))

    assert counts[:, :2].tolist() == [[0, 500], [500, 0]]


def test_the_whole_check_shares_one_level():
    report = check_drift(frame(), frame(seed=2), KINDS)
    size, grade = (next(found for found in report.features if found.feature == name) for name in ("size", "grade"))

    assert report.level == 0.05
    assert (report.n_reference, report.n_current) == (600, 600)
    assert size.adjusted_p_value >= size.p_value
    assert (size.adjusted_missing_p_value, size.adjusted_unseen_p_value) == (None, None)
    assert grade.adjusted_unseen_p_value == 1.0
    assert (size.total_variation, grade.ks_statistic) == (None, None)


def test_a_column_that_disappeared_leaves_all_others_judged():
    report = check_drift(frame(), frame(seed=2).drop(columns="size"), {"size": ColumnKind.NUMBER})

    assert (report.verdict, report.lost, report.features) == (DriftVerdict.ALARM, ("size",), ())


def test_too_few_rows_are_inconclusive_and_the_check_says_how_many_it_takes():
    report = check_drift(frame(60), frame(60, seed=2), KINDS)

    found = next(found for found in report.features if found.feature == "size")
    assert found.verdict is DriftVerdict.INCONCLUSIVE
    assert found.rows_needed is not None
    assert str(found.rows_needed) in found.reason


def test_a_lost_column_is_an_alarm_and_a_new_one_is_named():
    report = check_drift(frame(), frame(seed=2).drop(columns="grade").assign(extra=1), KINDS)

    assert (report.verdict, report.lost, report.added) == (DriftVerdict.ALARM, ("grade",), ("extra",))


def test_each_column_of_a_table_with_other_columns_is_lost():
    report = check_drift(frame(), pd.DataFrame({"other": [1]}), KINDS)

    assert (report.verdict, report.lost, report.features) == (DriftVerdict.ALARM, ("size", "grade"), ())


def test_a_more_tolerant_policy_raises_the_alarm_later():
    moved = frame(seed=2, size=np.random.default_rng(8).normal(0.35, 1, 600))

    strict = check_drift(frame(), moved, KINDS, matters=0.1)
    lenient = check_drift(frame(), moved, KINDS, matters=1.0)

    assert strict.verdict is DriftVerdict.ALARM
    assert lenient.verdict is not DriftVerdict.ALARM


def evenly(n_levels: int, n: int, seed: int) -> pd.Categorical:
    return pd.Categorical(np.random.default_rng(seed).integers(0, n_levels, n).astype(str))


def test_levels_with_rows_enough_are_compared_alone_however_many_there_are():
    counts = levels.pool_levels(np.stack([np.full(800, 20), np.resize([27, 13], 800)]))

    assert counts.shape[1] == 800


def test_a_bound_speaks_of_groups_where_levels_are_pooled():
    found = x_report(evenly(500, 2_000, 1), evenly(500, 2_000, 2), ColumnKind.CATEGORY)

    assert found.verdict == "inconclusive"
    assert "groups compared may be up to" in found.reason
    assert found.psi_bound >= found.psi


def test_rows_whose_level_occurs_once_hide_their_move():
    def half_named(start: int) -> list[str]:
        return ["usual"] * 18_000 + [f"r{start + row}" for row in range(2_000)]

    found = x_report(half_named(0), half_named(2_000), ColumnKind.CATEGORY)

    assert found.verdict == "inconclusive"
    assert "10% of the rows have levels so rare that no move would show" in found.reason


def test_few_rows_have_neither_a_bound_nor_a_stable_verdict():
    found = x_report(normal(80), normal(80, 4))

    assert (found.verdict, found.psi_bound) == ("inconclusive", None)
    assert "80 values against 80 are too few to judge; about 407 rows" in found.reason


def test_a_watch_or_an_alarm_tells_how_many_values_lie_outside_the_range():
    found = x_report(normal(5_000), [*normal(4_800, 4), *[1e6] * 200])

    assert found.verdict == "alarm"
    assert "4.1% of the values lie outside the range of the reference" in found.reason
    assert found.outside_share == pytest.approx(0.04, abs=0.002)
    assert found.adjusted_outside_p_value < 1e-6
