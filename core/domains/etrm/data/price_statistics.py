"""The figures of simulated prices beside those that were measured on public series, over many price paths."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.prices import PriceSeries, convexity, simulate_prices
from core.domains.etrm.data.settings import ETRMDataConfig
from core.progress import begins

START, END = date(2015, 1, 1), date(2024, 12, 31)
"""Ten years, as long as the public series."""

_NINE_IN_TEN = (0.05, 0.95)
_WEEK = 5
_WEEKLY = (("BRENT", "WTI"), ("DE", "FR"))


class Statistic(NamedTuple):
    """One figure.

    Attributes:
        name: What is measured.
        stated: The value that the calibration states, or None.
        seen: The value measured on the public series, or None.
        paths: The value on each simulated path.
    """

    name: str
    stated: float | None
    seen: float | None
    paths: FloatArray

    @property
    def median(self) -> float:
        """The median over the paths."""
        return float(np.median(self.paths))

    @property
    def error(self) -> float:
        """The standard error of the mean over the paths."""
        return float(np.std(self.paths) / np.sqrt(len(self.paths)))

    @property
    def range(self) -> tuple[float, float]:
        """Where nine in ten paths lie."""
        low, high = np.quantile(self.paths, _NINE_IN_TEN)
        return float(low), float(high)


def price_statistics(seeds: Sequence[int]) -> list[Statistic]:
    """Simulate ten years for each seed, and measure volatilities, jumps, reversion, correlations, negative days."""
    rows: list[list[tuple[str, float | None, float | None, float]]] = []
    for seed in seeds:
        begins(f"measuring the prices of seed {seed}")
        rows.append(list(_measure(simulate_prices(ETRMDataConfig(start_date=START, end_date=END, random_seed=seed)))))
    return [Statistic(*rows[0][place][:3], np.array([row[place][3] for row in rows])) for place in range(len(rows[0]))]


def _measure(prices: PriceSeries) -> Iterator[tuple[str, float | None, float | None, float]]:
    at = {name: prices.names.index(name) for name in prices.names}
    weekday = prices.days.is_weekday[: prices.days.n_priced]
    logs = np.log(prices.spot + prices.shift)
    for commodity, law in cal.PRICE_LAWS.value.items():
        hub = next(each.name for each in prices.hubs if each.commodity == commodity)
        seen = cal.SEEN.value.get(commodity)
        moves = np.ones_like(weekday) if law.is_daily else weekday
        x = prices.short_factor[moves, at[hub]]
        innovation = x[1:] - np.exp(-law.kappa / law.days_per_year) * x[:-1]
        is_jump = prices.jumps[moves, at[hub]][1:] != 0
        sd = float(innovation[~is_jump].std())
        step = np.exp(-law.kappa / law.days_per_year)
        stated = law.sigma * np.sqrt((1 - step**2) / (2 * law.kappa))
        yield f"{hub}: daily sd without jumps", stated, seen and seen.daily_sd, sd
        per_year = is_jump.sum() / len(is_jump) * law.days_per_year
        yield f"{hub}: jumps a year", law.jumps_per_year, seen and seen.jumps_per_year, float(per_year)
        size = float(np.sqrt((prices.jumps[moves, at[hub]][1:][is_jump] ** 2).mean()))
        yield f"{hub}: size of jumps", law.jump_sd, seen and seen.jump_sd, size
        slope = float((x[1:] * x[:-1]).sum() / (x[:-1] ** 2).sum())
        yield f"{hub}: reversion a year", law.kappa, seen and seen.kappa, -np.log(slope) * law.days_per_year
    first = {hub.commodity: at[hub.name] for hub in reversed(prices.hubs)}
    days = np.flatnonzero(weekday)
    slow = np.diff(prices.long_factor, axis=0)[weekday[1:] & weekday[:-1]]  # Tuesday to Friday: all take one step
    for (one, other), value in cal.CORRELATIONS.value.items():
        found = float(np.corrcoef(slow[:, first[one]], slow[:, first[other]])[0, 1])
        yield f"{one}, {other}: correlation of the slow factors", value, None, found
    month = np.unique(prices.days.month[: len(logs)], return_inverse=True)[1]
    for (one, other), value in cal.SEEN_CORRELATIONS.value.items():
        columns = [at[one], at[other]]
        if (one, other) in _WEEKLY:
            words, changes = "weekly changes", np.diff(logs[days[::_WEEK]][:, columns], axis=0)
        else:
            means = np.stack([np.bincount(month, logs[:, column]) for column in columns], axis=1)
            words, changes = "monthly means", np.diff((means / np.bincount(month)[:, None])[1:-1], axis=0)
        yield f"{one}, {other}: correlation of {words}", None, value, float(np.corrcoef(changes.T)[0, 1])
    for commodity, stated_vols in cal.FORWARD_VOLATILITIES.value.items():
        hub = next(each.name for each in prices.hubs if each.commodity == commodity)
        for months, value in zip((1, 3, 12), stated_vols, strict=True):
            yield (
                f"{hub}: volatility of the {months}-month forward",
                value,
                None,
                _forward_volatility(prices, at[hub], months),
            )
    yield from _seasons(prices, logs)
    negative = float((prices.spot[prices.days.first :, at["DE"]] < 0).mean())
    yield "DE: share of negative days", None, cal.SEEN_NEGATIVE_DAYS.value, negative
    yield "HH: median price", None, cal.SEEN_MEDIAN_HH.value, float(np.median(prices.spot[:, at["HH"]]))


def _seasons(prices: PriceSeries, logs: FloatArray) -> Iterator[tuple[str, float, float, float]]:
    """Measure the lowest and the highest month of the seasons that were seen: the log price less its two factors."""
    days = prices.days
    month = days.dates[: len(logs)].astype("datetime64[M]").astype(np.int64) % len(_MONTHS)
    week = cal.WEEKDAY_LOG_POWER.value
    weekday = np.array(week)[(days.dates[: len(logs)].astype(np.int64) + 3) % len(week)]  # 1970-01-01: a Thursday
    for commodity, monthly in cal.SEASON_LOG.value.items():
        law = cal.PRICE_LAWS.value[commodity]
        hub = next(place for place, each in enumerate(prices.hubs) if each.commodity == commodity)
        season = logs[:, hub] - prices.short_factor[:, hub] - prices.long_factor[:, hub]
        season -= np.log(prices.curve.level[hub]) + convexity(law, 1)[0] + (weekday if law.is_daily else 0.0)
        moves = np.ones(len(logs), dtype=np.bool_) if law.is_daily else days.is_weekday[: len(logs)]
        for number in (int(np.argmin(monthly)), int(np.argmax(monthly))):
            name = f"{prices.names[hub]}: log season, mean of {_MONTHS[number]}"
            yield name, monthly[number], monthly[number], float(season[moves & (month == number)].mean())


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _forward_volatility(prices: PriceSeries, hub: int, months: int) -> float:
    """Return the yearly volatility of the log of a forward a constant time ahead, without the season."""
    law = cal.PRICE_LAWS.value[prices.hubs[hub].commodity]
    ahead = months * law.days_per_year // 12
    decay = np.exp(-np.array([law.kappa, cal.LONG_KAPPA.value]) * ahead / law.days_per_year)
    step = np.exp(-np.array([law.kappa, cal.LONG_KAPPA.value]) / law.days_per_year)
    moves = np.ones(len(prices.spot), dtype=np.bool_) if law.is_daily else prices.days.is_weekday[: len(prices.spot)]
    moved = np.zeros(int(moves.sum()) - 1)
    for factor, path in enumerate((prices.short_factor, prices.long_factor)):
        x = path[moves, hub]
        moved += decay[factor] * (x[1:] - step[factor] * x[:-1])
    return float(moved.std() * np.sqrt(law.days_per_year))


def table_of(statistics: Sequence[Statistic]) -> str:
    """Return the figures as a table in Markdown."""
    lines = [
        "| Figure | stated | seen | simulated, median | nine in ten paths |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for each in statistics:
        low, high = each.range
        figures = [_shown(value) for value in (each.stated, each.seen, each.median)]
        cells = [each.name, *figures, f"{_shown(low)} to {_shown(high)}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
