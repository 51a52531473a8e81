"""The report of a version as every face shows it; nothing heavy is imported here."""

from datetime import datetime

import msgspec

from core.monitoring.documents import MonitoredMetric, PerformancePart
from core.monitoring.verdicts import PerformanceVerdict


class CalibrationPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One tenth of the answers."""

    n: int
    predicted: float  # mean probability
    observed: float  # share of events
    low: float  # of the observed share, valid at every look, all tenths together
    high: float
    held_out_gap: float | None = None  # observed less predicted, on held-out rows


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A reliability curve and its test.

    Attributes:
        verdict: "off", "holds", or "cannot say yet".
        reason: One sentence.
        error: Mean distance of both, weighted by rows (expected calibration error).
        points: The tenths that have rows.
    """

    verdict: str
    reason: str
    error: float
    points: tuple[CalibrationPoint, ...]


class WindowOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How many answers of a window have their outcome."""

    window: str
    since: datetime
    n_answered: int
    n_outcomes: int
    awaited_share: float | None


class PerformanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """How well a version did, of the answers whose outcomes are known."""

    as_of: datetime
    task: str = ""
    verdict: PerformanceVerdict = PerformanceVerdict.OPEN
    reason: str = ""
    n_outcomes: int = 0
    n_answered: int = 0
    awaited_share: float | None = None
    holds_today: bool = False  # the last day holds, with most of its outcomes
    n_needed: int | None = None
    windows: tuple[WindowOutcomes, ...] = ()
    margin: float = 0.1  # by which share a metric may be worse than held out without having fallen
    judged_windows: tuple[str, ...] = ()  # beside the whole life
    metrics: tuple[MonitoredMetric, ...] = ()  # the whole life first
    slices: tuple[MonitoredMetric, ...] = ()  # the worst first
    worst_slice: MonitoredMetric | None = None
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()

    def part(self) -> PerformancePart:
        """Return what a screen shows."""
        deciding = self.metrics[0].metric if self.metrics else ""
        return PerformancePart(
            as_of=self.as_of,
            verdict=self.verdict,
            reason=self.reason,
            n_outcomes=self.n_outcomes,
            awaited_share=self.awaited_share,
            holds_today=self.holds_today,
            n_needed=self.n_needed,
            margin=self.margin,
            windows=self.judged_windows,
            metrics=tuple(each for each in self.metrics if not each.window or each.metric == deciding),
            worst_slice=self.worst_slice,
            notes=self.notes if self.calibration is None else (*self.notes, f"calibration: {self.calibration.reason}"),
        )
