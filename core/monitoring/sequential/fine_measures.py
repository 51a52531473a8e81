"""What the finest counts of a column say beyond its cells: how far it moved, its quantiles, and on which slice."""

import math

import numpy as np

from core.explain.deny_list import NONE_DENIED, DenyList
from core.monitoring.data_profile import ColumnProfile
from core.monitoring.documents import QuantilePair
from core.monitoring.live import LiveSketch, NumberCounts, ProfileIndex
from core.monitoring.live.number_counts import NumberGrid
from core.monitoring.moved import LEVEL
from core.monitoring.number_sketch import NumberSketch, counted_distance
from core.monitoring.sequential.layout import ColumnKey
from core.monitoring.sequential.recent_rows import column_of
from core.monitoring.sequential.sketch_bins import ANSWERS
from core.monitoring.verdicts import DriftType

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LEAST_ROWS = 20  # of a quantile or a slice
LEAST_SHARE_MOVE = 0.02  # of the rows; smaller moves of a slice's share are not worth a sentence


def moved_by(index: ProfileIndex, key: ColumnKey, sketch: LiveSketch) -> tuple[float, float] | None:
    """Return the Wasserstein distance of numbers and the move of their mean; None without numbers.

    Both are taken from the counts at the points of the profile, at most 128, and from exact sums.
    """
    found = _numbers(index, key, sketch)
    if found is None:
        return None
    grid, counts = found
    stored, mean = _stored(index, key), grid.mean(counts)
    if mean is None or stored.mean is None:
        return None
    return counted_distance(stored.sketch(), grid.counted(counts)), mean - stored.mean


def quantile_pairs(index: ProfileIndex, key: ColumnKey, sketch: LiveSketch) -> tuple[QuantilePair, ...]:
    """Return quantiles of numbers, then and now: between two points of the profile they are interpolated."""
    found = _numbers(index, key, sketch)
    if found is None or found[1].n < LEAST_ROWS:
        return ()
    grid, counts = found
    now, shares = grid.counted(counts), np.array(QUANTILES)
    current = NumberSketch(grid.points, now.below, now.up_to, now.n).quantiles(shares)
    before = _stored(index, key).sketch().quantiles(shares)
    return tuple(
        QuantilePair(p=p, reference=then, current=later)
        for p, then, later in zip(QUANTILES, before.tolist(), current.tolist(), strict=True)
    )


def moved_slice(index: ProfileIndex, sketch: LiveSketch, effect: float, denied: DenyList = NONE_DENIED) -> str:
    """Name the slice on which the mean prediction moved most, of those where it certainly moved; empty if none.

    Args:
        index: The profile.
        sketch: The rows since the move.
        effect: How many rows are worth one independent row.
        denied: Columns whose slices are not named.
    Source:
        The two-sample z-test, its level split over the slices (Bonferroni).
    """
    profile = index.profile
    sd = profile.prediction.sd if profile.prediction is not None else None
    found: dict[str, float] = {}
    for name, then in denied.visible_slices(profile.slices).items():
        now, mean = sketch.slices.get(name), sketch.slice_mean(index, name)
        if now is None or mean is None or then.prediction is None or not sd or now.answered < LEAST_ROWS:
            continue
        error = sd * math.sqrt(effect * (1 / now.answered + 1 / max(then.rows, 1)))
        move = abs(mean - then.prediction)
        if move > error * _quantile(len(profile.slices)):
            found[name] = move
    return _spelled(max(found, key=lambda name: found[name])) if found else ""


def moved_slice_of(
    index: ProfileIndex, name: str, sketch: LiveSketch, effect: float, denied: DenyList = NONE_DENIED
) -> str:
    """Name the slice on which a feature moved most, of those where it moved otherwise than on all of them together.

    Where it moved everywhere alike, no slice is named.

    Args:
        index: The profile.
        name: The feature.
        sketch: The rows since the move.
        effect: How many rows are worth one independent row.
        denied: Columns whose slices are not named.
    Source:
        The two-sample z-test, its level split over the slices (Bonferroni).
    """
    stored = index.stored.get(name)
    if stored is None or not stored.sd:
        return ""
    by_column: dict[str, dict[str, tuple[float, float, int]]] = {}  # by slice: the move, its variance, the rows of now
    for of, (mean, n) in denied.visible_slices(sketch.feature_means(index, name)).items():
        then = index.profile.slices[of]
        if n >= LEAST_ROWS and name in then.features:
            moved = mean - then.features[name], effect * stored.sd**2 * (1 / n + 1 / then.rows), n
            by_column.setdefault(of.partition("=")[0], {})[of] = moved
    limit = _quantile(sum(map(len, by_column.values())))
    found: dict[str, float] = {}
    for moves in by_column.values():
        for of, (move, variance, _) in moves.items():
            others = [moved for each, moved in moves.items() if each != of]
            if (rest := sum(k for _, _, k in others)) < LEAST_ROWS:
                continue
            elsewhere = sum(m * k / rest for m, _, k in others)
            spread = variance + sum(v * (k / rest) ** 2 for _, v, k in others)
            if abs(move) > abs(elsewhere) and abs(move - elsewhere) > math.sqrt(spread) * limit:
                found[of] = abs(move - elsewhere)
    return _spelled(max(found, key=lambda of: found[of])) if found else ""


def moved_share(index: ProfileIndex, sketch: LiveSketch, effect: float, denied: DenyList = NONE_DENIED) -> str:
    """Say which slice certainly gained or lost rows, the most for its size; empty if none did.

    Args:
        index: The profile.
        sketch: The rows of now.
        effect: How many rows are worth one independent row.
        denied: Columns whose slices are not named.
    Source:
        The two-sample z-test of shares, its level split over the slices (Bonferroni).
    """
    profile, n = index.profile, sketch.n
    found: dict[str, tuple[float, float]] = {}
    counted = {name.partition("=")[0] for name in sketch.slices}  # other columns do not come with the requests
    for name, then in denied.visible_slices(profile.slices).items():
        if not profile.held_out or n < LEAST_ROWS:
            break
        if name.partition("=")[0] not in counted:
            continue
        rows = sketch.slices[name].rows if name in sketch.slices else 0
        pooled = (rows + then.rows) / (n + profile.held_out)
        error = math.sqrt(pooled * (1 - pooled) * effect * (1 / n + 1 / profile.held_out))
        before, after = then.rows / profile.held_out, rows / n
        if abs(after - before) > max(error * _quantile(len(profile.slices)), LEAST_SHARE_MOVE):
            found[name] = before, after
    if not found:
        return ""
    name = max(found, key=lambda name: abs(found[name][1] - found[name][0]) / max(found[name]))
    before, after = found[name]
    return f"rows where {_spelled(name)} went from {before:.1%} to {after:.1%}"


def _quantile(n: int) -> float:
    from scipy.special import ndtri

    return float(-ndtri(LEVEL / 2 / max(n, 1)))


def _spelled(name: str) -> str:
    """Spell a slice as people do: the profile has "sector=Energy"."""
    column, _, level = name.partition("=")
    return f"{column} = {level}"


def _numbers(index: ProfileIndex, key: ColumnKey, sketch: LiveSketch) -> tuple[NumberGrid, NumberCounts] | None:
    kind, name = key
    grid = index.columns[name] if kind is DriftType.FEATURE else index.answers[ANSWERS[kind]]
    counts = column_of(sketch, key)
    if not isinstance(grid, NumberGrid) or not isinstance(counts, NumberCounts) or not counts.n:
        return None
    return grid, counts


def _stored(index: ProfileIndex, key: ColumnKey) -> ColumnProfile:
    kind, name = key
    return index.stored[name] if kind is DriftType.FEATURE else index.stored_answers[ANSWERS[kind]]
