"""How many live rows are worth one independent row, for each score and each share, as the rows themselves show it.

A caller who sends many rows at once sends rows that are alike. Then minutes differ from each other by more than those
of independent rows. If callers send the same rows again and again, successive minutes are alike, and only longer
batches of minutes show it. So batches of several lengths are compared. Until enough were, how alike rows are is
presumed from how much they differ within a batch.
"""

from dataclasses import dataclass, field, fields

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.monitoring.sequential.warm_up import GROWTH_POWER, LEAST_ROWS, ScoreSpread, WarmUp

KEPT = 0.999  # of what earlier batches said, at each new one
MOST_TIMES = 9.0  # a batch counts at most so many times what is usual by then: a change is not taken for dispersion
MOST_WEIGHT = 4.0  # times the usual weight of a pair: a burst of rows does not outweigh all pairs before it
MOST_REPEATED = 0.8  # of how far successive batches of independent rows are apart, below which rows are sent again
REPEATED_ERRORS = 4.0  # standard errors
LEAST_PAIRS = 10.0  # of batches, before which the effect is presumed
UPPER = 0.05  # the probability that the true effect lies beyond the one that counts
N_LENGTHS = 5  # batches of 1, 4, 16, 64 and 256 times the first length
LONGER = 4
HOURS_LENGTHS = 3  # without times a season could look like dependence: batches of 16 at most
SHRUNK = 10.0  # pairs that weigh as much as what the whole column, or the next shorter length, says
ALIKE_MINUTES = 20.0  # for which the rows of a caller are presumed to be alike
GROWTH = 2.5  # of the effect from one length to the next, presumed before any pair
SETTLED_PAIRS = 20.0  # of a longer length, from which rows are no longer presumed to be alike
_NORMAL = 1.645  # the quantile of the normal law that goes with `UPPER`
_LEAST_UPPER = 4.0  # pairs, below which the bound of Wilson and Hilferty is not used
_NOTHING = 1e-12


@dataclass(slots=True)
class Dispersion:
    """The dispersion of each score and share; every table has the shape (n_lengths, n_directions).

    Attributes:
        columns: By direction, the number of its column.
        warm_up: What is presumed until enough pairs were compared.
        rows: Rows of the batch under way.
        sums: The sum of their scores.
        squares: The sum of their squared scores.
        parts: How many shorter batches it has.
        last_rows: Rows of the batch before.
        last_sums: The sum of their scores.
        last_squares: The sum of their squared scores.
        found: How far successive batches were apart, in variances of independent rows, weighted by their rows.
        weights: The sum of the weights.
        squared_weights: The sum of their squares.
        compared: How many pairs were compared, those in which all rows are alike included.
        weighed: How many of them have a weight.
        batch_minutes: How long a batch of the first length lasts on average.
    """

    columns: IntArray
    warm_up: WarmUp
    rows: FloatArray
    sums: FloatArray
    squares: FloatArray
    parts: FloatArray
    last_rows: FloatArray
    last_sums: FloatArray
    last_squares: FloatArray
    found: FloatArray
    weights: FloatArray
    squared_weights: FloatArray
    compared: FloatArray
    weighed: FloatArray
    batch_minutes: float = field(default=1.0, init=False)

    @classmethod
    def new(cls, columns: IntArray, spread: ScoreSpread) -> "Dispersion":
        """Return the dispersion before any row.

        Args:
            columns: By direction, the number of its column.
            spread: By direction, how much rows differ in the reference.
        """
        warm_up = WarmUp.new(columns, spread)
        return cls(columns, warm_up, *(np.zeros((N_LENGTHS, len(columns))) for _ in TABLES))

    def pairs(self) -> FloatArray:
        """Return how many pairs of batches of equal weight each estimate is worth."""
        return np.divide(
            self.weights**2, self.squared_weights, out=np.zeros_like(self.weights), where=self.squared_weights > 0
        )

    @property
    def is_known(self) -> BoolArray:
        """Whether rows of its column can be judged, by direction: a batch of them was counted."""
        return np.asarray(~self._is_few() | self.warm_up.has_batch)

    def effects(self) -> FloatArray:
        """Return how many rows are worth one independent row, by length of batches and direction; 1 at least.

        The largest over all lengths counts. Of the first length it is the upper end of its interval: a verdict on few
        batches must not rely on an effect that is small by chance. What few pairs say of a rare share, or of long
        batches, is shrunk to what the whole column, or the shorter batches, say. Until it is known, rows of successive
        batches are presumed to be alike for some minutes. Before enough pairs, all of it is presumed.

        Source:
            The bound of a variance from few squares: Wilson and Hilferty, PNAS 17 (1931). Batch means of growing
            length: Flegal and Jones, Annals of Statistics 38 (2010).
        """
        found = np.maximum.accumulate(self._estimates(is_cautious=True), axis=0)
        few, repeats = self._is_few(), self._repeats
        if few.any() or repeats:
            power = 1.0 if repeats else GROWTH_POWER
            presumed = self.warm_up.effects(self.found[0], self.weights[0], power=power)
            found = np.where(few, presumed, np.maximum(found, presumed) if repeats else found)
        return np.asarray(found)

    @property
    def _repeats(self) -> bool:
        """Whether successive batches are more alike, over all columns, than those of independent rows ever are.

        Callers then send the same rows again, and how far these differ from each other shows what they are worth, while
        a batch that equals the batch before shows nothing.
        """
        there = self.weights[0] > 0
        if not there.any():
            return False
        ratio = np.divide(self.found[0], self.weights[0], out=np.zeros_like(self.found[0]), where=there)
        n_directions = np.bincount(self.columns, weights=there)
        of_columns = np.bincount(self.columns, weights=ratio)[n_directions > 0] / n_directions[n_directions > 0]
        error = (2.0 / (len(of_columns) * float(self.weighed[0].max()))) ** 0.5
        return bool(of_columns.mean() < min(MOST_REPEATED, 1.0 - REPEATED_ERRORS * error))

    def effects_of_minute(self, effects: FloatArray, rows: FloatArray) -> FloatArray:
        """Return how many rows of one minute are worth one independent row, by direction.

        What the rows of a caller have in common makes the effect less one grow with their number. So it is larger in a
        minute that has more rows than the batches had that were compared.

        Args:
            effects: How many rows are worth one otherwise.
            rows: The rows of the minute, by direction.
        Source:
            The design effect of clusters, 1 + (n - 1) ρ: Kish, Survey Sampling (1965), section 5.4.
        """
        weights, squares = self.weights[0], self.squared_weights[0]
        usual = 2.0 * np.divide(
            squares, weights, out=np.zeros_like(weights), where=weights > 0
        )  # n n / (n + n) = n / 2
        usual *= (1.0 + KEPT) / (2.0 - self.weighed[0] * (1.0 - KEPT))  # of old pairs the squares keep less
        times = np.divide(rows, usual, out=np.ones_like(rows), where=usual > 0)
        return np.asarray(1.0 + (effects - 1.0) * np.maximum(times, 1.0))

    def _estimates(self, *, is_cautious: bool) -> list[FloatArray]:
        """Return the effect of each length; a cautious one includes what is presumed before enough is known."""
        pairs = self.pairs()
        column = self._by_column(self.found[0]), self._by_column(self.weights[0])
        middle = np.divide(*column, out=np.ones_like(column[0]), where=column[1] > 0)
        found = []
        for length in range(N_LENGTHS):
            plain = np.divide(
                self.found[length], self.weights[length], out=np.ones_like(middle), where=self.weights[length] > 0
            )
            before = middle
            if (
                is_cautious
                and 0 < length < HOURS_LENGTHS
                and self.batch_minutes * LONGER ** (length - 1) < ALIKE_MINUTES
            ):
                before = middle * _growth(pairs[length])
            middle = np.maximum((pairs[length] * plain + SHRUNK * before) / (pairs[length] + SHRUNK), 1.0)
            found.append(middle * _upper(self._column_pairs(pairs[0])) if is_cautious and not length else middle)
        return found

    def _is_few(self) -> BoolArray:
        """Whether fewer pairs of the column of each direction were compared than tell its effect.

        How many they are counts, not how many pairs of equal weight they are worth: minutes of very many rows must not
        make a beginner of a version again.
        """
        return np.asarray(self._column_pairs(self.weighed[0]) < LEAST_PAIRS)

    def _column_pairs(self, pairs: FloatArray) -> FloatArray:
        """Return the pairs of the first length of the column of each direction."""
        own = self._by_column(pairs, most=True)
        return np.where(own > 0, own, self.compared[0])

    def _by_column(self, values: FloatArray, *, most: bool = False) -> FloatArray:
        if most:
            found = np.zeros(self.columns.max(initial=0) + 1)
            np.maximum.at(found, self.columns, values)
            return np.asarray(found[self.columns])
        return np.bincount(self.columns, weights=values).astype(np.float64)[self.columns]

    def observe(self, rows: FloatArray, sums: FloatArray, squares: FloatArray) -> None:
        """Add the rows of a minute, and compare each batch that is complete with the batch before.

        Args:
            rows: By direction, its rows.
            sums: The sum of their scores, less what is usual at this hour.
            squares: The sum of the squares of these.
        Source:
            The squared gap of two means of independent rows has the mean of its variance, d times as much if d rows are
            worth one: McCullagh and Nelder, Generalized Linear Models (1989), section 4.5. Successive differences are
            not moved by slow changes: von Neumann, Annals of Mathematical Statistics 12 (1941).
        """
        new = rows, sums, squares
        added = rows > 0
        self.warm_up.observe(rows + self.rows[0], sums + self.sums[0], squares + self.squares[0], added)
        for length in range(N_LENGTHS):
            for table, part in zip((self.rows, self.sums, self.squares), new, strict=True):
                table[length] += np.where(added, part, 0.0)
            self.parts[length] += added
            enough = self.rows[0] >= LEAST_ROWS if not length else self.parts[length] >= LONGER
            complete = added & enough
            if not complete.any():
                return
            self._compare(length, complete)
            new = self.rows[length].copy(), self.sums[length].copy(), self.squares[length].copy()
            own, before = self._tables()
            for table, last in zip(own, before, strict=True):
                last[length][complete] = table[length][complete]
                table[length][complete] = 0.0
            self.parts[length][complete] = 0.0
            added = complete

    def _tables(self) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
        return (self.rows, self.sums, self.squares), (self.last_rows, self.last_sums, self.last_squares)

    def _compare(self, length: int, complete: BoolArray) -> None:
        (n, s, q), (m, t, r) = (tuple(table[length] for table in side) for side in self._tables())
        both = n + m
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = (q + r) / both - ((s + t) / both) ** 2
            weight = n * m / both
            apart = (s / n - t / m) ** 2 * weight / variance
            usual = self._estimates(is_cautious=False)[length]
            usual_weight = self.weights[length] / self.weighed[length]
        there = complete & (m > 0) & (variance > _NOTHING)
        weight = np.where(self.weighed[length] > 0, np.minimum(weight, MOST_WEIGHT * usual_weight), weight)
        if length:
            apart = np.minimum(apart, MOST_TIMES * usual)
        else:
            known = self.weighed[0] >= LEAST_PAIRS
            apart = np.where(known, np.minimum(apart, MOST_TIMES * usual), apart)
        for table, value in (
            (self.found, weight * apart),
            (self.weights, weight),
            (self.squared_weights, weight**2),
            (self.weighed, np.ones_like(weight)),
        ):
            kept = KEPT**2 if table is self.squared_weights else KEPT
            table[length] = np.where(there, table[length] * kept + np.where(there, value, 0.0), table[length])
        self.compared[length] = np.where(complete & (m > 0), self.compared[length] * KEPT + 1.0, self.compared[length])


TABLES = tuple(each.name for each in fields(Dispersion) if each.name not in ("columns", "warm_up", "batch_minutes"))


def _growth(pairs: FloatArray) -> FloatArray:
    """Return how many times the effect of the next shorter length is presumed."""
    return np.asarray(1.0 + (GROWTH - 1.0) * np.maximum(1.0 - pairs / SETTLED_PAIRS, 0.0))


def _upper(pairs: FloatArray) -> FloatArray:
    """Return by how much the true variance may exceed one estimated from so many squares."""
    spread = 2.0 / (9.0 * np.maximum(pairs, _LEAST_UPPER))
    return np.asarray((1.0 - spread - _NORMAL * np.sqrt(spread)) ** -3)
