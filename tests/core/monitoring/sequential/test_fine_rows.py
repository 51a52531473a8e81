"""What is shown beside a verdict: the course of a column, and where its move is."""

from datetime import timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.monitoring.data_profile import DataProfile, SliceProfile
from core.monitoring.live import PREDICTION, LiveSketch, ProfileIndex, SliceCounts
from core.monitoring.profiling import profile_column
from core.monitoring.sequential.fine_measures import moved_by, moved_share, moved_slice, quantile_pairs
from core.monitoring.sequential.outcome_history import DAY, HOUR, OutcomeHistory
from core.monitoring.sequential.recent_steps import LENGTHS, N_STEPS, RecentSteps
from core.monitoring.verdicts import DriftType
from core.tables.signature import ColumnKind
from tests.core.monitoring.sequential.populations import FEATURE, MONDAY

KEY = (DriftType.PREDICTION, "prediction")


@pytest.fixture(scope="module")
def index():
    answers = pd.Series(np.random.default_rng(1).normal(10, 2, 20_000))
    return ProfileIndex(
        DataProfile(
            format=1,
            rows=20_000,
            features=(),
            held_out=20_000,
            prediction=profile_column(answers, ColumnKind.NUMBER, name="prediction"),
            slices={
                "sector=Energy": SliceProfile(rows=2_000, prediction=10.0),
                "sector=Retail": SliceProfile(rows=18_000, prediction=10.0),
                "vendor=none": SliceProfile(rows=19_000, prediction=10.0),  # no request carries it
            },
        )
    )


@pytest.fixture(scope="module")
def served(index):
    """Draw 4,000 answers, of which the first are of one sector."""

    def served(n_energy, energy, retail=0.0):
        rng = np.random.default_rng(2)
        moves = np.where(np.arange(4_000) < n_energy, energy, retail)
        answers = rng.normal(10 + moves, 2, 4_000)
        grid = index.answers[PREDICTION]
        steps = grid.position(answers)
        parts = (("Energy", steps[:n_energy]), ("Retail", steps[n_energy:]))
        slices = {f"sector={name}": SliceCounts(len(part), len(part), int(part.sum())) for name, part in parts}
        return LiveSketch(4_000, {}, {PREDICTION: grid.count(answers)}, slices)

    return served


def test_the_slice_on_which_the_predictions_moved_most_is_named(index, served):
    assert moved_slice(index, served(400, energy=2.0, retail=0.2), 1.0) == "sector = Energy"
    assert moved_slice(index, served(400, energy=0.0), 1.0) == ""


def test_a_slice_that_gained_rows_is_named_with_its_shares(index, served):
    assert moved_share(index, served(1_200, energy=0.0), 1.0) == "rows where sector = Energy went from 10.0% to 30.0%"
    assert moved_share(index, served(400, energy=2.0), 1.0) == ""


def test_the_missing_share_is_that_of_all_cells_of_the_features(index):
    grid = index.answers[PREDICTION]
    numbers, empty = np.full(30, 10.0), np.full(10, np.nan)
    features = {"a": grid.count(np.concatenate([numbers, empty])), "b": grid.count(np.full(40, 9.0))}
    assert LiveSketch(40, features).missing_share() == 10 / 80
    assert LiveSketch().missing_share() is None
    assert LiveSketch().prediction_mean(index) is None


@pytest.mark.parametrize("by", [0.2, 1.0, 4.0])
def test_a_move_is_measured_in_full_however_far_it_is(index, served, by):
    sketch = served(0, energy=0.0, retail=by)
    assert moved_by(index, KEY, sketch) == pytest.approx((by, by), abs=0.1)


def test_quantiles_lie_side_by_side(index, served):
    pairs = quantile_pairs(index, KEY, served(0, energy=0.0, retail=1.0))
    assert [pair.p for pair in pairs] == [0.05, 0.25, 0.5, 0.75, 0.95]
    assert [pair.current - pair.reference for pair in pairs] == pytest.approx([1.0] * 5, abs=0.2)


def test_steps_become_longer_until_they_last_four_hours_and_are_never_more_than_fourteen(population, streams):
    course, seen = RecentSteps(), set()
    rows = np.ones((len(streams.columns), streams.width), dtype=np.int64)
    for minute in range(4 * 24 * 60):
        course.add(MONDAY + timedelta(minutes=minute), rows)
        seen.add(course.length)
        assert len(course.steps) <= N_STEPS
    course.add(MONDAY, rows)  # far too late
    assert seen == set(LENGTHS)
    assert [int(step[0, 0]) for step in course.steps.values()] == [240] * N_STEPS
    layout = streams.layouts[FEATURE, "income"]
    assert len(course.trend(streams.column_numbers[layout.key], layout)) == N_STEPS


def test_old_outcomes_are_kept_by_the_hour_and_by_the_day_and_none_counts_twice(index):
    history, grid = OutcomeHistory(), index.answers[PREDICTION]
    for at in range(0, 20 * DAY, 10 * 60):
        history.add({at: LiveSketch(answers={PREDICTION: grid.count(np.array([10.0]))})})
    gaps = np.diff(sorted(history.parts))
    assert set(gaps.tolist()) == {600, HOUR, DAY}
    history.add({at + 120: LiveSketch(answers={PREDICTION: grid.count(np.array([10.0]))})})
    assert max(history.parts) == at + 120  # the newest is named by its minute
    kept = [sketch.answers[PREDICTION].n for _, sketch in history.since(MONDAY - timedelta(days=36_500), index)]
    assert sum(kept[-30:]) >= 30
    assert 14 * 144 <= sum(kept) <= 16 * 144


def test_a_state_with_damaged_counts_is_refused(streams):
    from core.monitoring.sequential import DriftStateError
    from core.monitoring.sequential.live_state import LiveState, live_state_from_bytes
    from core.monitoring.sequential.sequential_drift import new_state
    from tests.core.monitoring.sequential.populations import Population

    index = ProfileIndex(Population().profile(1, 5_000))
    content = LiveState().to_bytes(new_state(streams), streams, index)
    assert live_state_from_bytes(content, streams, index).cursor == 0
    for fields in ({"today": b"x"}, {"length": 7}, {"steps": {1: b"x"}}, {"moves": {0: b""}}):
        damaged = msgspec.msgpack.encode(msgspec.msgpack.decode(content, strict=False) | fields)
        with pytest.raises(DriftStateError):
            live_state_from_bytes(damaged, streams, index)
