"""The error rates of whole drift checks, simulated on columns of every kind."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.monitoring import exact_tests, levels
from core.monitoring.dependence import UnitsBySide, units_of
from core.monitoring.drift_check import DriftVerdict, FeatureDrift, check_drift
from core.tables import ColumnKind
from tests.truth import most_expected

LEVEL = 0.05
Generator = np.random.Generator


def zipf(power: float, n_levels: int = 200) -> np.ndarray:
    shares = np.arange(1, n_levels + 1) ** -power
    return shares / shares.sum()


def codes(rng: Generator, n: int, shares: np.ndarray) -> pd.Categorical:
    return pd.Categorical(rng.choice(len(shares), n, p=shares).astype(str))


def emptied(rng: Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(rng.random(len(values)) < share, np.nan, values)


COLUMNS: dict[str, Callable[[Generator, int], object]] = {
    **{f"normal_{k}": lambda rng, n: rng.normal(size=n) for k in range(5)},
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "rounded": lambda rng, n: rng.normal(size=n).round(1),
    "counts": lambda rng, n: rng.poisson(3, n).astype(float),
    "zero_inflated": lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n)),
    "flag": lambda rng, n: (rng.random(n) < 0.3).astype(float),
    "rare_flag": lambda rng, n: (rng.random(n) < 0.01).astype(float),
    "nine_tenths_empty": lambda rng, n: emptied(rng, rng.normal(size=n), 0.9),
    "some_empty": lambda rng, n: emptied(rng, rng.normal(size=n), 0.05),
    "few_empty": lambda rng, n: emptied(rng, rng.normal(size=n), 0.002),
    "empty": lambda rng, n: np.full(n, np.nan),
    "constant": lambda rng, n: np.ones(n),
    "zipf": lambda rng, n: codes(rng, n, zipf(1.0)),
    "steep_zipf": lambda rng, n: codes(rng, n, zipf(1.5)),
    "thirty_rare_levels": lambda rng, n: codes(rng, n, np.array([0.97] + [0.001] * 30)),
    "uniform_levels": lambda rng, n: codes(rng, n, np.full(200, 0.005)),
    "grade": lambda rng, n: codes(rng, n, np.array([0.5, 0.3, 0.2])),
    "open_ended": lambda rng, n: pd.Categorical(np.floor(np.exp(rng.exponential(1.2, n))).astype(int).astype(str)),
    "identifier": lambda rng, n: pd.Categorical(rng.integers(0, 10**9, n).astype(str)),
    "instant": lambda rng, n: pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10**6, n), "s"),
}  # fmt: skip
LEVELLED = ("zipf", "steep_zipf", "thirty_rare_levels", "uniform_levels", "grade", "open_ended", "identifier")
KINDS = dict.fromkeys(COLUMNS, ColumnKind.NUMBER)
KINDS |= dict.fromkeys(LEVELLED, ColumnKind.CATEGORY) | {"instant": ColumnKind.TIME}


def table(rng: Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({name: draw(rng, n) for name, draw in COLUMNS.items()})


@pytest.mark.truth
@pytest.mark.parametrize(
    ("n_reference", "n_current", "n_checks"),
    [
        (20, 20, 8), (20, 1_000, 8), (200, 200, 8), (200, 2_000, 8), (200, 5_000, 8), (2_000, 2_000, 6),
        (500, 10_000, 4), (2_000, 200, 6), (1_000, 20, 6), (20_000, 500, 3), (2_000, 20_000, 2), (1_000, 100_000, 1),
        (600, 1, 4),
    ],
)  # fmt: skip
def test_mixed_columns_without_drift_are_rarely_watched(truth, n_reference, n_current, n_checks):
    rng = np.random.default_rng([11, n_reference, n_current])
    n = n_checks * truth.scale
    verdicts = [check_drift(table(rng, n_reference), table(rng, n_current), KINDS).verdict for _ in range(n)]

    alarms, watches = (verdicts.count(verdict) / n for verdict in (DriftVerdict.ALARM, DriftVerdict.WATCH))
    truth.at_most(alarms + watches, most_expected(LEVEL, n), n=n)
    truth.at_most(alarms, most_expected(LEVEL / 2, n), n=n)


def verdict_rates(
    n: int, n_checks: int, draw: Callable[[int, bool], pd.DataFrame], kind: ColumnKind, n_current: int
) -> tuple[float, float]:
    """Return the share of checks that alarm, and of those that watch or alarm."""
    found = []
    for _ in range(n_checks):
        reference = draw(n, False)
        found.append(check_drift(reference, draw(n_current, True), dict.fromkeys(reference, kind)).verdict)
    alarms = found.count(DriftVerdict.ALARM)
    return alarms / n_checks, (alarms + found.count(DriftVerdict.WATCH)) / n_checks


def shifted(rng: Generator, shift: float, n_shifted: int) -> Callable[[int, bool], pd.DataFrame]:
    def draw(n: int, is_current: bool) -> pd.DataFrame:
        values = rng.normal(size=(n, 25))
        values[:, :n_shifted] += shift * is_current
        return pd.DataFrame(values, columns=[f"x{k}" for k in range(25)])

    return draw


@pytest.mark.truth
@pytest.mark.parametrize(
    ("n_reference", "n_current", "shift", "n_checks", "least"),
    [
        pytest.param(200, 200, 0.3, 10, (0.02, 0.45), id="200 rows"),
        pytest.param(2_000, 2_000, 0.3, 5, (0.99, 0.99), id="2000 rows"),
        pytest.param(20, 20, 3.0, 5, (0.95, 0.95), id="20 rows, gross"),
        pytest.param(9_000, 5, 8.0, 5, (0.95, 0.95), id="5 rows, out of range"),
    ],
)  # fmt: skip
def test_moved_numbers_are_found(truth, n_reference, n_current, shift, n_checks, least):
    n = n_checks * truth.scale
    draw = shifted(np.random.default_rng(3), shift, 3)
    alarms, watches = verdict_rates(n_reference, n, draw, ColumnKind.NUMBER, n_current)

    slack = 0.0 if truth.scale > 1 else 0.25
    truth.at_least(alarms, max(least[0] - slack, 0.0), n=n)
    truth.at_least(watches, least[1] - slack, n=n)


@pytest.mark.truth
def test_many_rows_make_no_alarm_of_a_fiftieth_of_sigma(truth):
    n_rows = 50_000 if truth.scale == 1 else 1_000_000
    draw = shifted(np.random.default_rng(4), 0.02, 25)
    _, watches = verdict_rates(n_rows, 2, draw, ColumnKind.NUMBER, n_rows)

    truth.at_most(watches, 0.0, n=2)


@pytest.mark.truth
@pytest.mark.parametrize(
    ("before", "after", "n_rows", "least"),
    [
        pytest.param([0.5, 0.3, 0.2], [0.4, 0.3, 0.3], 500, 0.85, id="a tenth of the rows changed their level"),
        pytest.param([0.1] * 10 + [0.0], [0.095] * 10 + [0.05], 500, 0.95, id="a new level with a twentieth"),
        pytest.param(zipf(1.0), zipf(1.0)[[2, 1, 0, *range(3, 200)]], 500, 0.95, id="two levels of a long tail"),
        pytest.param([0.005] * 200, [0.0091] * 20 + [0.1636 / 36] * 180, 2_000, 0.95, id="many equal levels"),
    ],
)  # fmt: skip
def test_moved_levels_are_found(truth, before, after, n_rows, least):
    rng = np.random.default_rng(5)
    n = 4 * truth.scale
    unmoved, moved = (np.asarray(shares) / np.sum(shares) for shares in (before, after))

    def draw(n_drawn: int, is_current: bool) -> pd.DataFrame:
        shares = [moved if is_current and k < 3 else unmoved for k in range(25)]
        return pd.DataFrame({f"c{k}": codes(rng, n_drawn, shares[k]) for k in range(25)})

    _, watches = verdict_rates(n_rows, n, draw, ColumnKind.CATEGORY, n_rows)

    truth.at_least(watches, least - (0.0 if truth.scale > 1 else 0.25), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(("n_reference", "n_current"), [(200, 200), (200, 5_000), (5_000, 200), (30, 30)])
@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_tests_of_levels_keep_their_level_however_rare_they_are(truth, n_reference, n_current, power):
    rng = np.random.default_rng(6)
    n = 100 * truth.scale
    homogeneity, unseen = 0, 0
    for _ in range(n):
        counts = np.stack([rng.multinomial(rows, zipf(power)) for rows in (n_reference, n_current)])
        counts = counts[:, np.argsort(-counts.sum(axis=0), kind="stable")]
        counts = counts[:, counts.sum(axis=0) > 0]
        homogeneity += levels.homogeneity_p_value(levels.pool_levels(counts)) <= 0.01
        unseen += levels.unseen_p_value(counts) <= 0.01

    truth.at_most(homogeneity / n, most_expected(0.013, n), n=n)  # three moments are no exact law
    truth.at_most(unseen / n, most_expected(0.01, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(("n_reference", "n_current"), [(8, 8), (20, 1_000), (1_000, 20), (300, 300), (5_000, 5)])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_a_harmless_difference_of_shares_is_rarely_called_more(truth, n_reference, n_current, share):
    rng = np.random.default_rng(7)
    n = 200 * truth.scale
    found = sum(
        exact_tests.share_moved_p_value(*pair, 0.05) <= 0.05
        for pair in (
            (rng.binomial(n_reference, share), n_reference, rng.binomial(n_current, share + 0.05), n_current)
            for _ in range(n)
        )
    )

    truth.at_most(found / n, most_expected(0.05, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(("n_reference", "n_current"), [(20, 20), (40, 40), (20, 1_000), (1_000, 20), (5_000, 5)])
def test_few_rows_with_a_harmless_move_rarely_alarm(truth, n_reference, n_current):
    """One row in twenty comes from far away: a distance of the distribution functions that is harmless."""
    rng = np.random.default_rng(8)
    n = 40 * truth.scale
    alarms = 0
    for _ in range(n):
        current = np.where(rng.random(n_current) < 0.05, 9.0, 0.0) + rng.normal(size=n_current)
        tables = (pd.DataFrame({"x": values}) for values in (rng.normal(size=n_reference), current))
        alarms += check_drift(*tables, {"x": ColumnKind.NUMBER}).verdict is DriftVerdict.ALARM

    truth.at_most(alarms / n, most_expected(0.01, n), n=n)


def one_column(n_checks: int, kind: ColumnKind, draw: Callable[[], tuple[object, object]]) -> list[FeatureDrift]:
    """Return what checks of one column find; `draw` gives its reference and its current values."""
    found = []
    for _ in range(n_checks):
        reference, current = draw()
        tables = pd.DataFrame({"x": reference}), pd.DataFrame({"x": current})
        found.append(check_drift(*tables, {"x": kind}).features[0])
    return found


def share_of(found: list[FeatureDrift], *verdicts: DriftVerdict) -> float:
    return sum(feature.verdict in verdicts for feature in found) / len(found)


@pytest.mark.truth
@pytest.mark.parametrize(
    ("n_levels", "n_rows", "factors"),
    [
        pytest.param(500, 20_000, (1.35, 0.65), id="500 levels, a third more or less"),
        pytest.param(2_000, 20_000, (1.5, 0.5), id="2,000 levels, half more or less"),
        pytest.param(2_000, 5_000, (2.0, 0.0), id="half of 2,000 levels gone"),
        pytest.param(500, 2_000, (1.5, 0.5), id="500 levels of four rows, half more or less"),
    ],
)
def test_opposite_moves_of_many_levels_do_not_cancel(truth, n_levels, n_rows, factors):
    rng = np.random.default_rng(12)
    n = 4 * truth.scale
    before = np.full(n_levels, 1 / n_levels)
    after = before * np.resize(factors, n_levels)
    found = one_column(n, ColumnKind.CATEGORY, lambda: (codes(rng, n_rows, before), codes(rng, n_rows, after)))

    truth.at_most(share_of(found, DriftVerdict.STABLE), 0.0, n=n)
    truth.at_least(share_of(found, DriftVerdict.ALARM), 0.95, n=n)


@pytest.mark.truth
@pytest.mark.parametrize(("n_reference", "n_current"), [(60, 60), (100, 100), (100, 1_000), (1_000, 100), (200, 200)])
@pytest.mark.parametrize("shift", [0.0, 0.35])
def test_the_bound_of_the_psi_holds_as_often_as_it_says(truth, n_reference, n_current, shift):
    rng = np.random.default_rng(13)
    n = 60 * truth.scale
    up_to = np.concatenate(([0.0], stats.norm.cdf(stats.norm.ppf(np.arange(1, 10) / 10) - shift), [1.0]))
    true_psi = float(((np.diff(up_to) - 0.1) * np.log(np.diff(up_to) / 0.1)).sum())
    found = one_column(n, ColumnKind.NUMBER, lambda: (rng.normal(size=n_reference), rng.normal(shift, size=n_current)))

    bounds = [(feature.psi, feature.psi_bound) for feature in found if feature.psi_bound is not None]
    truth.at_most(sum(bound < true_psi for _, bound in bounds) / n, most_expected(0.055, n), n=n)
    truth.at_most(sum(bound < psi for psi, bound in bounds) / n, 0.0, n=n)
    if shift:  # its true PSI is .117, above the .1 that matters
        truth.at_most(share_of(found, DriftVerdict.STABLE), most_expected(0.05, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize(
    ("share", "verdict", "least"), [(0.04, DriftVerdict.ALARM, 0.99), (0.0002, DriftVerdict.STABLE, 0.75)]
)
def test_values_far_outside_the_range_are_an_alarm_from_one_in_a_hundred(truth, share, verdict, least):
    rng = np.random.default_rng(14)
    n = 10 * truth.scale

    def draw() -> tuple[object, object]:
        before, after = rng.normal(120, 15, (2, 5_000))
        return before, np.where(rng.random(5_000) < share, 1e6, after)

    truth.at_least(share_of(one_column(n, ColumnKind.NUMBER, draw), verdict), least, n=n)


@pytest.mark.truth
@pytest.mark.parametrize(("n_reference", "n_current"), [(5, 5), (60, 60), (200, 2_000), (2_000, 60)])
def test_values_outside_the_range_come_by_chance_as_often_as_their_test_says(truth, n_reference, n_current):
    rng = np.random.default_rng(15)
    n = 500 * truth.scale
    before, after = (rng.random((n, rows)) for rows in (n_reference, n_current))
    outside = (after < before.min(axis=1, keepdims=True)) | (after > before.max(axis=1, keepdims=True))
    p = np.array([exact_tests.outside_p_value(int(k), n_reference, n_current) for k in outside.sum(axis=1)])
    moved = [exact_tests.outside_moved_p_value(int(k), n_reference, n_current, 0.0) for k in outside.sum(axis=1)[:200]]

    truth.at_most(float((p <= 0.05).mean()), most_expected(0.05, n), n=n)
    truth.at_most(float((np.array(moved) <= 0.05).mean()), most_expected(0.05, 200), n=200)


def followers(rng: Generator, n: int, memory: float) -> pd.DataFrame:
    """Draw ten columns of which each row remembers the one before it."""
    values = rng.normal(size=(n + 60, 10))
    for row in range(1, n + 60):
        values[row] = memory * values[row - 1] + np.sqrt(1 - memory**2) * values[row]
    return pd.DataFrame(values[60:], columns=[f"x{k}" for k in range(10)])


def clustered(rng: Generator, n_groups: int, alike: float) -> pd.DataFrame:
    """Draw numbers, empty cells and levels in groups of about ten rows."""
    group = np.repeat(np.arange(n_groups), rng.integers(5, 16, n_groups))
    values = rng.normal(size=(n_groups, 10))[group] * np.sqrt(alike)
    values += rng.normal(size=values.shape) * np.sqrt(1 - alike)
    columns: dict[str, object] = {f"x{k}": values[:, k] for k in range(10)}
    columns["x0"] = np.where(values[:, 0] > 1.3, np.nan, values[:, 0])
    levelled = {f"x{k}": pd.Categorical(np.floor(values[:, k] * 2).astype(int).astype(str)) for k in (7, 8, 9)}
    return pd.DataFrame(columns | levelled | {"group": group.astype(str)})


def watched(reference: pd.DataFrame, current: pd.DataFrame, units: UnitsBySide | None) -> tuple[bool, bool]:
    """Return whether a check watches or alarms, and whether it notes that rows depend on each other."""
    kinds = {
        name: ColumnKind.NUMBER if reference[name].dtype == np.float64 else ColumnKind.CATEGORY
        for name in reference
        if name != "group"
    }
    report = check_drift(reference, current, kinds, units=units)
    return report.verdict in (DriftVerdict.WATCH, DriftVerdict.ALARM), bool(report.notes)


@pytest.mark.truth
@pytest.mark.parametrize(("memory", "n_rows", "block"), [(0.5, 500, 20), (0.9, 2_000, 100)])
def test_blocks_keep_the_level_of_rows_that_follow_each_other(truth, memory, n_rows, block):
    rng = np.random.default_rng(16)
    n = 20 * truth.scale
    found = []
    for _ in range(n):
        reference, current = followers(rng, n_rows, memory), followers(rng, n_rows, memory)
        blocked, _ = watched(reference, current, units_of(reference, current, None, block))
        found.append((blocked, watched(reference, current, None)[1]))

    truth.at_most(np.mean([blocked for blocked, _ in found]), most_expected(LEVEL, n), n=n)
    truth.at_least(np.mean([noted for _, noted in found]), 0.99, n=n)


@pytest.mark.truth
@pytest.mark.parametrize("alike", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(("n_before", "n_after"), [(50, 50), (200, 20), (10, 10)])
def test_groups_keep_the_level_of_rows_that_belong_together(truth, alike, n_before, n_after):
    rng = np.random.default_rng(17)
    n = 12 * truth.scale
    found = 0
    for _ in range(n):
        reference, current = clustered(rng, n_before, alike), clustered(rng, n_after, alike)
        found += watched(reference, current, units_of(reference, current, "group", None))[0]

    truth.at_most(found / n, most_expected(LEVEL, n), n=n)


@pytest.mark.truth
def test_independent_rows_are_rarely_noted_and_groups_that_moved_are_found(truth):
    rng = np.random.default_rng(18)
    n = 20 * truth.scale
    noted = sum(watched(followers(rng, 400, 0.0), followers(rng, 400, 0.0), None)[1] for _ in range(n))
    moved = 0
    for _ in range(n // 4):
        reference, current = clustered(rng, 200, 0.5), clustered(rng, 200, 0.5)
        current["x1"] += 0.7
        moved += watched(reference, current, units_of(reference, current, "group", None))[0]

    truth.at_most(noted / n, most_expected(0.001, n), n=n)
    truth.at_least(moved / (n // 4), 0.95, n=n // 4)
