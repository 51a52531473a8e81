"""Categories with thousands of levels, of which a small reference has few: nothing moved, or something did."""

import numpy as np
import pandas as pd
import pytest

from core.arrays import FloatArray
from core.monitoring import profiling
from core.monitoring.live.level_counts import MOST_UNSEEN, LevelIndex
from core.monitoring.profiled_column import count_column, measure_counts
from core.tables.signature import ColumnKind

N_LEVELS, MATTERS, LEVEL = 2_000, 0.1, 0.01
ZIPF = np.arange(1, N_LEVELS + 1) ** -0.9
FLATTER = np.arange(1, N_LEVELS + 1) ** -0.4
FIRST = np.where(np.arange(N_LEVELS) < 5, [3, *[0.2] * 4, *[1] * (N_LEVELS - 5)], 1.0) * ZIPF
NAMES = np.array([f"dealer {number}" for number in range(N_LEVELS)], dtype=object)


def drawn(rng: np.random.Generator, n: int, weights: FloatArray) -> "pd.Series[str]":
    return pd.Series(rng.choice(NAMES, n, p=weights / weights.sum()))


def p_values(reference: "pd.Series[str]", batch: "pd.Series[str]", *, live: bool) -> tuple[float, float]:
    """Return the p-values of harmless moves of the levels and of the share of unseen levels."""
    stored = profiling.profile_column(reference, ColumnKind.CATEGORY, name="dealer")
    index = LevelIndex(stored)
    if live:
        counts = index.nothing()
        for minute in np.array_split(batch.to_numpy(), 20):
            counts.add(index.count(*np.unique(minute.astype(str), return_counts=True)))
        assert counts.rest
        assert len(counts.unseen) == MOST_UNSEEN
    else:
        counts = count_column(index, batch)
    moved = measure_counts(stored, index, counts, MATTERS).moved
    assert moved is not None
    assert moved.tested is not None
    assert moved.unseen is not None
    return moved.tested.moved_p, moved.unseen.moved_p


@pytest.mark.parametrize("live", [False, True], ids=["a file", "live counts"])
@pytest.mark.parametrize(("n_reference", "n_batch"), [(300, 3_000), (300, 10_000), (500, 20_000)])
def test_levels_that_a_small_reference_does_not_have_are_no_drift(n_reference, n_batch, live):
    alarms = 0
    for seed in range(8):
        rng = np.random.default_rng([41, seed])
        found = p_values(drawn(rng, n_reference, ZIPF), drawn(rng, n_batch, ZIPF), live=live)
        alarms += min(found) <= LEVEL

    assert alarms == 0


@pytest.mark.parametrize("live", [False, True], ids=["a file", "live counts"])
@pytest.mark.parametrize("weights", [FLATTER, FIRST], ids=["rarer levels", "a frequent level"])
def test_a_move_of_many_levels_is_found(weights, live):
    for seed in range(4):
        rng = np.random.default_rng([42, seed])
        found = p_values(drawn(rng, 300, ZIPF), drawn(rng, 3_000, weights), live=live)

        assert min(found) <= 0.05


def test_a_single_new_level_among_many_unseen_ones_is_found_in_a_file():
    rng = np.random.default_rng(43)
    batch = drawn(rng, 3_000, ZIPF).where(rng.random(3_000) > 0.15, "new dealer")

    assert min(p_values(drawn(rng, 300, ZIPF), batch, live=False)) <= LEVEL
