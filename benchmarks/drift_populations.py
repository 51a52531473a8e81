"""Populations of 25 mixed columns, from which references and live minutes are drawn.

A population is a finite pool of rows, so that the share of each cell is known exactly,
whatever cells a reference leads to. Seasons move numbers and shares by hour and weekday. A drift moves them for good.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd

from core.monitoring.coarse_cells import LevelCells, NumberCells, cell_codes
from core.monitoring.data_profile import DataProfile
from core.monitoring.profiling import profile_column, profile_columns, profile_of
from core.monitoring.sequential.layout import ColumnLayout
from core.tables.signature import ColumnKind

Generator = np.random.Generator
POOL = 100_000
BEGIN = datetime(2026, 1, 5)  # a Monday
SATURDAY = 5


@dataclass(frozen=True)
class Drift:
    """How a column has moved: by standard deviations, in its spread, to new levels, to empty cells."""

    shift: float = 0.0
    spread: float = 1.0
    new_level: float = 0.0
    emptied: float = 0.0


STILL = Drift()


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: a sorted pool of values, which seasons shift."""

    name: str
    pool: np.ndarray
    missing: float = 0.0
    wave: float = 0.0  # amplitude over the day, standard deviations
    weekend: float = 0.0  # shift at weekends, standard deviations
    missing_wave: float = 0.0  # of the share of empty cells over the day

    kind = ColumnKind.NUMBER

    @cached_property
    def sd(self) -> float:
        low, high = np.quantile(self.pool, [0.16, 0.84])
        return float(high - low) / 2 or float(self.pool.std())

    @cached_property
    def middle(self) -> float:
        return float(np.median(self.pool))

    def shift(self, hour: np.ndarray | int, weekday: np.ndarray | int) -> np.ndarray:
        return self.sd * (
            self.wave * np.sin(2 * np.pi * np.asarray(hour) / 24) + self.weekend * (np.asarray(weekday) >= 5)
        )

    def empty_share(self, hour: np.ndarray | int) -> np.ndarray:
        return self.missing * (1 + self.missing_wave * np.sin(2 * np.pi * np.asarray(hour) / 24))

    def draw(self, rng: Generator, hour: np.ndarray, weekday: np.ndarray) -> pd.Series:
        values = self.pool[rng.integers(0, len(self.pool), len(hour))] + self.shift(hour, weekday)
        return pd.Series(np.where(rng.random(len(hour)) < self.empty_share(hour), np.nan, values))

    def shares(self, layout: ColumnLayout, hour: int, weekday: int, drift: Drift = STILL) -> np.ndarray:
        cells = layout.cells
        assert isinstance(cells, NumberCells)
        moved = self.shift(hour, weekday) + drift.shift * self.sd

        def up_to(values: np.ndarray, side: str) -> np.ndarray:
            values = np.atleast_1d(values) - moved
            if drift.spread != 1.0:
                values = self.middle + (values - self.middle) / drift.spread
            return np.searchsorted(self.pool, values, side=side) / len(self.pool)

        below, above = float(up_to(cells.least, "left")[0]), 1 - float(up_to(cells.greatest, "right")[0])
        within = np.diff(np.concatenate(([below], up_to(cells.edges, "right"), [1 - above])))
        return _with_gaps(
            np.array([*np.maximum(within, 0), below, above]), float(self.empty_share(hour)) + drift.emptied
        )


@dataclass(frozen=True)
class Levels:
    """A category: the share of each level, which the hour tilts."""

    name: str
    names: tuple[str, ...]
    usual: np.ndarray
    missing: float = 0.0
    wave: float = 0.0  # by how much the first level gains and loses over the day

    kind = ColumnKind.CATEGORY

    def at(self, hour: int) -> np.ndarray:
        shares = self.usual.copy()
        shares[0] *= 1 + self.wave * np.sin(2 * np.pi * hour / 24)
        return shares / shares.sum()

    def draw(self, rng: Generator, hour: np.ndarray, weekday: np.ndarray) -> pd.Series:
        codes = np.empty(len(hour), dtype=np.int64)
        for h in np.unique(hour) if self.wave else (0,):
            own = hour == h if self.wave else np.ones(len(hour), dtype=bool)
            codes[own] = rng.choice(len(self.names), int(own.sum()), p=self.at(int(h)))
        codes[rng.random(len(hour)) < self.missing] = -1
        return pd.Series(pd.Categorical.from_codes(codes, list(self.names)))

    def shares(self, layout: ColumnLayout, hour: int, weekday: int, drift: Drift = STILL) -> np.ndarray:
        cells = layout.cells
        assert isinstance(cells, LevelCells)
        found = np.zeros(cells.n_values + cells.n_outside)
        np.add.at(found, cell_codes(cells, pd.Series(self.names, dtype=object)), self.at(hour))
        if drift.new_level:
            found *= 1 - drift.new_level
            found[-1] += drift.new_level
        if drift.shift:  # rows leave the most frequent level for the second
            gap = min(drift.shift * float(np.sqrt(found[0] * (1 - found[0]))), found[0])
            found[0], found[1] = found[0] - gap, found[1] + gap
        return _with_gaps(found, self.missing + drift.emptied)


Column = Numbers | Levels


def _with_gaps(shares: np.ndarray, empty: float) -> np.ndarray:
    return np.concatenate((shares * (1 - empty) / shares.sum(), [empty, 0.0]))


def _zipf(n: int, power: float) -> np.ndarray:
    shares = np.arange(1, n + 1) ** -power
    return shares / shares.sum()


def columns(seed: int = 7) -> tuple[Column, ...]:
    """Return 25 columns: continuous, heavy-tailed, tied, rare, empty, constant, seasonal, and categories."""
    rng = np.random.default_rng(seed)

    def pool(draw: Callable[[int], np.ndarray]) -> np.ndarray:
        return np.sort(np.asarray(draw(POOL), dtype=np.float64))

    normal = pool(rng.standard_normal)
    found: list[Column] = [Numbers(f"normal_{k}", normal) for k in range(4)]
    found += [
        Numbers("wave", normal, wave=0.6, weekend=0.4),
        Numbers("small_wave", normal, wave=0.15),
        Numbers("weekend", normal, weekend=0.8),
        Numbers("lognormal", pool(lambda n: rng.lognormal(size=n))),
        Numbers("student", pool(lambda n: rng.standard_t(3, n))),
        Numbers("rounded", pool(lambda n: rng.normal(size=n).round(1))),
        Numbers("counts", pool(lambda n: rng.poisson(3, n))),
        Numbers("zero_inflated", pool(lambda n: np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n)))),
        Numbers("flag", pool(lambda n: rng.random(n) < 0.3)),
        Numbers("rare_flag", pool(lambda n: rng.random(n) < 0.01)),
        Numbers("mostly_empty", normal, missing=0.8),
        Numbers("some_empty", normal, missing=0.05, missing_wave=0.8),
        Numbers("few_empty", normal, missing=0.002),
        Numbers("constant", np.ones(POOL)),
        Levels("grade", ("a", "b", "c"), np.array([0.5, 0.3, 0.2]), wave=0.5),
        Levels("sector", tuple("abcdefgh"), np.full(8, 0.125)),
        Levels("region", tuple(f"r{k}" for k in range(30)), _zipf(30, 1.0), missing=0.03),
        Levels("issuer", tuple(f"i{k}" for k in range(200)), _zipf(200, 1.2)),
        Levels("rare_levels", tuple(f"v{k}" for k in range(31)), np.array([0.97] + [0.001] * 30)),
        Levels("client", tuple(f"c{k}" for k in range(2_000)), _zipf(2_000, 0.8)),
        Levels("channel", ("web", "phone"), np.array([0.9, 0.1])),
    ]
    return tuple(found)


def probabilities(seed: int = 8) -> Numbers:
    """Return the predictions of a classifier: probabilities."""
    rng = np.random.default_rng(seed)
    return Numbers("prediction", np.sort(1 / (1 + np.exp(-rng.normal(-1.0, 1.2, POOL)))))


def residuals(slope: float = 1.0, offset: float = 0.0, seed: int = 9) -> Numbers:
    """Return outcome less probability, where the log odds of the truth are `offset` + `slope` times those predicted."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1.0, 1.2, POOL)
    truth = 1 / (1 + np.exp(-(offset + slope * odds)))
    return Numbers("residual", np.sort((rng.random(POOL) < truth) - 1 / (1 + np.exp(-odds))))


def reference(
    population: tuple[Column, ...], n: int, rng: Generator, *, timed: bool, answers: bool = True
) -> DataProfile:
    """Draw a reference over four weeks, and make its profile as training does."""
    minutes = rng.integers(0, 28 * 1440, n)
    hour, weekday = minutes % 1440 // 60, minutes // 1440 % 7
    frame = pd.DataFrame({column.name: column.draw(rng, hour, weekday) for column in population})
    kinds = {column.name: column.kind for column in population}
    if timed:
        frame["time"] = pd.Timestamp(BEGIN) + pd.to_timedelta(minutes, "min")
    profiles = profile_columns(frame, kinds, None, "time" if timed else None)
    profile = profile_of(
        profiles, features=tuple(kinds), target=None, group=None, held_out=None, time="time" if timed else None
    )
    own = {
        each.name: profile_column(each.draw(rng, hour, weekday), each.kind, name=each.name)
        for each in (probabilities(), residuals())
    }
    return msgspec.structs.replace(profile, prediction=own["prediction"], residual=own["residual"])


def instants(days: float, minutes: int) -> list[datetime]:
    """Return the beginnings of intervals from a Monday on."""
    return [BEGIN + timedelta(minutes=k * minutes) for k in range(int(days * 1440 / minutes))]
