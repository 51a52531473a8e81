"""How far the rows of a window are from the reference, in the measures that a single check shows."""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.monitoring import drift, exact_tests, levels
from core.monitoring.moved import LEVEL, worth
from core.monitoring.number_sketch import jensen_shannon_distance
from core.monitoring.sequential.layout import ColumnLayout
from core.monitoring.sequential.scores import Aspect


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """The distance of the values of some rows from the reference.

    Attributes:
        n: Rows with a value.
        psi: Population stability index, nats.
        psi_bound: Its upper bound, with 95 % confidence; None with too few rows.
        ks: Kolmogorov-Smirnov statistic of numbers, total variation of levels.
        chi_square: Pearson's X² of the cells.
        jensen_shannon: Jensen-Shannon distance, 0 to 1.
        wasserstein: How far numbers moved on average, in their unit; None of levels.
        mean_move: How far their mean moved, in their unit; None of levels.
    """

    n: int
    psi: float
    psi_bound: float | None
    ks: float
    chi_square: float
    jensen_shannon: float
    wasserstein: float | None = None
    mean_move: float | None = None


def compared(layout: ColumnLayout, rows: IntArray) -> IntArray:
    """Return the values of the reference and of some rows by cell, shape (2, n_cells)."""
    return np.stack((layout.judged(layout.reference), layout.judged(rows)))


def measure(
    layout: ColumnLayout, rows: IntArray, effect: float = 1.0, moved: tuple[float, float] | None = None
) -> EffectSizes | None:
    """Measure how far rows are from the reference.

    Args:
        layout: The cells of the column.
        rows: Rows by cell.
        effect: How many rows are worth one independent row.
        moved: The Wasserstein distance and the move of the mean, if finer counts than the cells say.
    Returns:
        None without a value.
    """
    counts = compared(layout, rows)
    counts = counts[:, counts.sum(axis=0) > 0]
    n = int(counts[1].sum())
    if not n:
        return None
    if counts.shape[1] < 2:
        return EffectSizes(n, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 if layout.is_number else None)
    psi = drift.population_stability_index(counts[0], counts[1])
    wasserstein = mean_move = None
    if layout.is_number and layout.n_values > 1:
        wasserstein, mean_move = moved or _moved_by(layout, rows)
    return EffectSizes(
        n=n,
        psi=psi,
        psi_bound=_bound(counts, psi, effect),
        ks=_widest(counts) if layout.is_number else drift.total_variation(counts[0], counts[1]),
        chi_square=levels.homogeneity(counts)[0],
        jensen_shannon=jensen_shannon_distance(counts[0], counts[1]),
        wasserstein=wasserstein,
        mean_move=mean_move,
    )


def _bound(counts: IntArray, psi: float, effect: float) -> float | None:
    n, m = (worth(int(side), effect) for side in counts.sum(axis=1))
    if min(n, m) < drift.BOUND_ROWS:
        return None
    return max(drift.psi_bound(psi, n, m, counts.shape[1], level=LEVEL), psi)


def _gaps(counts: IntArray) -> FloatArray:
    shares = np.cumsum(counts, axis=1) / counts.sum(axis=1)[:, None]
    return np.asarray(shares[0] - shares[1])


def _widest(counts: IntArray) -> float:
    return float(np.abs(_gaps(counts)).max())


def _moved_by(layout: ColumnLayout, rows: IntArray) -> tuple[float, float]:
    """Return the Wasserstein distance and the move of the mean, each cell taken for its median."""
    gaps = _gaps(np.stack((layout.within(layout.reference), layout.within(rows))))[:-1]
    distances = layout.distances()
    return float(np.abs(gaps) @ distances), float(gaps @ distances)


def is_beyond_harmless(layout: ColumnLayout, rows: IntArray, aspect: Aspect, effect: float, matters: float) -> bool:
    """Return whether rows are certainly further from the reference than is harmless.

    The rules are those of a single check (`core.monitoring.drift_check`): the PSI of values, the gap of shares.

    Args:
        layout: The cells of the column.
        rows: Rows by cell since the change.
        aspect: What has moved.
        effect: How many rows are worth one independent row.
        matters: The PSI from which a move is drift, nats.
    """
    if aspect is Aspect.VALUES:
        counts = compared(layout, rows)
        counts = counts[:, counts.sum(axis=0) > 0]
        n, m = (worth(int(side), effect) for side in counts.sum(axis=1))
        if counts.shape[1] < 2 or not min(n, m):
            return False
        psi = drift.population_stability_index(counts[0], counts[1])
        p = drift.psi_p_value(psi, n, m, counts.shape[1], harmless=drift.harmless_psi(matters))
        return p <= LEVEL
    before, of_before = usual_counts(layout, aspect)
    after, of_after = share_counts(layout, rows, aspect)
    harmless = drift.harmless_ks_statistic(matters)
    harmless *= UNREADABLE_HARMLESS if aspect is Aspect.UNREADABLE else QUALITY_HARMLESS
    own_effect = effect * _unseen_spread(layout) if aspect is Aspect.UNSEEN else effect
    n_before, n_after = worth(of_before, own_effect), worth(of_after, effect)
    if not min(n_before, n_after):
        return False
    p = exact_tests.share_moved_p_value(worth(before, own_effect), n_before, worth(after, effect), n_after, harmless)
    return p <= LEVEL


QUALITY_HARMLESS = 0.2  # of the harmless gap of shares, as a single check does outside the range
UNREADABLE_HARMLESS = 0.1


def _unseen_spread(layout: ColumnLayout) -> float:
    """Return by how much the variance of Good's estimate exceeds that of a plain count (Biometrika 40, 1953)."""
    once, twice = (sum(n == k for n in layout.stored.levels.values()) for k in (1, 2))
    return 1.0 + 2.0 * twice / once if once else 1.0


def usual_counts(layout: ColumnLayout, aspect: Aspect) -> tuple[int, int]:
    """Return the rows in question to expect among the rows of the reference.

    Source:
        As many rows as have a level seen once will have a level never seen: Good, Biometrika 40 (1953).
    """
    if aspect is Aspect.UNSEEN:
        return sum(n == 1 for n in layout.stored.levels.values()), layout.stored.n
    return share_counts(layout, layout.reference, aspect)


def share_counts(layout: ColumnLayout, rows: IntArray, aspect: Aspect) -> tuple[int, int]:
    """Return the rows in question, and the rows that they are counted among."""
    if aspect is Aspect.MISSING:
        return int(rows[layout.missing]), int(rows.sum())
    if aspect is Aspect.UNREADABLE:
        return int(rows[layout.unreadable]), int(rows.sum())
    return int(rows[layout.outside].sum()), int(rows[: layout.missing].sum())
