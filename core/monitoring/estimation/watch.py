"""The watcher of performance without labels: an estimate an hour, and its record against the outcomes that came."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import msgspec
import numpy as np

from core.arrays import AnyArray, FloatArray
from core.errors import CoreError, UsageError
from core.json_documents import decode_json
from core.losses import Actual, AnswerForm, LossKind, LossRule, RecordedAnswer, loss_of
from core.monitoring import dependence
from core.monitoring.documents import EstimatePart, MetricPoint, MonitoredMetric
from core.monitoring.estimation.estimate import (
    EstimatedFigure,
    EstimatedPerformance,
    LiveRows,
    estimate_performance,
)
from core.monitoring.estimation.expected_scores import EVENT_RATE, IS_LOSS
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows
from core.monitoring.estimation.score_only import estimate_by_scores
from core.monitoring.live import ProfileIndex, SketchError, from_bytes, profile_number
from core.monitoring.profiling import PREDICTION
from core.monitoring.verdicts import PerformanceVerdict
from core.monitoring.watch import LiveVersion, Watcher, WatcherLook
from core.telemetry.features import LoggedFeatures, logged_features
from core.telemetry.live import LiveReader
from core.telemetry.predictions import Cursor, LabelledAnswers, PredictionReader

EVERY = timedelta(hours=1)
AGAIN = timedelta(minutes=5)  # where there was nothing to estimate from: a version has just gone live, perhaps
WINDOW = timedelta(days=1)
SETTLED = timedelta(seconds=5)  # a younger outcome may belong to a prediction that is not committed yet
MOST_BATCHES = 20  # of outcomes that one look reads
MOST_ESTIMATES = 168  # that wait for their outcomes: a week of them
MOST_HOURS = 24 * 40
LEAST_OUTCOMES = 30  # from which an estimate is compared with what came
_LOSSES = {"log_loss": LossKind.LOG, "accuracy": LossKind.ZERO_ONE, "mae": LossKind.ABSOLUTE}


class _Past(msgspec.Struct, frozen=True, array_like=True):
    """An estimate of the deciding metric."""

    at: int  # hours since 1970, the end of its window
    metric: str
    value: float
    low: float
    high: float
    n: int


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the watcher remembers."""

    looked_at: datetime | None = None
    no_profile: str = ""  # why there was no profile then
    profile_since: datetime | None = None  # when the profile of then was made, if it was made later
    part: EstimatePart | None = None
    past: tuple[_Past, ...] = ()
    losses: dict[int, tuple[int, float]] = {}  # by hour of the prediction: outcomes, and the sum of their losses
    cursor: Cursor = Cursor()  # behind the last outcome in the losses


class EstimateWatch(Watcher):
    """Estimates how well live versions do on what they answered within the last day."""

    name: ClassVar[str] = "estimate"

    def look(self, version: LiveVersion, now: datetime, state: bytes | None) -> WatcherLook:
        """Estimate again once an hour, sooner where there was no estimate, and at once by another profile.

        Arguments as in the protocol.
        """
        memory = _remembered(state)
        every = EVERY if memory.part is None or memory.part.metrics else AGAIN
        is_same = (memory.no_profile, memory.profile_since) == (version.no_profile, version.profile_since)
        if is_same and memory.looked_at is not None and timedelta(0) <= now - memory.looked_at < every:
            return WatcherLook(part=memory.part, state=state, cursor=memory.cursor.outcome)
        memory = msgspec.structs.replace(
            memory, looked_at=now, no_profile=version.no_profile, profile_since=version.profile_since, part=None
        )
        try:
            found = self._estimate(version, now)
        except CoreError as error:
            part = EstimatePart(as_of=now, reason=f"there is no estimate: {error}")
            memory = msgspec.structs.replace(memory, part=part)
        else:
            first = found.figures[0]
            past = _Past(_hour(now), first.metric, first.value, first.low, first.high, found.n_rows)
            memory = msgspec.structs.replace(memory, past=(*memory.past, past)[-MOST_ESTIMATES:])
            memory = _caught_up(memory, version, first.metric, now)
            memory = msgspec.structs.replace(memory, part=_part(found, memory, now))
        return WatcherLook(part=memory.part, state=msgspec.json.encode(memory), cursor=memory.cursor.outcome)

    def _estimate(self, version: LiveVersion, now: datetime) -> EstimatedPerformance:
        """Estimate from sampled rows, else from the counts of the answers.

        Raises:
            CoreError: Neither is possible.
        """
        if version.profile is None:
            raise UsageError(version.no_profile)
        try:
            held_out = HeldOutRows.read(version.folder, version.key)
            rows = logged_features(
                version.workspace.features_file, version.model, version.version, start=now - WINDOW, end=now
            )
            return estimate_performance(held_out, live_rows(held_out, rows)).performance
        except CoreError as better:
            found = _by_counts(version, now)
            if found is None:
                raise _with_cure(better, version, now) from better
            return found


def _with_cure(why: CoreError, version: LiveVersion, now: datetime) -> CoreError:
    """Return why sampled rows give no estimate; where no row is sampled, what samples some."""
    if isinstance(why, HeldOutError) or logged_features(
        version.workspace.features_file, version.model, version.version, start=now - WINDOW, end=now, most=1
    ):
        return why
    return UsageError(
        "no answered row was sampled within the last day. serving.log_features.share (0 by default) samples some."
    )


def live_rows(held_out: HeldOutRows, logged: LoggedFeatures) -> LiveRows:
    """Return sampled rows in the form of an estimate.

    Args:
        held_out: The held-out rows of the same version.
        logged: The rows.
    Raises:
        HeldOutError: The answers are of another kind than those to the held-out rows.
    """
    frame = logged.frame()
    answer = _answers(logged.predictions, len(held_out.classes))
    if answer.ndim != held_out.answer.ndim:
        raise HeldOutError("the sampled rows", "their answers are of another kind", "Train the version again")
    units = dependence.group_numbers(frame[held_out.group]) if held_out.group in frame else None
    decided = None
    if held_out.decided is not None:
        declared = held_out.answer[held_out.decided]
        decided = answer >= (declared.min() if len(declared) else np.inf)
    return LiveRows(frame, answer, decided, units)


def _answers(predictions: Sequence[object], n_classes: int) -> AnyArray:
    answers = np.array(predictions, dtype=np.float64)
    return answers[:, 1] if n_classes == 2 and answers.ndim == 2 and answers.shape[1] == 2 else answers


def _by_counts(version: LiveVersion, now: datetime) -> EstimatedPerformance | None:
    """Estimate from the counts of the answers in the tenths of the profile."""
    profile = version.profile
    if profile is None or len(profile.calibration) < 2:
        return None
    index, number = ProfileIndex(profile), profile_number(profile)
    reader = LiveReader(version.workspace.live_file)
    counted = []
    for minute in reader.between(version.model, version.version, now - WINDOW, now):
        if minute.sketch and minute.profile == number:
            with suppress(SketchError, KeyError):  # a damaged minute, or one without answers, costs no estimate
                tenths = from_bytes(index, minute.sketch).tenths(index, PREDICTION)
                if len(tenths) == len(profile.calibration):
                    counted.append((minute, tenths))
    if not counted:
        return None
    stands_for = np.array([(minute.n + minute.n_dropped) / max(minute.n, 1) for minute, _ in counted])
    by_minute = np.array([tenths for _, tenths in counted], dtype=np.float64)
    counts = weighed(by_minute, stands_for)
    if counts is None:
        return None
    answer = np.array([tenth.predicted for tenth in profile.calibration])
    try:
        found = estimate_by_scores(profile, answer, answer >= 0.5, weight=counts)
    except CoreError:
        return None
    n_rows, n_answered = round(by_minute.sum()), round(stands_for @ by_minute.sum(axis=1))
    notes = found.notes
    if n_rows < n_answered:
        notes += (
            f"{n_rows:,} counted rows stand for {n_answered:,} that were answered, those of each minute for all of its "
            f"rows: worth {found.n_rows:,} rows of equal weight.",
        )
    return msgspec.structs.replace(found, n_rows=n_rows, notes=notes)


def weighed(counted: FloatArray, stands_for: FloatArray) -> FloatArray | None:
    """Add up counts of which a row stands for several, so that their sum is how many equal rows would tell as much.

    Args:
        counted: The counts of each minute in the same bins, shape (minutes, bins).
        stands_for: For how many rows each counted row of a minute stands, shape (minutes,).
    Returns:
        The sums, shape (bins,); None without rows.
    Source:
        Kish, Survey Sampling (1965), section 11.7: the effective size of a sample of unequal weights.

    >>> weighed(np.array([[60.0, 40.0]]), np.array([3.0]))
    array([60., 40.])
    >>> weighed(np.array([[100.0, 0.0], [0.0, 100.0]]), np.array([1.0, 9.0]))
    array([ 12.19512195, 109.75609756])
    """
    rows = counted.sum(axis=1)
    n, n_squared = float(stands_for @ rows), float(np.square(stands_for) @ rows)
    return np.asarray(stands_for @ counted * (n / n_squared), dtype=np.float64) if n > 0.0 else None


def _remembered(state: bytes | None) -> _Memory:
    try:
        return decode_json(state, type=_Memory) if state else _Memory()
    except msgspec.DecodeError:
        return _Memory()


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // 3600


def _caught_up(memory: _Memory, version: LiveVersion, metric: str, now: datetime) -> _Memory:
    """Add up the losses of outcomes that are new."""
    kind = _LOSSES.get(metric)
    if kind is None:
        return memory
    losses = dict(memory.losses)
    cursor = memory.cursor
    reader = PredictionReader(version.workspace.predictions_file)
    try:
        for _ in range(MOST_BATCHES):
            batch = reader.labelled(cursor, settled_before=now - SETTLED)
            for hour, loss in _losses(batch.versions.get((version.model, version.version), ()), kind):
                n, total = losses.get(hour, (0, 0.0))
                losses[hour] = (n + 1, total + loss)
            cursor = batch.cursor
            if batch.is_last:
                break
    finally:
        reader.close()
    kept = dict(sorted(losses.items())[-MOST_HOURS:])
    return msgspec.structs.replace(memory, losses=kept, cursor=cursor)


def _losses(answers: Iterable[LabelledAnswers], kind: LossKind) -> Iterable[tuple[int, float]]:
    rule = LossRule(kind=kind)
    for part in answers:
        form: AnswerForm = part.form
        for row in part.rows:
            loss = loss_of(rule, RecordedAnswer(form, row.value, row.detail), Actual(row.actual, row.name))
            if loss is not None:
                yield int(row.at_us // 3_600_000_000), loss


def _part(found: EstimatedPerformance, memory: _Memory, now: datetime) -> EstimatePart:
    scored, n_held = _scored(memory)
    notes = list(found.notes)
    if scored:
        notes.append(f"{n_held} of {len(scored)} earlier estimates held what the outcomes showed.")
    return EstimatePart(
        as_of=now,
        method=found.method,
        verdict=found.verdict,
        reason=found.reason,
        n_rows=found.n_rows,
        metrics=tuple(
            _metric(figure, found.n_rows, memory if not k else None)
            for k, figure in enumerate(found.figures)
            if figure.metric != EVENT_RATE
        ),
        blind_to=found.blind_to,
        scored=tuple(scored[-24:]),
        notes=tuple(notes),
    )


def _metric(figure: EstimatedFigure, n: int, memory: _Memory | None) -> MonitoredMetric:
    past = memory.past if memory is not None else ()
    return MonitoredMetric(
        metric=figure.metric,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        n=n,
        verdict=figure.verdict or PerformanceVerdict.OPEN,
        reference=figure.held_out,
        higher_is_better=figure.metric not in IS_LOSS,
        window="day",
        points=tuple(
            MetricPoint(at=_time(each.at), value=each.value, low=each.low, high=each.high, n=each.n)
            for each in past
            if each.metric == figure.metric
        ),
    )


def _time(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)


def _scored(memory: _Memory) -> tuple[list[MonitoredMetric], int]:
    """Compare earlier estimates with the outcomes of their windows; return them, and how many held."""
    found, n_held = [], 0
    for past in memory.past:
        hours = range(past.at - int(WINDOW / EVERY), past.at)
        n = sum(memory.losses.get(hour, (0, 0.0))[0] for hour in hours)
        if n < LEAST_OUTCOMES:
            continue
        mean = sum(memory.losses.get(hour, (0, 0.0))[1] for hour in hours) / n
        realised = 1.0 - mean if past.metric == "accuracy" else mean
        is_held = past.low <= realised <= past.high
        n_held += is_held
        found.append(
            MonitoredMetric(
                metric=past.metric,
                value=realised,
                low=past.low,
                high=past.high,
                n=n,
                verdict=PerformanceVerdict.HOLDS if is_held else PerformanceVerdict.OPEN,
                reason=(
                    f"estimated {past.value:.4g} ({past.low:.4g} to {past.high:.4g}); "
                    f"{n:,} outcomes show {realised:.4g}"
                ),
                reference=past.value,
                higher_is_better=past.metric not in IS_LOSS,
                window="day",
                points=(MetricPoint(at=_time(past.at), value=realised, low=past.low, high=past.high, n=n),),
            )
        )
    return found, n_held
