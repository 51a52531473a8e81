"""What the comparison of a column finds: how far its values have moved, and how certain that is."""

from dataclasses import dataclass

from core.monitoring import drift

LEAST_ROWS = 5  # values on each side, below which they are not compared
LEVEL = 0.05  # of the statement that a column is stable; p-values above never lead to a verdict


@dataclass(frozen=True, slots=True)
class TestedMove:
    """The two p-values of one test: of no move at all, and of a move that is harmless; the second is never smaller."""

    p: float = 1.0
    moved_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the values of a column have moved.

    Attributes:
        psi: Population stability index, nats; None if there are too few rows or too many levels for it.
        effect: Kolmogorov-Smirnov statistic of numbers, total variation of levels, 0 to 1.
        by_level: Whether levels were compared.
        has_law: Whether there are enough rows for the law of the PSI; else only a gross move can be proved.
        tested: The test of the values; None if there is nothing to test.
        unseen_share: Share of the rows with levels absent from the reference.
        unseen_excess: By how much that is more than the reference leads to expect.
        unseen: The test of unseen levels; None if there can be none.
        outside_share: Share of the current numbers outside the range of the reference.
        outside_excess: By how much that is more than the range leaves out by chance.
        outside: The test of numbers outside; None if levels were compared.
        psi_bound: Upper bound of the true PSI, never below `psi`; None where its law does not hold yet.
        n_groups: Groups that were compared in place of levels with too few rows; 0 if each level stood alone.
        hidden_share: Share of the rows in levels so rare that their move does not show.
        design_effect: How many rows are worth one independent row.
        gap_bound: Upper bound of the share of rows that changed their level, where the PSI has no law.
        names_rows: Whether nearly every row has a level of its own.
        rows_needed: Rows on each side to settle a column that has not moved.
        chi_square: Pearson's X² of the bins; None if there are too few rows for bins.
        jensen_shannon: Jensen-Shannon distance of the bins, 0 to 1.
        wasserstein: How far numbers have moved on average, in their own unit; None for levels.
    """

    psi: float | None
    effect: float
    by_level: bool
    has_law: bool
    tested: TestedMove | None
    unseen_share: float = 0.0
    unseen_excess: float = 0.0
    unseen: TestedMove | None = None
    outside_share: float = 0.0
    outside_excess: float = 0.0
    outside: TestedMove | None = None
    n_groups: int = 0
    hidden_share: float = 0.0
    design_effect: float = 1.0
    psi_bound: float | None = None
    gap_bound: float | None = None
    names_rows: bool = False
    rows_needed: int = 0
    chi_square: float | None = None
    jensen_shannon: float | None = None
    wasserstein: float | None = None


def worth(n: int, effect: float) -> int:
    """Return how many independent rows n rows are worth: none if that is unknown."""
    return n if effect == 1.0 else int(n / effect)


def rows_needed(matters: float, n_bins: int, effect: float) -> int:
    """Return how many rows on each side settle a column that has not moved."""
    needed = max(drift.rows_to_settle(matters, max(n_bins, 2), level=LEVEL), drift.BOUND_ROWS)
    return int(needed * effect) if effect < float("inf") else 0
