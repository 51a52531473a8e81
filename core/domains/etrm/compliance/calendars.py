"""Working days: the calendar of the euro (TARGET) and that of the federal holidays of the United States, by rule."""

from functools import lru_cache

import numpy as np

from core.arrays import DateArray

FIRST_YEAR, LAST_YEAR = 1970, 2200
END_OF_DAY = np.timedelta64(86_399, "s")
MONDAY, THURSDAY = 0, 3


def end_of_working_day(instants: DateArray, holidays: DateArray, *, after: int = 1) -> DateArray:
    """Return the last second of the n-th working day after the day of each instant, in UTC.

    Args:
        instants: Points in time in UTC, datetime64, shape (n,); NaT stays NaT.
        holidays: Days off besides Saturdays and Sundays, datetime64[D].
        after: How many working days later.
    Returns:
        datetime64[s], shape (n,).
    """
    days = instants.astype("datetime64[D]")
    known = ~np.isnat(days)
    due = np.full(days.shape, "NaT", dtype="datetime64[s]")
    # "preceding" first: from a Saturday on, the first working day after it is Monday, not Tuesday.
    later = np.busday_offset(days[known], after, roll="preceding", holidays=holidays)
    due[known] = later.astype("datetime64[s]") + END_OF_DAY
    return due


def working_day_before(months: DateArray, n: int, holidays: DateArray) -> DateArray:
    """Return the n-th working day before the first of each month, datetime64[D], shape as `months`, (k,)."""
    return np.asarray(np.busday_offset(months.astype("datetime64[D]"), -n, roll="forward", holidays=holidays))


def months_later(instants: DateArray, months: int) -> DateArray:
    """Return the last second of the same day some months later; of the month's last day where it is shorter."""
    days = instants.astype("datetime64[D]")
    month = days.astype("datetime64[M]")
    target = month + months
    last = (target + 1).astype("datetime64[D]") - 1
    same = target.astype("datetime64[D]") + (days - month.astype("datetime64[D]"))
    return np.asarray(np.minimum(same, last).astype("datetime64[s]") + END_OF_DAY)


@lru_cache(maxsize=1)
def target_holidays() -> DateArray:
    """Return the closing days of TARGET: 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December.

    Source:
        European Central Bank, long-term calendar for TARGET closing days, from 2002 on.
    """
    days = []
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        easter = easter_sunday(year)
        days += [easter - 2, easter + 1]
        days += [np.datetime64(f"{year}-{day}") for day in ("01-01", "05-01", "12-25", "12-26")]
    return np.array(days, dtype="datetime64[D]")


@lru_cache(maxsize=1)
def federal_holidays() -> DateArray:
    """Return the federal holidays of the United States; one on a Saturday is observed on Friday, on a Sunday on Monday.

    Source:
        5 U.S.C. 6103; Executive Order 11582 of 1971 (the day observed). Juneteenth from 2021 on.
    """
    days = []
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        fixed = ["01-01", "07-04", "11-11", "12-25", *(["06-19"] if year >= 2021 else [])]
        days += [_observed(np.datetime64(f"{year}-{day}")) for day in fixed]
        days += [_nth(year, month, MONDAY, n) for month, n in ((1, 3), (2, 3), (9, 1), (10, 2))]
        days += [_nth(year, 6, MONDAY, 1) - 7, _nth(year, 11, THURSDAY, 4)]
    return np.array(days, dtype="datetime64[D]")


def easter_sunday(year: int) -> np.datetime64:
    """Return Easter Sunday of the Gregorian calendar.

    Source:
        Meeus, Astronomical Algorithms, 2nd ed. 1998, chapter 8.

    >>> str(easter_sunday(2024)), str(easter_sunday(2025))
    ('2024-03-31', '2025-04-20')
    """
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    el = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * el) // 451
    month, day = divmod(h + el - 7 * m + 114, 31)
    return np.datetime64(f"{year}-{month:02d}-{day + 1:02d}")


def _observed(day: np.datetime64) -> np.datetime64:
    weekday = (int(day.astype(np.int64)) + 3) % 7  # 1 January 1970 was a Thursday
    return day + {5: -1, 6: 1}.get(weekday, 0)


def _nth(year: int, month: int, weekday: int, n: int) -> np.datetime64:
    """Return the n-th of a weekday in a month; the last Monday of May is the one before the first of June."""
    first = np.datetime64(f"{year}-{month:02d}-01")
    return first + (weekday - (int(first.astype(np.int64)) + 3)) % 7 + 7 * (n - 1)
