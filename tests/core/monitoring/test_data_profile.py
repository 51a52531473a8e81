"""The profile of a version: small, deterministic, exact where it promises to be, and read strictly."""

import json

import numpy as np
import pandas as pd
import pytest

from core.models.outcomes import Outcomes
from core.monitoring import profiling
from core.monitoring.data_profile import DataProfile, ProfileError
from core.monitoring.drift_check import check_drift
from core.monitoring.number_sketch import CountedNumbers
from core.monitoring.profile_check import DriftType, check_profile
from core.settings.policy import DriftPolicy

RULES = DriftPolicy()


def drawn(n, seed, *, shift=0.0):
    """Draw numbers, ties, counts, levels, a long tail of levels, and gaps."""
    rng = np.random.default_rng(seed)
    gaps = rng.normal(size=n)
    gaps[rng.random(n) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "smooth": rng.normal(size=n) + shift,
            "tied": rng.normal(size=n).round(1),
            "count": rng.poisson(2, n).astype(np.float64),
            "grade": pd.Categorical(rng.choice(list("ABCD"), n, p=[0.6, 0.3, 0.08, 0.02])),
            "client": rng.zipf(1.3, n).clip(0, 5000).astype(str),
            "gaps": gaps,
            "constant": np.ones(n),
        }
    )


def profiled(frame, **roles):
    columns = profiling.profile_columns(frame, profiling.kinds_of(frame), roles.get("group"))
    features = tuple(name for name in columns if name not in roles.values())
    return profiling.profile_of(
        columns, features=features, target=roles.get("target"), group=roles.get("group"), held_out=roles.get("held_out")
    )


@pytest.fixture(scope="module")
def reference():
    return drawn(4_000, 1)


def test_it_is_the_same_bytes_each_time_and_reads_back(reference):
    content = profiled(reference).to_bytes()
    assert content == profiled(reference.copy()).to_bytes()
    assert DataProfile.from_bytes(content, "here") == profiled(reference)
    assert len(content) < 3_000 * reference.shape[1], "some KiB a column"


def test_it_grows_with_the_columns_and_not_with_the_rows(reference):
    more = profiled(drawn(40_000, 2)).to_bytes()
    assert len(more) < 1.5 * len(profiled(reference).to_bytes())


@pytest.mark.parametrize(("n", "shift"), [(2_000, 0.0), (2_000, 0.3), (50, 2.0), (4_000, 0.1)])
def test_a_check_against_it_finds_what_a_check_against_the_rows_finds(reference, n, shift):
    current, names = drawn(n, 7, shift=shift), [name for name in reference if name != "client"]
    kinds = {name: kind for name, kind in profiling.kinds_of(reference).items() if name in names}
    by_rows = {found.feature: found for found in check_drift(reference[names], current[names], kinds).features}
    report = check_profile(profiled(reference[names]), current[names], RULES)
    for column in report.columns:
        rows = by_rows[column.found.feature]
        assert column.found.verdict == rows.verdict
        assert column.found.psi == rows.psi, "the tenths are exact"
        assert column.found.outside_share == rows.outside_share, "the range is exact"
        if rows.ks_statistic is not None:
            assert rows.ks_statistic - 0.02 <= column.found.ks_statistic <= rows.ks_statistic
            assert column.found.wasserstein == pytest.approx(rows.wasserstein, abs=0.02)


@pytest.mark.parametrize("digits", [15, 2, 1])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_numbers_counted_without_a_sort_are_counted_exactly(digits, scale):
    rng = np.random.default_rng(5)
    points = np.unique(rng.normal(size=120).round(digits)) * scale
    values = rng.normal(size=60_000).round(digits) * scale
    quick, slow = CountedNumbers.of(points, values), CountedNumbers.of_sorted(points, np.sort(values))
    assert (quick.below == slow.below).all()
    assert (quick.up_to == slow.up_to).all()


def test_every_measure_is_there(reference):
    report = check_profile(profiled(reference), drawn(2_000, 3, shift=2.0), RULES, importance={"smooth": 0.7})
    (column,) = [one for one in report.columns if one.found.feature == "smooth"]
    assert column.found.wasserstein == pytest.approx(2.0, abs=0.1), "in the unit of the feature"
    assert column.found.chi_square > 1_000
    assert 0.5 < column.found.jensen_shannon <= 1
    assert report.alerts[0].importance == 0.7
    assert "+2." in report.alerts[0].message, report.alerts[0].message


def moved(frame, reference):
    report = check_profile(profiled(reference), frame, RULES)
    return {(alert.type, alert.column) for alert in report.alerts}


def test_quality_is_told_from_drift(reference):
    frame = drawn(2_000, 4)
    frame.loc[:400, "smooth"] = np.nan
    frame.loc[:400, "tied"] = 99.0
    frame["grade"] = frame["grade"].astype(object)
    frame.loc[:400, "grade"] = "Z"
    frame.loc[0, "count"] = np.inf
    found = moved(frame.drop(columns="gaps"), reference)
    quality = {column for kind, column in found if kind is DriftType.QUALITY}
    assert quality == {"smooth", "tied", "grade", "count", "gaps"}


def answered(n, seed, *, off=0.0, classes=()):
    rng = np.random.default_rng(seed)
    answer = rng.uniform(size=n)
    if classes:
        actual = (rng.uniform(size=n) < np.clip(answer + off, 0, 1)).astype(np.float64)
    else:
        actual = answer + off + rng.normal(0, 0.1, n)
    return Outcomes(pd.DataFrame({"desk": pd.Categorical(rng.choice(["x", "y"], n))}), answer, actual, classes)


@pytest.mark.parametrize("classes", [(), ("no", "yes")])
def test_a_changed_relation_is_residual_drift_and_nothing_else(reference, classes):
    profile = profiled(reference, held_out=answered(2_000, 1, classes=classes))
    assert bool(profile.calibration) is bool(classes)
    assert set(profile.slices) == {"desk=x", "desk=y"}
    quiet = check_profile(profile, drawn(1_000, 5), RULES, outcomes=answered(1_000, 2, classes=classes))
    assert not quiet.alerts
    loud = check_profile(profile, drawn(1_000, 5), RULES, outcomes=answered(1_000, 2, off=0.4, classes=classes))
    assert {alert.type for alert in loud.alerts} == {DriftType.RESIDUAL}
    assert loud.slices["desk=x"].now.residual > 0.2


def test_rows_without_a_known_truth_have_no_residuals(reference):
    outcomes = answered(1_000, 2)
    outcomes.actual[:] = np.nan
    profile = profiled(reference, held_out=answered(2_000, 1))
    report = check_profile(profile, drawn(1_000, 5), RULES, outcomes=outcomes)
    assert set(report.not_judged) == {DriftType.TARGET, DriftType.RESIDUAL}


def test_groups_of_the_reference_are_carried(reference):
    rng = np.random.default_rng(3)

    def grouped(seed):
        rng = np.random.default_rng(seed)
        desks = np.repeat(np.arange(60), 20)
        own = rng.normal(size=60)[desks]
        return pd.DataFrame({"desk": desks.astype(str), "x": own + rng.normal(size=len(desks)) * 0.3})

    profile = profiled(grouped(1), group="desk")
    assert profile.features[0].design_effect > 5
    assert not check_profile(profile, grouped(2), RULES).alerts
    report = check_profile(profile, grouped(2).drop(columns="desk"), RULES)
    assert "taken for independent" in " ".join(report.notes)
    assert rng is not None


def spoiled(content, change):
    document = json.loads(content)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=2),
        lambda d: d.update(extra=1),
        lambda d: d.pop("rows"),
        lambda d: d["features"][0].update(rows=-1),
        lambda d: d["features"][0].update(rows=10**30),
        lambda d: d["features"][0].update(missing=10**9),
        lambda d: d["features"][0].update(sd="1"),
        lambda d: d["features"][0]["points"].reverse(),
        lambda d: d["features"][0]["points"].pop(),
        lambda d: d["features"][0]["below"].reverse(),
        lambda d: d["features"][0]["equal"].__setitem__(0, 0),
        lambda d: d["features"][0].update(points=[], below=[], equal=[]),
        lambda d: d["features"][0].update(levels={"A": 4000}),
        lambda d: d["features"][0].update(kind="category"),
        lambda d: d["features"][3]["levels"].update(A=1),
        lambda d: d["features"][3].update(points=[1.0], below=[0], equal=[1]),
        lambda d: d["features"][4]["buckets"].pop(),
        lambda d: d["features"].append(d["features"][0]),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(reference, change):
    with pytest.raises(ProfileError, match="Train the version again"):
        DataProfile.from_bytes(spoiled(profiled(reference).to_bytes(), change), "pricing/1.0.0")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b"{}", b'{"format":1e999}'])
def test_a_file_that_is_no_profile_is_refused(content):
    with pytest.raises(ProfileError, match=r"pricing/1\.0\.0: it is not the profile of a version .* Train"):
        DataProfile.from_bytes(content, "pricing/1.0.0")


@pytest.mark.truth
@pytest.mark.parametrize(("n_reference", "n"), [(1_000, 200), (1_000, 5_000), (5_000, 2_000)])
def test_an_unmoved_batch_raises_no_alarm_more_often_than_stated(truth, n_reference, n):
    """The level is that of a whole check: all columns, their quality, predictions and residuals together."""
    n_checks, n_found, n_alarms = 20 * truth.scale, 0, 0
    for seed in range(n_checks):
        profile = profiled(drawn(n_reference, 1_000 + seed), held_out=answered(n_reference, 2_000 + seed))
        report = check_profile(profile, drawn(n, 3_000 + seed), RULES, outcomes=answered(n, 4_000 + seed))
        n_found += bool(report.alerts)
        n_alarms += report.verdict == "alarm"
    assert n_alarms == 0
    assert n_found <= 0.05 * n_checks + 2 * np.sqrt(0.05 * n_checks), f"{n_found} of {n_checks}"


def test_the_figures_of_instants_are_years_and_days():
    frame = pd.DataFrame({"on": pd.date_range("2016-07-01", periods=300, freq="1D")})
    found = profiling.profile_columns(frame, profiling.kinds_of(frame), None)["on"].figures()
    assert found == {"mean year": 2016.91, "sd days": pytest.approx(86.6, abs=0.1), "median year": 2016.91}
