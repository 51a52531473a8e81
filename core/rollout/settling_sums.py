"""Sums by caller, kept apart for answers that are settled and for younger ones, whose outcomes may still come.

Where large losses take longer, a worse candidate lacks more of them for as long as they are on their way, and looks
better than it is. Settled answers are older than outcomes take, so that none of their outcomes is missing. Which
answers these are depends on the time alone and not on any outcome, so they are a fair sample of all.

Younger answers are added up by cohorts of an eighth of that age, and a cohort joins the settled ones as a whole.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from core.arrays import BoolArray, IntArray
from core.rollout.caller_sums import CallerSums, CellLayout, StoredSums

N_COHORTS = 8
"""The cohorts in the age from which answers count as settled; one or two more are kept, since they do not end now."""


class SettlingSums:
    """The sums of one metric, of settled answers and of each cohort of younger ones."""

    def __init__(
        self,
        layout: CellLayout,
        settle_seconds: float,
        before: StoredSums | None = None,
        young: Mapping[int, StoredSums] | None = None,
    ) -> None:
        """Continue from earlier sums.

        Args:
            layout: The cells of callers.
            settle_seconds: The age from which answers are settled; 0 if all are.
            before: The earlier sums of settled answers.
            young: The earlier sums of younger answers, by cohort.
        Raises:
            ValueError: The earlier sums do not fit the layout.
        """
        self.settled = CallerSums(layout, before)
        self._settle_us = int(settle_seconds * 1e6)
        self._width_us = max(self._settle_us // N_COHORTS, 1)
        self._young = {number: CallerSums(layout, sums) for number, sums in sorted((young or {}).items())}
        self._seen_until_us = 0

    @property
    def arrived(self) -> CallerSums:
        """The sums of all answers."""
        if not self._young:
            return self.settled
        found = CallerSums(self.settled.layout)
        for sums in (self.settled, *self._young.values()):
            found.merge(sums)
        return found

    @property
    def young(self) -> dict[int, StoredSums]:
        """The sums of younger answers to write to a file, by cohort."""
        return {number: sums.stored for number, sums in self._young.items()}

    def settle(self, seen_until_us: int) -> None:
        """Count as settled what is old enough.

        Args:
            seen_until_us: Until when all outcomes have been read. Not the present: of what is read late, little is old.
        """
        self._seen_until_us = seen_until_us
        for number in sorted(self._young):
            if self._is_settled(np.array([number]))[0]:
                self.settled.merge(self._young.pop(number))

    def parts(self, at_us: IntArray) -> Iterator[tuple[CallerSums, IntArray]]:
        """Yield the sums that answers belong to, with the indexes of these answers.

        Args:
            at_us: When each answer was given.
        """
        if not self._settle_us:
            yield self.settled, np.arange(len(at_us))
            return
        # A later answer than the present was given before the clock was set back.
        cohorts = np.minimum(at_us, self._seen_until_us) // self._width_us
        is_settled = self._is_settled(cohorts)
        if is_settled.any():
            yield self.settled, np.flatnonzero(is_settled)
        for number in np.unique(cohorts[~is_settled]).tolist():
            sums = self._young.setdefault(number, CallerSums(self.settled.layout))
            yield sums, np.flatnonzero(~is_settled & (cohorts == number))

    def _is_settled(self, cohorts: IntArray) -> BoolArray:
        return np.asarray((cohorts + 1) * self._width_us + self._settle_us <= self._seen_until_us)
