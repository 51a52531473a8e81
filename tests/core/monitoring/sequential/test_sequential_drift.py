"""The sequential verdict: what it finds, when, and what it leaves alone."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from core.monitoring.coarse_cells import cell_codes
from core.monitoring.profiling import kinds_of, profile_columns, profile_of
from core.monitoring.sequential import BinnedMinute, SequentialDrift, Streams, state_from_bytes, state_to_bytes
from core.monitoring.sequential.bets import Band, ColumnBets, Instant
from core.monitoring.sequential.change_point import change_point
from core.monitoring.sequential.scores import followed_in, neyman_scores
from core.monitoring.verdicts import DriftType, DriftVerdict
from tests.core.monitoring.sequential.populations import FEATURE, MONDAY, Population, minutes
from tests.truth import most_expected


def test_a_shift_is_found_named_and_dated(population, streams):
    rng = np.random.default_rng(2)
    drift = SequentialDrift(streams)
    before = minutes(population, drift.streams.layouts, rng, 180, 40)
    after = minutes(population, drift.streams.layouts, rng, 30, 40, start=MONDAY + timedelta(minutes=180), shift=1.0)
    drift.observe([*before, *after])
    drift.date_findings([*before, *after])
    drift.judge_findings()

    [(stream, finding)] = drift.state.findings.items()
    assert drift.streams.streams[stream].key == (FEATURE, "income")
    assert finding.verdict is DriftVerdict.ALARM
    assert finding.changed_from <= MONDAY + timedelta(minutes=180) <= finding.changed_until
    assert abs(finding.changed_at - MONDAY - timedelta(minutes=180)) <= timedelta(minutes=1)
    assert finding.found_at - finding.changed_at <= timedelta(minutes=10)


def test_no_single_minute_decides(population, streams):
    rng = np.random.default_rng(3)
    drift = SequentialDrift(streams)
    drift.observe(minutes(population, drift.streams.layouts, rng, 20, 50))
    drift.observe(
        minutes(population, drift.streams.layouts, rng, 1, 5_000, start=MONDAY + timedelta(minutes=20), shift=2.0)
    )

    assert not drift.state.findings
    assert 0.3 < drift.evidence().max() < 1.0


def test_parts_of_one_minute_that_come_late_do_not_decide_either(population, streams):
    rng = np.random.default_rng(3)
    drift = SequentialDrift(streams)
    drift.observe(minutes(population, streams.layouts, rng, 20, 50))
    for _ in range(4):
        drift.observe(
            minutes(population, streams.layouts, rng, 1, 5_000, start=MONDAY + timedelta(minutes=20), shift=2.0)
        )
        drift.observe(minutes(population, streams.layouts, rng, 1, 1, start=MONDAY + timedelta(minutes=21)))

    assert not drift.state.findings
    assert 0.3 < drift.evidence().max() < 1.0


def test_evidence_is_lost_again_once_rows_are_as_in_the_reference(population, streams):
    rng = np.random.default_rng(4)
    drift = SequentialDrift(streams)
    drift.observe(minutes(population, drift.streams.layouts, rng, 30, 100, shift=1.0))
    assert drift.state.findings
    drift.observe(minutes(population, drift.streams.layouts, rng, 120, 100, start=MONDAY + timedelta(minutes=30)))

    assert not drift.state.findings


def test_a_new_level_and_empty_cells_are_faults_of_quality(population, streams):
    rng = np.random.default_rng(5)
    drift = SequentialDrift(streams)
    rows = minutes(population, drift.streams.layouts, rng, 30, 100)
    key = (FEATURE, "gaps")
    layout = streams.layouts[key]
    for minute in rows:
        moved = minute.counts[key][0]
        minute.counts[key][0] -= moved
        minute.counts[key][layout.missing] += moved
    drift.observe(rows)

    quality = {streams.streams[k].key: finding.aspect for k, finding in drift.state.findings.items()}
    kinds = {streams.streams[k].type for k in drift.state.findings}
    assert quality[key] == "missing" or DriftType.QUALITY in kinds


def test_a_reset_forgets_the_evidence_of_the_named_column_alone(population, streams):
    rng = np.random.default_rng(6)
    drift = SequentialDrift(streams)
    drift.observe(minutes(population, drift.streams.layouts, rng, 20, 100, shift=1.0))
    others = [k for k, stream in enumerate(streams.streams) if stream.key != (FEATURE, "income")]
    before = drift.evidence()[others]
    drift.reset([(FEATURE, "income")])

    assert not drift.state.findings
    assert drift.evidence()[others].tolist() == before.tolist()


def test_minutes_of_one_look_count_the_same_in_any_order(population, streams):
    rng = np.random.default_rng(7)
    rows = minutes(population, streams.layouts, rng, 30, 20)
    one, other = SequentialDrift(streams), SequentialDrift(streams)
    one.observe(rows)
    other.observe(rows[::-1])

    assert state_to_bytes(one.state, streams) == state_to_bytes(other.state, streams)


def test_a_stored_state_continues_to_the_same_bytes(population, streams):
    rng = np.random.default_rng(8)
    rows = minutes(population, streams.layouts, rng, 60, 20, shift=0.8)
    whole = SequentialDrift(streams)
    whole.observe(rows)
    first = SequentialDrift(streams)
    first.observe(rows[:25])
    state, cursor = state_from_bytes(state_to_bytes(first.state, streams, cursor=7), streams)
    second = SequentialDrift(streams, state=state)
    second.observe(rows[25:])

    assert cursor == 7
    assert state_to_bytes(second.state, streams) == state_to_bytes(whole.state, streams)


@pytest.mark.parametrize(("shift", "within"), [(2.0, 9), (1.0, 15)])
def test_a_large_move_right_after_a_version_went_live_is_found_before_batches_were_compared(
    population, streams, shift, within
):
    for seed in range(5):
        rng, drift = np.random.default_rng([61, seed]), SequentialDrift(streams)
        drift.observe(minutes(population, streams.layouts, rng, 3, 100))
        later = MONDAY + timedelta(minutes=3)
        drift.observe(minutes(population, streams.layouts, rng, within, 100, start=later, shift=shift))

        assert [streams.streams[k].key[1] for k in drift.state.findings] == ["income"]


def test_a_column_that_is_alike_in_every_request_counts_once_while_the_others_count_by_row(population, streams):
    rng, drift = np.random.default_rng(62), SequentialDrift(streams)
    rows = minutes(population, streams.layouts, rng, 3, 100)
    key = next(key for key in streams.layouts if key[1] == "income")
    for minute in rows:
        cells = minute.counts[key]
        cells[:] = 0
        cells[rng.integers(0, streams.layouts[key].n_values)] = 100
    drift.observe(rows)
    effects = drift.state.dispersion.effects()[-1]
    own = streams.directed == streams.column_numbers[key]

    assert effects[own].min() >= 100
    assert effects[~own].max() < effects[own].min() / 1.5


def test_rows_of_callers_who_send_many_alike_are_worth_fewer(population, streams):
    rng = np.random.default_rng(9)
    drift = SequentialDrift(streams)
    rows = minutes(population, drift.streams.layouts, rng, 300, 10)
    for minute in rows:
        for key in minute.counts:
            minute.counts[key] = minute.counts[key] * 20  # every row comes twenty times
    drift.observe(rows)

    assert not drift.state.findings
    assert drift.state.dispersion.effects().max() > 10


def untimed_weeks(shifts: list[float], *, seed: int) -> SequentialDrift:
    """Follow days of live rows, each moved by its own shift, against a reference without times."""
    population = Population()
    rng = np.random.default_rng(seed)
    drift = SequentialDrift(Streams(population.profile(seed, 20_000, timed=False)))
    for day, shift in enumerate(shifts):
        start = MONDAY + timedelta(days=day)
        layouts = drift.streams.layouts
        drift.observe(minutes(population, layouts, rng, 24, 120, start=start, step=60, shift=shift), length=60)
    return drift


def test_without_times_small_moves_are_found_by_whole_weeks():
    drift = untimed_weeks([0.0] * 7 + [0.3] * 22, seed=10)

    assert [drift.streams.streams[k].key[1] for k in drift.state.findings] == ["income"]
    assert drift.streams.untimed == ("income", "gaps", "rooms", "grade")


def test_without_times_a_week_that_repeats_is_no_drift():
    """The mean over a week is that of the reference; its weekends differ from its other days by half a deviation."""
    week = [-1 / 7] * 5 + [2.5 / 7] * 2

    assert not untimed_weeks(week * 5, seed=11).state.findings


def test_every_bet_is_fair_at_the_reference_and_within_the_harmless_move():
    streams = Streams(Population().profile(11, 2_000))
    band = Band(quantile=3.5, level=2e-4, harmless=0.02)
    for layout in streams.columns:
        shares = layout.reference / layout.reference.sum()
        bets = ColumnBets(followed_in(layout, 0.02), band).increments(Instant(3, 1))
        assert (np.exp(bets) @ shares <= 1.0).all()


def test_scores_are_uncorrelated_with_mean_0_and_variance_1():
    shares = np.array([0.05, 0.3, 0.1, 0.4, 0.15])
    scores = neyman_scores(shares)
    assert np.allclose(scores @ shares, 0.0)
    assert np.allclose((scores * shares) @ scores.T, np.eye(len(scores)))


@pytest.mark.truth
@pytest.mark.parametrize("n_reference", [1_000, 5_000])
def test_the_interval_of_a_change_holds_it(truth, n_reference):
    rng = np.random.default_rng([12, n_reference])
    n = 60 * truth.scale
    usual, moved = np.full(10, 0.1), np.linspace(0.06, 0.14, 10)
    missed = 0
    for _ in range(n):
        reference = rng.multinomial(n_reference, usual).astype(np.float64)
        rows = np.concatenate((rng.multinomial(10, usual, 300), rng.multinomial(10, moved, 100)))
        found = change_point(rows, np.tile(reference / n_reference, (400, 1)), reference)
        missed += not found.low <= 300 <= found.high
    truth.at_most(missed / n, most_expected(0.05, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize("n_reference", [1_000, 5_000])
def test_months_without_drift_rarely_have_a_verdict(truth, n_reference):
    """At a stated run length of 30 days a month may have one false verdict; far fewer are found, at any reference."""
    population, n, wrong = Population(wave=0.4), 6 * truth.scale, 0
    for month in range(n):
        rng = np.random.default_rng([13, n_reference, month])
        drift = SequentialDrift(Streams(population.profile(1_000 + month, n_reference)))
        drift.observe(minutes(population, drift.streams.layouts, rng, 30 * 8, 180, step=180), length=180)
        wrong += bool(drift.state.findings)
    truth.at_most(wrong / n, most_expected(0.1, n), n=n)


def test_levels_that_are_new_by_nature_are_not_taken_for_drift():
    rng = np.random.default_rng(14)

    def frame(n: int) -> pd.DataFrame:
        open_ended = np.floor(np.exp(rng.exponential(1.2, n))).astype(int).astype(str)
        names = rng.integers(0, 10**9, n).astype(str)
        return pd.DataFrame({"open_ended": pd.Categorical(open_ended), "name": pd.Categorical(names)})

    rows = frame(400)
    kinds = kinds_of(rows)
    columns = profile_columns(rows, kinds)
    streams = Streams(profile_of(columns, features=tuple(kinds), target=None, group=None, held_out=None))
    drift = SequentialDrift(streams)
    for k in range(100):
        live, counts = frame(60), {}
        for key, layout in streams.layouts.items():
            values = np.bincount(cell_codes(layout.cells, live[key[1]]), minlength=layout.missing)
            counts[key] = layout.counts(values, 0, 0)
        drift.observe([BinnedMinute(MONDAY + timedelta(minutes=k), counts)])

    assert [layout.stored.n_levels < 400 for layout in streams.columns] == [True, False]
    assert not drift.state.findings
