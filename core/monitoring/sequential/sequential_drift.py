"""The sequential verdict on what one version is asked and answers, minute by minute."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.monitoring.sequential.alike_minute import RecentLevels
from core.monitoring.sequential.bets import Instant
from core.monitoring.sequential.change_point import change_point
from core.monitoring.sequential.detector import MINUTES_A_DAY, Detectors, log_sums
from core.monitoring.sequential.dispersion import HOURS_LENGTHS, Dispersion
from core.monitoring.sequential.effects import is_beyond_harmless, share_counts, usual_counts
from core.monitoring.sequential.layout import ColumnKey, MinuteCounts
from core.monitoring.sequential.scores import Aspect
from core.monitoring.sequential.streams import Stream, Streams
from core.monitoring.sequential.warm_up import LEAST_ROWS
from core.monitoring.verdicts import DriftType, DriftVerdict

QUIET_BELOW = 0.3  # the share of what decides, below which a change is not under way
CLEARED_BELOW = 0.5  # the same, below which a finding is over
REDATED_MINUTES = 60  # after a finding, while its date gains from new rows
LOOKED_BACK = timedelta(days=14)
OF_OUTCOMES = (DriftType.TARGET, DriftType.RESIDUAL)  # known only once outcomes are reported
WEEK_DAYS = 7
BEFORE = timedelta(hours=6)  # of quiet minutes, among which a change is looked for: evidence may rise long after it


@dataclass(frozen=True, slots=True)
class BinnedMinute:
    """The rows of one minute.

    Attributes:
        at: Its beginning, UTC.
        counts: By column, the rows of each cell of its layout.
    """

    at: datetime
    counts: MinuteCounts


@dataclass(slots=True)
class StreamMove:
    """A stream that has moved.

    Attributes:
        found_at: When its evidence decided.
        aspect: What of the column has moved.
        verdict: Watch, or alarm if the move is certainly more than harmless.
        changed_at: The minute from which on rows differ, as estimated.
        changed_from: The beginning of the interval of that estimate.
        changed_until: Its end.
        rows: Rows of the column since then, by cell.
    """

    found_at: datetime
    aspect: Aspect
    verdict: DriftVerdict
    changed_at: datetime
    changed_from: datetime
    changed_until: datetime
    rows: IntArray


@dataclass(slots=True)
class DriftState:
    """What a look needs of the looks before.

    Attributes:
        detectors: The evidence of each bet.
        dispersion: How much live rows depend on each other.
        recent_levels: The levels of the last hours, with which each minute is compared.
        today: Rows of the day so far, by column and cell.
        yesterday: Rows of the day before.
        quiet_at: By stream, the last minute at which no change was under way.
        findings: By stream, what has moved.
        begun_at: The first minute.
        last_at: The newest minute.
        n_minutes: Minutes with rows.
        n_rows: Rows.
    """

    detectors: Detectors
    dispersion: Dispersion
    recent_levels: RecentLevels
    today: IntArray
    yesterday: IntArray
    quiet_at: IntArray
    findings: dict[int, StreamMove] = field(default_factory=dict)
    begun_at: datetime | None = None
    last_at: datetime | None = None
    n_minutes: int = 0
    n_rows: int = 0


class SequentialDrift:
    """Follows one version.

    Minutes are observed in ascending order; what comes late, as outcomes do, counts when it comes. The order of rows
    within a minute does not matter, since only counts are read.
    """

    def __init__(
        self,
        streams: Streams,
        *,
        false_alarm_days: float = 30.0,
        matters: Mapping[DriftType, float] | None = None,
        state: DriftState | None = None,
    ) -> None:
        """Prepare.

        Args:
            streams: The bets on the version.
            false_alarm_days: Mean days to a false alarm, over all of its columns together, at least.
            matters: By kind, the PSI from which a move is drift, nats; 0.1 by default.
            state: Of an earlier look.
        """
        self.streams = streams
        self.false_alarm_days = false_alarm_days
        self._matters = matters or {}
        self.state = state or new_state(streams)
        weights = np.array([stream.weight for stream in streams.streams])
        with np.errstate(divide="ignore"):
            self._decides = np.log(false_alarm_days * MINUTES_A_DAY) - np.log(weights)
            self._columns_of_streams = np.array(
                [streams.column_numbers[stream.key] for stream in streams.streams], np.int64
            )
        self._is_served = np.array([layout.key[0] not in OF_OUTCOMES for layout in streams.columns], np.bool_)
        columns, first = np.unique(streams.directed, return_index=True)
        self._leading = first[self._is_served[columns]]  # of each served column its location, or its first level
        self._bet_decides = self._decides[streams.stream_of] - np.log(streams.weights)
        # Without times the weekdays of the reference are unknown, too: only whole weeks have the same of each. Errors
        # and outcomes have no such rhythm of their own, and would wait too long.
        self._by_week = (streams.is_untimed & self._is_served[streams.directed])[streams.direction_of]

    def observe(self, minutes: Iterable[BinnedMinute], *, length: int = 1) -> None:
        """Take in rows.

        Args:
            minutes: The newest minutes; minutes without rows need not be among them.
            length: How many minutes each of them spans.
        """
        for minute in sorted(minutes, key=lambda each: each.at):
            self._observe(minute, length)

    def _observe(self, minute: BinnedMinute, length: int) -> None:
        state, streams = self.state, self.streams
        rows = streams.table(minute.counts)
        by_column = rows.sum(axis=1)
        if not by_column.any():
            return
        n = int(by_column[self._is_served].max(initial=0))
        at = minute.at.astimezone(UTC)
        self._turn_day(at.date())
        of_bets = rows[streams.column_of]
        is_late = state.last_at is not None and at <= state.last_at  # of a minute that has begun a change already
        hour = Instant(at.hour, at.weekday())
        n_scored, sums, squares = streams.scored(rows, hour)
        by_minute, by_day = self._worth(n_scored)
        alike = self._worth_of_alike(n_scored, sums, 0 if is_late else length)
        for_minute = np.einsum("jc,jc->j", streams.increments(hour), of_bets)
        for_minute *= np.where(for_minute > 0, np.minimum(by_minute, alike), by_minute)
        of_minute = int(at.timestamp()) // 60 if n else None
        state.detectors.after_minutes(for_minute, self._bet_decides, 0 if is_late else length, of_minute)
        for_day = streams.increments(Instant(at.hour, at.weekday(), is_day=True))
        state.detectors.today += np.einsum("jc,jc->j", for_day, of_bets) * np.minimum(by_day, alike)
        state.dispersion.observe(n_scored, sums, squares)
        state.today += rows
        state.begun_at = state.begun_at or at
        state.last_at = max(state.last_at or at, at)
        state.n_minutes += n > 0
        state.n_rows += n
        for finding_of, finding in state.findings.items():
            finding.rows = finding.rows + rows[self._column(finding_of)]
        self._settle(at, by_column > 0)

    def _worth(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how many independent rows a row of a minute is worth, by bet, for minutes and for days.

        Before the first batch of rows, they are worth nothing: how far they depend on each other is unknown. Without
        times a season could look like dependence over hours, and days average it out.

        Args:
            rows: Of the minute, by direction.
        """
        streams, dispersion = self.streams, self.state.dispersion
        found, is_known = self._effects(), dispersion.is_known
        of_days = np.where(streams.is_untimed, found[HOURS_LENGTHS - 1], found[-1])
        of_reference = streams.design_effects[streams.directed]
        by_minute, by_day = (
            is_known / dispersion.effects_of_minute(np.maximum(effects, of_reference), rows)
            for effects in (found[-1], of_days)
        )
        return by_minute[streams.direction_of], by_day[streams.direction_of]

    def _worth_of_alike(self, rows: FloatArray, sums: FloatArray, minutes: int) -> FloatArray:
        """Return how many independent rows a row of this minute is worth at most, by bet, as evidence of a move.

        Outcomes are not rows of the minute in which they come, so they are not among the columns.
        """
        state = self.state
        variance = state.dispersion.warm_up.variance
        worth = state.recent_levels.worth(rows, sums, variance, self._leading, minutes)
        return np.where(self._is_served[self.streams.column_of], worth, 1.0)

    def _effects(self) -> FloatArray:
        """Return how many rows are worth one independent row, by length of batches and direction."""
        state = self.state
        if state.begun_at is not None and state.last_at is not None and state.n_rows:
            elapsed = (state.last_at - state.begun_at) / timedelta(minutes=1)
            a_minute = state.n_rows / state.n_minutes
            state.dispersion.batch_minutes = elapsed / state.n_minutes * max(LEAST_ROWS / a_minute, 1.0)
        return state.dispersion.effects()

    def _turn_day(self, day: date) -> None:
        """Judge a day that has ended, and a week: the one on which everything began is not whole."""
        state = self.state
        if state.last_at is None or state.begun_at is None or day <= state.last_at.date():
            return
        last, begun, by_week = state.last_at.date(), state.begun_at.date(), self._by_week
        state.detectors.after_days(~by_week, self._bet_decides, 1, is_whole=last > begun)
        if _week(day) != _week(last):
            is_whole = _week(last) != _week(begun)
            state.detectors.after_days(by_week, self._bet_decides, WEEK_DAYS, is_whole=is_whole)
        is_next = day - state.last_at.date() == timedelta(days=1)
        state.yesterday = state.today if is_next else np.zeros_like(state.today)
        state.today = np.zeros_like(state.today)

    def _settle(self, at: datetime, has_rows: BoolArray) -> None:
        """Note what has moved, and what has moved back; outcomes are quiet at the minute of their prediction."""
        state, share = self.state, self.evidence()
        quiet = (share < QUIET_BELOW) & has_rows[self._columns_of_streams]
        state.quiet_at[quiet] = np.maximum(state.quiet_at[quiet], int(at.timestamp()) // 60)
        at = state.last_at or at
        for k in np.flatnonzero(share >= 1.0).tolist():
            if k not in state.findings:
                rows = np.zeros(self.streams.width, dtype=np.int64)
                if (days := self._days_of_finding(k)) is not None:  # a day or a week shows nothing before its end
                    state.quiet_at[k] = max(state.quiet_at[k] - days * MINUTES_A_DAY, 0)
                since = datetime.fromtimestamp(int(state.quiet_at[k]) * 60, UTC)
                since = max(since, state.begun_at or since)
                state.findings[k] = StreamMove(at, self._aspect(k), DriftVerdict.WATCH, since, since, at, rows)
        for k in [k for k in state.findings if share[k] < CLEARED_BELOW]:
            del state.findings[k]

    def evidence(self) -> FloatArray:
        """Return the evidence of each stream as a share of what decides: 1 decides, and a usual day shows about 0.1."""
        logs = log_sums(
            self.state.detectors.evidence(), self.streams.weights, self.streams.stream_of, len(self.streams.streams)
        )
        days = np.log(MINUTES_A_DAY)
        return np.asarray(np.logaddexp(logs - days, 0.0) / np.logaddexp(self._decides - days, 0.0))

    def date_findings(self, history: Iterable[BinnedMinute]) -> None:
        """Date what has moved from the minutes around it.

        Args:
            history: The minutes from `history_from` on, the newest included.
        """
        minutes = sorted(history, key=lambda each: each.at)
        if not minutes:
            return
        for k in self.undated():
            finding, column = self.state.findings[k], self._column(k)
            since = self._searched_from(k)
            layout = self.streams.columns[column]
            own = [minute for minute in minutes if minute.at >= since and layout.key in minute.counts]
            counts = np.array([minute.counts[layout.key] for minute in own])
            if not len(own):
                continue
            effect = self.design_effect(layout.key, finding.aspect)
            seen, expected, reference = self._compared(k, counts, [minute.at for minute in own])
            reference = reference / self.streams.design_effects[column]
            if (found := change_point(seen, expected, reference, effect)) is None:
                continue
            finding.changed_at, finding.changed_from = own[found.at].at, own[found.low].at
            finding.changed_until = own[found.high].at
            finding.rows = np.zeros(self.streams.width, dtype=np.int64)
            finding.rows[: layout.width] = counts[found.at :].sum(axis=0)

    def undated(self) -> list[int]:
        """Return the streams whose date is still open."""
        last = self.state.last_at
        fresh = timedelta(minutes=REDATED_MINUTES)
        return [k for k, found in self.state.findings.items() if last is not None and last - found.found_at <= fresh]

    @property
    def history_from(self) -> datetime | None:
        """Return from when on minutes are needed to date what has moved; None if nothing is to be dated."""
        return min((self._searched_from(k) for k in self.undated()), default=None)

    def _searched_from(self, k: int) -> datetime:
        """Return the beginning of the minutes among which a change is looked for."""
        finding = self.state.findings[k]
        quiet = datetime.fromtimestamp(int(self.state.quiet_at[k]) * 60, UTC)
        quiet = max(quiet, finding.found_at - LOOKED_BACK)
        return quiet - BEFORE - (finding.found_at - quiet)

    def _compared(self, k: int, counts: IntArray, times: list[datetime]) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return the counts in which a stream moved, the shares to expect of them, and the rows of the reference."""
        layout = self.streams.columns[self._column(k)]
        aspect = self.state.findings[k].aspect
        if aspect is Aspect.VALUES:
            seen = layout.within(counts)
            usual = [self.streams.expected(layout.key, at) for at in times]
            return seen, np.array(usual), layout.within(layout.reference).astype(np.float64)
        seen = np.array([_split(share_counts(layout, minute, aspect)) for minute in counts])
        hits, of = usual_counts(layout, aspect)
        reference = np.array([hits + 0.5, of - hits + 0.5])
        return seen, np.tile(reference / reference.sum(), (len(seen), 1)), reference

    def judge_findings(self) -> None:
        """Raise a watch to an alarm where the move is certainly more than harmless."""
        for k, finding in self.state.findings.items():
            column = self._column(k)
            layout = self.streams.columns[column]
            effect = self.design_effect(layout.key, finding.aspect)
            matters = self.matters(self.streams.streams[k])
            rows = finding.rows[: layout.width]
            if finding.verdict is DriftVerdict.WATCH and is_beyond_harmless(
                layout, rows, finding.aspect, effect, matters
            ):
                finding.verdict = DriftVerdict.ALARM

    def design_effect(self, key: ColumnKey, aspect: Aspect | None = None) -> float:
        """Return how many rows of a column are worth one independent row.

        Args:
            key: The column.
            aspect: What of it; None for its values.
        """
        column = self.streams.column_numbers[key]
        is_own = (self.streams.column_of == column) & (np.array(self.streams.aspects) == (aspect or Aspect.VALUES))
        own = self.streams.direction_of[is_own]
        measured = self._effects()[-1][own].max(initial=1.0)
        return float(max(measured, self.streams.design_effects[column]))

    def window(self, key: ColumnKey) -> IntArray:
        """Return the rows of a column today and yesterday, by cell of its layout."""
        column = self.streams.column_numbers[key]
        rows = self.state.today[column] + self.state.yesterday[column]
        return np.asarray(rows[: self.streams.layouts[key].width])

    def matters(self, stream: Stream) -> float:
        """Return the PSI from which a stream's move is drift, nats."""
        return self._matters.get(stream.key[0], 0.1)

    def reset(self, keys: Iterable[ColumnKey] | None = None) -> None:
        """Forget the evidence: of some columns whose move is explained, or of all.

        Args:
            keys: The columns; None for all.
        """
        state = self.state
        known = None if keys is None else set(keys)
        which = [k for k, stream in enumerate(self.streams.streams) if known is None or stream.key in known]
        state.detectors.reset(np.isin(self.streams.stream_of, which))
        for k in which:
            state.findings.pop(k, None)
            column = self._column(k)
            state.today[column] = state.yesterday[column] = 0
            if state.last_at is not None:
                state.quiet_at[k] = int(state.last_at.timestamp()) // 60

    def _column(self, k: int) -> int:
        return self.streams.column_numbers[self.streams.streams[k].key]

    def _aspect(self, k: int) -> Aspect:
        """Return the aspect that carries most of the evidence of a stream."""
        return self.streams.aspects[self._leading_bet(k)]

    def _days_of_finding(self, k: int) -> int | None:
        """Return of how many days the block is that carries most of the evidence of a stream; None: minutes do."""
        bet, detectors = self._leading_bet(k), self.state.detectors
        if detectors.by_day[bet] <= detectors.by_minute[bet]:
            return None
        return WEEK_DAYS if self._by_week[bet] else 1

    def _leading_bet(self, k: int) -> int:
        own = np.flatnonzero(self.streams.stream_of == k)
        logs = self.state.detectors.evidence()[own] + np.log(self.streams.weights[own])
        return int(own[int(np.argmax(logs))])


def _week(day: date) -> tuple[int, int]:
    return day.isocalendar()[:2]


def _split(shares: tuple[int, int]) -> tuple[int, int]:
    return shares[0], shares[1] - shares[0]


def new_state(streams: Streams) -> DriftState:
    """Return the state before the first minute."""
    shape = (len(streams.columns), streams.width)

    def nothing() -> AnyArray:
        return np.zeros(shape, dtype=np.int64)

    return DriftState(
        detectors=Detectors.new(streams.n_bets),
        dispersion=Dispersion.new(streams.directed, streams.spread),
        recent_levels=RecentLevels(np.zeros(len(streams.directed)), np.zeros(len(streams.directed))),
        today=nothing(),
        yesterday=nothing(),
        quiet_at=np.zeros(len(streams.streams), dtype=np.int64),
    )
