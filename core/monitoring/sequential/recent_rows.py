"""The finest counts of the rows that are shown: of today and yesterday, and of each move since it began.

Verdicts are found in coarse cells. How far numbers moved, their quantiles and their slices come from these counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from core.monitoring.live import LiveSketch
from core.monitoring.live.sketch import ColumnCounts
from core.monitoring.sequential.layout import ColumnKey
from core.monitoring.sequential.sequential_drift import DriftState
from core.monitoring.sequential.sketch_bins import ANSWERS
from core.monitoring.sequential.streams import Streams
from core.monitoring.verdicts import DriftType

TimedSketch = tuple[datetime, LiveSketch]


@dataclass(slots=True)
class RecentRows:
    """The counts of one version; what comes late counts when it comes.

    Attributes:
        day: The newest day, UTC.
        today: Its rows.
        yesterday: Those of the day before.
        moves: By stream that has moved, its rows since then.
    """

    day: date | None = None
    today: LiveSketch = field(default_factory=LiveSketch)
    yesterday: LiveSketch = field(default_factory=LiveSketch)
    moves: dict[int, LiveSketch] = field(default_factory=dict)

    def add(self, minutes: Iterable[TimedSketch]) -> None:
        """Add rows, in order of time."""
        for at, sketch in minutes:
            day = at.date()
            if self.day is None or day > self.day:
                is_next = self.day is not None and day - self.day == timedelta(days=1)
                self.yesterday = self.today if is_next else LiveSketch()
                self.today, self.day = LiveSketch(), day
            self.today.merge(sketch)

    def window(self) -> LiveSketch:
        """Return the rows of today and yesterday."""
        return LiveSketch().merge(self.yesterday).merge(self.today)

    def follow(
        self,
        state: DriftState,
        streams: Streams,
        new: Iterable[TimedSketch],
        dated: Mapping[int, Iterable[TimedSketch]],
        measured: Sequence[str] = (),
    ) -> None:
        """Keep the rows of each stream that has moved.

        Args:
            state: Which streams those are, and since when.
            streams: The streams.
            new: The newest rows.
            dated: By stream that has just been dated, all rows around the change.
            measured: The features that are counted by slice, in their order.
        """
        new = list(new)
        moves = {}
        for k, finding in state.findings.items():
            key = streams.streams[k].key
            found = LiveSketch() if k in dated else self.moves.get(k, LiveSketch())
            for at, sketch in dated.get(k, new):
                if k not in dated or at >= finding.changed_at:
                    found.merge(_only(sketch, key, measured))
            moves[k] = found
        self.moves = moves


def column_of(sketch: LiveSketch, key: ColumnKey) -> ColumnCounts | None:
    """Return the counts of one column; None if it is not counted."""
    kind, name = key
    return sketch.features.get(name) if kind is DriftType.FEATURE else sketch.answers.get(ANSWERS[kind])


def _only(sketch: LiveSketch, key: ColumnKey, measured: Sequence[str]) -> LiveSketch:
    """Return one column of rows; with features go the predictions that follow from them, and with both the slices."""
    counts, (kind, name) = column_of(sketch, key), key
    if counts is None:
        return LiveSketch()
    if kind not in (DriftType.FEATURE, DriftType.PREDICTION):
        return LiveSketch(sketch.n, {}, {ANSWERS[kind]: counts})
    own = ANSWERS[DriftType.PREDICTION]
    answers = {own: sketch.answers[own]} if own in sketch.answers else {}
    if kind is DriftType.PREDICTION:
        return LiveSketch(sketch.n, {}, answers, sketch.slices)
    moves = sketch.moves.only(measured.index(name)) if sketch.moves is not None and name in measured else None
    return LiveSketch(sketch.n, {name: counts}, answers, sketch.slices, moves)
