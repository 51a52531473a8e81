"""A small population for tests: its rows are drawn cell by cell from known shares."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from core.monitoring.coarse_cells import cell_codes
from core.monitoring.column_drift import present_values
from core.monitoring.data_profile import DataProfile
from core.monitoring.profiling import kinds_of, profile_columns, profile_of, time_of
from core.monitoring.sequential import BinnedMinute
from core.monitoring.sequential.layout import ColumnKey, ColumnLayout
from core.monitoring.verdicts import DriftType

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
FEATURE = DriftType.FEATURE


class Population:
    """Four columns: normal, with empty cells, rounded, and a category; `wave` shifts the first by the hour."""

    def __init__(self, wave: float = 0.0) -> None:
        self.wave = wave

    def frame(self, rng: np.random.Generator, times: pd.DatetimeIndex, *, shift: float = 0.0) -> pd.DataFrame:
        n = len(times)
        season = self.wave * np.sin(2 * np.pi * times.hour.to_numpy() / 24)
        gaps = np.where(rng.random(n) < 0.05, np.nan, rng.normal(size=n))
        return pd.DataFrame(
            {
                "income": rng.normal(size=n) + season + shift,
                "gaps": gaps,
                "rooms": rng.poisson(3, n).astype(float),
                "grade": pd.Categorical(rng.choice(list("abcd"), n, p=[0.5, 0.3, 0.15, 0.05])),
            }
        )

    def profile(self, seed: int, n: int, *, timed: bool = True) -> DataProfile:
        rng = np.random.default_rng(seed)
        times = pd.DatetimeIndex(
            pd.Timestamp("2026-01-05") + pd.to_timedelta(np.sort(rng.integers(0, 28 * 1440, n)), "min")
        )
        frame = self.frame(rng, times)
        if timed:
            frame["at"] = times
        kinds = kinds_of(frame)
        columns = profile_columns(frame, kinds, None, time_of(kinds))
        return profile_of(columns, features=tuple(kinds), target=None, group=None, held_out=None, time=time_of(kinds))


def minutes(
    population: Population,
    layouts: Mapping[ColumnKey, ColumnLayout],
    rng: np.random.Generator,
    n: int,
    rows: int,
    *,
    start: datetime = MONDAY,
    step: int = 1,
    shift: float = 0.0,
) -> list[BinnedMinute]:
    """Draw minutes of live rows, and count them as a sketch does."""
    instants = [start + timedelta(minutes=k * step) for k in range(n)]
    times = pd.DatetimeIndex([pd.Timestamp(at).tz_localize(None) for at in instants]).repeat(rows)
    frame, of_minute = population.frame(rng, times, shift=shift), np.repeat(np.arange(n), rows)
    tables = {}
    for key, layout in layouts.items():
        there, _ = present_values(frame[key[1]], layout.stored.kind)
        codes = np.full(len(frame), layout.missing, dtype=np.int64)
        codes[there.index.to_numpy()] = cell_codes(layout.cells, there)
        width = layout.width
        tables[key] = np.bincount(of_minute * width + codes, minlength=n * width).reshape(n, width)
    return [BinnedMinute(at, {key: table[k] for key, table in tables.items()}) for k, at in enumerate(instants)]
