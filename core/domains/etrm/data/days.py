"""The days of a data set: one axis of calendar days, its weekdays, and the clocks of the price processes."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.domains.etrm.data import calibration as cal

_LATER = 31 * (cal.HORIZON_MONTHS.value + 2)  # days after the last one on which something may be delivered


@dataclass(frozen=True, slots=True)
class Days:
    """Calendar days from the first of the price history to the last delivery; a day is its position on this axis.

    Attributes:
        dates: Shape (n_days + days of later deliveries,), datetime64[D].
        first: The first day of trading.
        last: The last day of trading.
        is_weekday: Whether markets other than power move, shape as `dates`; there are no holidays.
        weekday_clock: Weekdays until each day, that day included.
        next_weekday: The first weekday after each day; of the very last day, that day.
        month: The month of each day; month 0 holds the first day of the history.
        month_first: The first day of each month.
        month_last: The last day of each month.
    """

    dates: AnyArray
    first: int
    last: int
    is_weekday: BoolArray
    weekday_clock: IntArray
    next_weekday: IntArray
    month: IntArray
    month_first: IntArray
    month_last: IntArray

    @property
    def n_priced(self) -> int:
        """How many days have prices: the history and the period."""
        return self.last + 1

    @property
    def trading(self) -> IntArray:
        """The weekdays of the period."""
        days = np.arange(self.first, self.last + 1)
        return days[self.is_weekday[days]]

    def steps(self, *, is_daily: bool) -> IntArray:
        """Return the steps that a price process has taken by each day: one daily, or one on each weekday."""
        return np.arange(len(self.dates)) if is_daily else self.weekday_clock

    def at(self, date_or_text: Any) -> int:
        """Return the day of a date."""
        return int((np.datetime64(date_or_text, "D") - self.dates[0]).astype(np.int64))


def days_of(start: date, end: date) -> Days:
    """Lay out the days of a period, with its price history before and its deliveries after.

    The axis begins with a month, so that every month on it is whole.
    """
    first_date = (np.datetime64(start, "D") - cal.HISTORY_DAYS.value).astype("datetime64[M]").astype("datetime64[D]")
    last_month = (np.datetime64(end, "D") + _LATER).astype("datetime64[M]")
    dates = np.arange(first_date, last_month.astype("datetime64[D]"))
    months = dates.astype("datetime64[M]").astype(np.int64)
    is_weekday = np.is_busday(dates)
    month = months - months[0]
    starts = np.flatnonzero(np.diff(month, prepend=-1))
    return Days(
        dates=dates,
        first=int((np.datetime64(start, "D") - first_date).astype(np.int64)),
        last=int((np.datetime64(end, "D") - first_date).astype(np.int64)),
        is_weekday=is_weekday,
        weekday_clock=np.cumsum(is_weekday).astype(np.int64),
        next_weekday=_next(is_weekday),
        month=month,
        month_first=starts,
        month_last=np.append(starts[1:], len(dates)) - 1,
    )


def _next(is_weekday: BoolArray) -> IntArray:
    weekdays = np.flatnonzero(is_weekday)
    place = np.searchsorted(weekdays, np.arange(len(is_weekday)), side="right")
    return weekdays[np.minimum(place, len(weekdays) - 1)]


def season_of(dates: AnyArray, monthly: FloatArray) -> FloatArray:
    """Return the log season of each day: linear between the middles of the months, with the stated mean in each month.

    The values at the middles are those that give the stated means over the days of a common year; in the February of
    a leap year the mean differs by less than 1e-4.

    Args:
        dates: Shape (n,), datetime64[D].
        monthly: Mean log season of January to December, shape (..., 12).
    Returns:
        Shape (n, ...).
    """
    months = dates.astype("datetime64[M]")
    length = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    position = ((dates - months.astype("datetime64[D]")).astype(np.int64) + _NOON) / length - _HALF
    number = months.astype(np.int64) % 12
    # the month before in the first half of a month, the month after in the second
    other = (number + np.where(position < 0, -1, 1)) % 12
    share = np.abs(position)
    by_month = np.moveaxis(_middles(np.asarray(monthly)), -1, 0)
    weight = share.reshape((-1,) + (1,) * (by_month.ndim - 1))
    return np.asarray((1 - weight) * by_month[number] + weight * by_month[other])


_NOON = _HALF = 0.5
_COMMON_YEAR = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def _middles(monthly: FloatArray) -> FloatArray:
    """Return the values at the middles of the months, between which a line has the given mean over each month."""
    share = np.zeros((12, 12))
    for month, length in enumerate(_COMMON_YEAR):
        position = (np.arange(length) + _NOON) / length - _HALF
        other = np.maximum(-position, 0).mean()  # what the month before weighs, and as much the month after
        share[month, [month - 1, month, (month + 1) % 12]] = other, 1 - 2 * other, other
    return np.asarray(monthly @ np.linalg.inv(share).T)
