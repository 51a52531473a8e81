"""e-detectors on many bets at once: how much evidence there is that something changed at some time before.

At each minute 1 is added to a detector, for a change that begins now; then it is multiplied by the e-value of the rows
of that minute. Without a change the mean of a detector is at most the number of minutes. So on average it takes at
least as many minutes as its threshold says to pass it by chance; a weighted sum of detectors has the same mean.

A second detector does the same by whole days, which need no reference by hour, or by whole weeks, which need none by
weekday either.
"""

from dataclasses import dataclass, field

import numpy as np

from core.arrays import BoolArray, FloatArray

MINUTES_A_DAY = 1440
MOST_AT_ONCE = 0.6
"""The share of what decides that one minute, or one day, can add: no single batch of a caller decides alone."""
LATE_MINUTES = 3  # whose parts may still come: a server stores its counts up to two minutes later
KEPT_BEYOND = 5.0  # nats beyond the threshold, so that evidence is lost again once rows are as in the reference


@dataclass(slots=True)
class Detectors:
    """The state of all bets.

    Attributes:
        by_minute: Logarithm of the detector by minutes.
        by_day: That by days or weeks; in minutes, too.
        today: Logarithm of the e-value of the rows of today, or of this week, so far.
        added: What the newest minutes have added by minutes, since a part of one may come late; by their number.
    """

    by_minute: FloatArray
    by_day: FloatArray
    today: FloatArray
    added: dict[int, FloatArray] = field(default_factory=dict)

    @classmethod
    def new(cls, n: int) -> "Detectors":
        """Return detectors that have seen nothing."""
        return cls(np.full(n, -np.inf), np.full(n, -np.inf), np.zeros(n))

    def after_minutes(
        self, log_e: FloatArray, decides: FloatArray, minutes: int = 1, of_minute: int | None = None
    ) -> None:
        """Multiply the detectors by minutes by the e-values of the newest rows.

        Args:
            log_e: Logarithm of the e-value of each bet.
            decides: The value that decides, by bet.
            minutes: How many minutes the rows were counted over; 0 for rows of a minute that has been counted.
            of_minute: The number of the minute: its parts together add no more than one minute can; None for rows that
                come one by one, as outcomes do.
        Source:
            The e-SR procedure, definition 2.5 and theorem 2.4 of Shin, Ramdas and Rinaldo, E-detectors: a
            nonparametric framework for sequential change detection, arXiv 2203.03532 (2022): average run length.
        """
        if of_minute is None:
            log_e = np.minimum(log_e, MOST_AT_ONCE * decides)
        else:
            log_e = self._as_part(log_e, MOST_AT_ONCE * decides, of_minute)
        self.by_minute = _after(self.by_minute, log_e, decides, float(minutes))

    def _as_part(self, log_e: FloatArray, most: FloatArray, of_minute: int) -> FloatArray:
        """Return what a part of a minute adds, so that its parts add no more than `most` together, and note it."""
        if len(self.added) == LATE_MINUTES:  # a part that is even later counts with the oldest minute
            of_minute = max(of_minute, min(self.added))
        before = self.added.get(of_minute, np.zeros_like(log_e))
        log_e = np.minimum(log_e, most - np.maximum(before, 0.0))
        self.added[of_minute] = before + log_e
        for number in sorted(self.added)[:-LATE_MINUTES]:
            del self.added[number]
        return np.asarray(log_e)

    def after_days(self, which: BoolArray, decides: FloatArray, days: int, *, is_whole: bool) -> None:
        """Multiply the detectors by days or weeks by the e-values of one that has ended.

        Args:
            which: The bets whose day or week it is.
            decides: The value that decides, by bet.
            days: How many days it has.
            is_whole: Whether it was seen from its beginning; else it is forgotten.
        """
        if is_whole:
            log_e = np.minimum(self.today, MOST_AT_ONCE * decides)
            after = _after(self.by_day, log_e, decides, float(days * MINUTES_A_DAY))
            self.by_day = np.where(which, after, self.by_day)
        self.today = np.where(which, 0.0, self.today)

    def evidence(self) -> FloatArray:
        """Return the logarithm of each bet's evidence: half of the budget goes to either detector."""
        return np.asarray(np.logaddexp(self.by_minute, self.by_day) - np.log(2.0))

    def reset(self, which: BoolArray) -> None:
        """Forget the evidence of some bets."""
        self.by_minute[which] = self.by_day[which] = -np.inf
        self.today[which] = 0.0
        for added in self.added.values():
            added[which] = 0.0


def _after(logs: FloatArray, log_e: FloatArray, decides: FloatArray, minutes: float) -> FloatArray:
    after = (np.logaddexp(logs, np.log(minutes)) if minutes else logs) + log_e
    return np.minimum(after, decides + KEPT_BEYOND)


def log_sums(
    logs: FloatArray, weights: FloatArray, groups: "np.ndarray[tuple[int], np.dtype[np.int64]]", n: int
) -> FloatArray:
    """Return the logarithm of the weighted sum of each group.

    Args:
        logs: Logarithms of values, shape (k,).
        weights: Of the values.
        groups: By value, its group.
        n: How many groups there are.
    """
    weighted = logs + np.log(weights)
    most = np.full(n, -np.inf)
    np.maximum.at(most, groups, weighted)
    base = np.where(np.isfinite(most), most, 0.0)
    sums = np.zeros(n)
    np.add.at(sums, groups, np.exp(weighted - base[groups]))
    with np.errstate(divide="ignore"):
        return np.asarray(base + np.log(sums))
