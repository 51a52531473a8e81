"""What a person sees of the sequential verdict: of each column its effect, its evidence and when it changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from msgspec.structs import replace

from core.arrays import IntArray
from core.explain.deny_list import NONE_DENIED, DenyList
from core.monitoring.coarse_cells import LevelCells, NumberCells
from core.monitoring.column_words import named
from core.monitoring.documents import BinShares, DriftPart, MonitoredColumn
from core.monitoring.live import LiveSketch, ProfileIndex
from core.monitoring.sequential.effects import EffectSizes, compared, measure, share_counts
from core.monitoring.sequential.fine_measures import moved_by, moved_share, moved_slice, moved_slice_of, quantile_pairs
from core.monitoring.sequential.layout import LEAST_REFERENCE_ROWS, ColumnKey, ColumnLayout
from core.monitoring.sequential.recent_rows import RecentRows
from core.monitoring.sequential.recent_steps import RecentSteps
from core.monitoring.sequential.scores import Aspect
from core.monitoring.sequential.sequential_drift import OF_OUTCOMES, SequentialDrift, StreamMove
from core.monitoring.sequential.streams import Stream
from core.monitoring.verdicts import WITHOUT_FIGURES, DriftType, DriftVerdict

_GRAVITY = list(DriftVerdict)
OF_SHAPE = 0.3  # of the distance that numbers moved, below which it is not their mean that moved
MOST_UNWATCHED = 5  # columns that are named
DEPENDENT = 2.0  # rows worth an independent one, from which it is said how few they are worth
SUBJECTS = {
    Aspect.MISSING: "empty cells went from {before:.1%} to {after:.1%}",
    Aspect.UNREADABLE: "unreadable cells went from {before:.1%} to {after:.1%}",
    Aspect.UNSEEN: "{after:.1%} of the rows have levels never seen",
    Aspect.OUTSIDE: "{after:.1%} of the values lie outside the range of the reference",
}
_OF_EDGES = (Aspect.UNSEEN, Aspect.OUTSIDE)


@dataclass(frozen=True, slots=True)
class FineRows:
    """What is shown beside the verdicts.

    Attributes:
        index: The profile.
        recent: The finest counts.
        course: The rows of the last steps.
        denied: Columns whose shares of the model, values and slices must not appear.
    """

    index: ProfileIndex
    recent: RecentRows
    course: RecentSteps
    denied: DenyList = NONE_DENIED


def drift_part(
    drift: SequentialDrift, importance: Mapping[str, float], fine: FineRows, *, notes: tuple[str, ...] = ()
) -> DriftPart | None:
    """Return what is shown of a version; None before its first row.

    Args:
        drift: Its sequential verdict.
        importance: Share of each feature in its answers.
        fine: The finest counts, and the course.
        notes: What the verdict lacks.
    """
    state = drift.state
    if state.last_at is None:
        return None
    groups = _groups(state.findings)
    evidence, window = drift.evidence(), fine.recent.window()
    columns: list[MonitoredColumn] = []
    denied_shares: dict[DriftVerdict, float] = {}
    for k, stream in enumerate(drift.streams.streams):
        move = state.findings.get(k)
        if move is not None and move.aspect in _OF_EDGES and _denies(fine, stream.key):
            continue  # it would tell where the trained values end
        if move is not None or stream.type is not DriftType.QUALITY:
            sketch = window if move is None else fine.recent.moves.get(k, LiveSketch())
            shown = _column(drift, k, fine, sketch)
            share = importance.get(stream.key[1]) if stream.key[0] is DriftType.FEATURE else None
            part = round(min(float(evidence[k]), 1.0), 3)
            if shown.is_denied:  # each row changes it by what the value is
                part = float(move is not None)
            if shown.is_denied and share is not None:
                if shown.type is DriftType.FEATURE:  # quality triggers no retraining
                    denied_shares[shown.verdict] = denied_shares.get(shown.verdict, 0.0) + share
                share = None
            columns.append(replace(shown, evidence=part, importance=share, group=groups.get(k, "")))
    columns.sort(key=lambda each: (each.awaits_rows, -_GRAVITY.index(each.verdict), -(each.psi or 0.0), each.name))
    effect = max((drift.design_effect(key) for key in drift.streams.layouts), default=1.0)
    since = _since_first_move(drift, fine) or window
    gained = moved_share(fine.index, since, effect, fine.denied) if state.findings else ""
    judged = [each.verdict for each in columns if not each.awaits_rows]
    return DriftPart(
        as_of=state.last_at + timedelta(minutes=1),
        verdict=max(judged, key=_GRAVITY.index, default=DriftVerdict.INCONCLUSIVE),
        n_rows=state.n_rows,
        since=state.begun_at,
        columns=tuple(columns),
        denied_shares=denied_shares,
        false_alarm_days=drift.false_alarm_days,
        prediction_move=_prediction_move(drift, columns, fine),
        notes=(*notes, *_own_notes(drift), *([gained] if gained else [])),
    )


def _column(drift: SequentialDrift, k: int, fine: FineRows, sketch: LiveSketch) -> MonitoredColumn:
    """Return what is shown of a stream, whose finest counts are a sketch."""
    stream = drift.streams.streams[k]
    layout, effect = drift.streams.layouts[stream.key], drift.design_effect(stream.key)
    move = drift.state.findings.get(k)
    is_denied, is_masked = _denies(fine, stream.key), _masks(fine, stream.key)
    rows = move.rows[: layout.width] if move is not None else drift.window(stream.key)
    sizes = measure(layout, rows, effect, moved_by(fine.index, stream.key, sketch))
    if move is not None:
        verdict, reason = move.verdict, _reason(layout, rows, move, sizes, is_denied=is_denied, is_masked=is_masked)
    else:
        verdict, reason = _without_move(stream, int(rows.sum()), effect, sizes, drift.matters(stream))
        reason = WITHOUT_FIGURES[verdict] if is_denied else reason
    # Quality is judged by shares of cells, which the reason gives: the values may be as before.
    if is_denied or stream.type is DriftType.QUALITY:
        sizes = None
    where = ""
    if move is not None and stream.type is DriftType.PREDICTION:
        where = moved_slice(fine.index, sketch, effect, fine.denied)
    elif move is not None and stream.type is DriftType.FEATURE and not is_denied:
        where = moved_slice_of(fine.index, stream.key[1], sketch, effect, fine.denied)
    return MonitoredColumn(
        name=stream.key[1],
        type=stream.type,
        verdict=verdict,
        reason=reason,
        n=int(rows.sum()),
        psi=sizes.psi if sizes else None,
        ks=sizes.ks if sizes else None,
        chi_square=sizes.chi_square if sizes else None,
        jensen_shannon=sizes.jensen_shannon if sizes else None,
        wasserstein=sizes.wasserstein if sizes else None,
        changed_at=move.changed_at if move else None,
        changed_from=move.changed_from if move else None,
        changed_until=move.changed_until if move else None,
        slice=where,
        trend=() if is_denied else fine.course.trend(drift.streams.column_numbers[stream.key], layout),
        trend_seconds=fine.course.length * 60.0,
        shares=_shares(layout, rows) if sizes and not is_masked else None,
        quantiles=quantile_pairs(fine.index, stream.key, sketch) if sizes and not is_masked else (),
        is_denied=is_denied,
    )


def _denies(fine: FineRows, key: ColumnKey) -> bool:
    return key[0] is DriftType.FEATURE and fine.denied.denies(key[1])


def _masks(fine: FineRows, key: ColumnKey) -> bool:
    """Say whether no value of a column may be shown: no level, no edge of a bin, and no quantile."""
    return key[0] in (DriftType.FEATURE, DriftType.TARGET) and fine.denied.hides_values(key[1])


def _without_move(
    stream: Stream, n_rows: int, effect: float, sizes: EffectSizes | None, matters: float
) -> tuple[DriftVerdict, str]:
    """Say whether a move that matters can be ruled out by the rows of today and yesterday."""
    row, counted = ("outcome", "outcomes") if stream.type in OF_OUTCOMES else ("row", "rows counted")
    if not n_rows:
        return DriftVerdict.INCONCLUSIVE, f"nothing to judge yet: no {row} today or yesterday"
    if sizes is None:
        return DriftVerdict.INCONCLUSIVE, f"none of the {n_rows:,} {counted} today and yesterday has a value"
    if sizes.psi_bound is None:
        return (
            DriftVerdict.INCONCLUSIVE,
            f"{sizes.n:,} {counted} today and yesterday{_worth(sizes.n, effect)} are too few to judge",
        )
    if sizes.psi_bound > matters:
        return DriftVerdict.INCONCLUSIVE, f"the true PSI may be up to {sizes.psi_bound:.2f}; more rows settle it"
    return DriftVerdict.STABLE, f"the true PSI is below {max(sizes.psi_bound, 0.001):.3f} with 95% confidence"


def _worth(n: int, effect: float) -> str:
    """Say how few independent rows some rows are worth; nothing if they are about as many.

    >>> _worth(26_180, 700.0), _worth(40, 1.2)
    (', worth about 37 independent ones,', '')
    """
    return f", worth about {n / effect:,.0f} independent ones," if effect >= DEPENDENT else ""


def _reason(
    layout: ColumnLayout,
    rows: IntArray,
    move: StreamMove,
    sizes: EffectSizes | None,
    *,
    is_denied: bool,
    is_masked: bool,
) -> str:
    if move.aspect is not Aspect.VALUES:
        shares = (share_counts(layout, side, move.aspect) for side in (layout.reference, rows))
        before, after = (hits / max(of, 1) for hits, of in shares)
        return SUBJECTS[move.aspect].format(before=before, after=after)
    if is_denied:
        return WITHOUT_FIGURES[move.verdict]
    if sizes is None:
        return "moved"
    harmless = "" if move.verdict is DriftVerdict.ALARM else ", perhaps harmless"
    return f"moved{_how(layout, rows, sizes, is_masked=is_masked)}: PSI {sizes.psi:.3f}{harmless}"


def _how(layout: ColumnLayout, rows: IntArray, sizes: EffectSizes, *, is_masked: bool) -> str:
    """Say how the values have moved: their mean, or the level that moved most."""
    if sizes.mean_move is not None:
        sd = layout.stored.sd
        if sizes.wasserstein is not None and abs(sizes.mean_move) < OF_SHAPE * sizes.wasserstein:
            return f" in shape by {sizes.wasserstein:.4g}, its mean by {sizes.mean_move:+.4g}"
        of_sd = f" ({sizes.mean_move / sd:+.2f} sd)" if sd else ""
        return f" by {sizes.mean_move:+.4g} on average{of_sd}"
    if is_masked:
        return ""
    counts = compared(layout, rows)
    shares = counts / counts.sum(axis=1, keepdims=True)
    at = int(np.argmax(np.abs(shares[1] - shares[0])))
    if (name := _names(layout)[at]) is None:
        return ""
    return f", {name} from {shares[0, at]:.1%} to {shares[1, at]:.1%}"


def _names(layout: ColumnLayout) -> list[str | None]:
    """Return the names of the cells that are compared; None where a cell has no name."""
    cells = layout.cells
    if isinstance(cells, NumberCells) or cells.is_bucketed:
        return [None] * layout.missing
    return [*cells.names, *(["other levels"] if cells.others else []), "levels never seen"]


def _shares(layout: ColumnLayout, rows: IntArray) -> BinShares:
    counts = compared(layout, rows)
    reference, current = (tuple((side / side.sum()).tolist()) for side in counts)
    if isinstance(layout.cells, LevelCells):
        names = tuple(name or f"bucket {k}" for k, name in enumerate(_names(layout)))
        return BinShares(levels=names, reference=reference, current=current)
    ends = (layout.cells.least, *layout.cells.edges.tolist(), layout.cells.greatest)
    return BinShares(edges=ends, reference=reference, current=current)


def _groups(moves: Mapping[int, StreamMove]) -> dict[int, str]:
    """Group the streams whose intervals of change overlap; a group is named by its first change."""
    found: dict[int, str] = {}
    group: list[int] = []
    until: datetime | None = None
    for k in [*sorted(moves, key=lambda k: (moves[k].changed_from, k)), None]:
        if k is not None and until is not None and moves[k].changed_from <= until:
            group.append(k)
            until = max(until, moves[k].changed_until)
            continue
        if len(group) > 1:
            first = min(moves[each].changed_at for each in group)
            found |= dict.fromkeys(group, f"{first:%Y-%m-%d %H:%M} UTC")
        if k is not None:
            group, until = [k], moves[k].changed_until
    return found


def _prediction_move(drift: SequentialDrift, columns: list[MonitoredColumn], fine: FineRows) -> str:
    """Say how the predictions moved since the features did."""
    moved = [each for each in columns if each.changed_at is not None and each.type is not DriftType.PREDICTION]
    own = next((each for each in columns if each.type is DriftType.PREDICTION), None)
    if own is None or not moved:
        return ""
    key: ColumnKey = (DriftType.PREDICTION, own.name)
    if own.changed_at is None:
        since = _since_first_move(drift, fine)
        if since is None or (found := moved_by(fine.index, key, since)) is None:
            return f"the predictions have not moved with them: {own.reason}"
        effect = drift.design_effect(key)
        where = moved_slice(fine.index, since, effect, fine.denied)
        most = f", most where {where}" if where else ""
        return f"since then the predictions differ by {found[1]:+.4g} on average{most}; no verdict on them yet"
    k = next(k for k, stream in enumerate(drift.streams.streams) if stream.type is DriftType.PREDICTION)
    found = moved_by(fine.index, key, fine.recent.moves.get(k, LiveSketch()))
    by = f" by {found[1]:+.4g} on average" if found is not None else ""
    together = [named(each) for each in moved if each.group and each.group == own.group]
    with_them = f" together with {', '.join(together)}" if together else ""
    return f"the predictions moved{by}{with_them}"


def _since_first_move(drift: SequentialDrift, fine: FineRows) -> LiveSketch | None:
    """Return the rows since the first change of a feature, with predictions and slices; None if none is dated."""
    streams = drift.streams.streams
    moved = [k for k in drift.state.findings if streams[k].key[0] is DriftType.FEATURE]
    if not moved:
        return None
    found = fine.recent.moves.get(min(moved, key=lambda k: drift.state.findings[k].changed_at))
    return found if found is not None and found.answers and found.n else None


def _own_notes(drift: SequentialDrift) -> list[str]:
    notes, untimed = [], drift.streams.untimed
    if drift.streams.unwatched:
        notes.append(unwatched_text(drift.streams.unwatched))
    if untimed:
        names = f"{len(untimed)} columns have" if len(untimed) > 1 else f"{untimed[0]} has"
        notes.append(
            f"{names} no reference by hour: minutes show only moves beyond 0.5 sd, which no season explains; "
            "whole weeks show smaller ones"
        )
    return notes


def unwatched_text(names: Sequence[str]) -> str:
    """Say of which columns the values are not watched, and why.

    >>> unwatched_text(["rating", "floor"])
    'the values of rating, floor are not watched: the reference has fewer than 100 independent ones'
    """
    listed = ", ".join(names[:MOST_UNWATCHED])
    listed += f" and {len(names) - MOST_UNWATCHED} more" if len(names) > MOST_UNWATCHED else ""
    return (
        f"the values of {listed} are not watched: the reference has fewer than {LEAST_REFERENCE_ROWS} independent ones"
    )
