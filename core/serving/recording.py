"""Predictions and outcomes on their way to telemetry: queued without waiting, dropped and counted under overload."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.losses import RecordedAnswer, pack_probabilities
from core.replication.outbox import ReplicaOutbox
from core.replication.sent_records import SentRecords, TakenRecords
from core.serving.errors import BadRequestError, NotRecordedError, UnavailableError
from core.serving.stats import ServerStats
from core.serving.table import Assignment
from core.settings.telemetry import PredictionRetention
from core.state import Workspace
from core.telemetry import TelemetryError
from core.telemetry.predictions import (
    OutcomeError,
    OutcomeRecord,
    PredictionHealth,
    PredictionReader,
    PredictionRecord,
    PredictionUsage,
    PredictionWriter,
    PromptRecord,
    TextCounts,
    TrafficGrain,
    TrafficSpan,
    check_against,
    request_number,
)

log = logging.getLogger(__name__)

_BATCHES_KNOWN = 10_000


class OutcomeReceipt(NamedTuple):
    """What became of reported outcomes: every one is stored, unless its request has one already."""

    n_matched: int  # their prediction is stored
    n_unmatched: int  # they wait for it
    n_repeated: int  # their request has an outcome already, which counts


class PredictionRecorder:
    """Records one server's predictions in the store; an unusable store never blocks an answer."""

    def __init__(
        self,
        workspace: Workspace,
        stats: ServerStats,
        *,
        is_on: bool = True,
        why_off: str = "",
        retention: PredictionRetention | None = None,
        held_since: Callable[[], Mapping[str, datetime]] = dict,
        outbox: ReplicaOutbox | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Open the store.

        Args:
            workspace: The workspace with the store.
            stats: Counts dropped records.
            is_on: Whether to record at all.
            why_off: Why not; empty for the settings' wish.
            retention: How long predictions are kept; the defaults if None.
            held_since: By model, since when an active rollout needs its predictions.
            outbox: Takes them for the control plane, too, on a replica.
            clock: The time.
        """
        self._stats = stats
        self._is_on = is_on
        self._why_off = why_off or "serving.record_predictions in bondx.yaml"
        self._clock = clock
        self._outbox = outbox
        self._batches = OrderedDict[str, None]()  # of replicas, which send one again until it is acknowledged
        self._writer: PredictionWriter | None = None
        self._reader = PredictionReader(workspace.predictions_file)
        self._failure: str | None = None
        self._retention = retention or PredictionRetention()
        if not is_on:
            return
        try:
            self._writer = PredictionWriter(
                workspace.predictions_file, clock=clock, retention=self._retention, held_since=held_since
            )
        except (CoreError, OSError) as error:
            self._failure = str(error)
            log.error("predictions are not recorded: %s", error)

    def predicted(
        self,
        request_id: str,
        assignment: Assignment,
        seconds: float,
        values: Sequence[Any],
        *,
        error: bool = False,
        slices: Sequence[int] = (),
    ) -> None:
        """Record the answers to one request; row 0 is recorded with it, row i of several as `request_id/i`.

        The request itself is recorded once, however many rows it has: its rows go to one version and are slow or fail
        together, and a judge that counted each row would see one slow batch as a thousand slow answers.

        Args:
            request_id: The request.
            assignment: Its route.
            seconds: How long the answer took.
            values: The answer to each row.
            error: Whether the version failed.
            slices: The levels of the slice columns of each row, if the version or the rollout has slices.
        """
        writer, version = self._writer, assignment.version
        if not self._is_on:
            return
        if writer is None:
            self._stats.n_telemetry_dropped += max(len(values), 1)
            return
        at, latency_ms = self._clock(), seconds * 1000.0
        unit = assignment.unit
        if (
            unit is None and len(values) > 1
        ):  # the rows of one request are one observation, as one caller's requests are
            unit = assignment.place if assignment.rollout_id is not None else request_number(request_id)
        value, detail = _stored(values[0]) if values else (None, None)
        self._add(
            writer,
            PredictionRecord(
                request_id, at, version.model, version.version, latency_ms, error, value,
                assignment.rollout_id, assignment.arm, assignment.share, unit,
                slices[0] if slices else None, version.form, detail,
            ),
        )  # fmt: skip
        for number, answer in enumerate(values[1:], start=1):
            value, detail = _stored(answer)
            self._add(
                writer,
                PredictionRecord(
                    f"{request_id}/{number}", at, version.model, version.version, None, error, value,
                    assignment.rollout_id, assignment.arm, assignment.share, unit,
                    slices[number] if slices else None, version.form, detail,
                ),
            )  # fmt: skip

    def wrote(
        self,
        request_id: str,
        assignment: Assignment,
        seconds: float,
        texts: TextCounts | None,
        *,
        prompt: PromptRecord | None = None,
        error: bool = False,
    ) -> None:
        """Record how a request for texts was answered; the texts themselves are stored nowhere.

        Args:
            request_id: The request.
            assignment: Its route.
            seconds: How long the answer took.
            texts: What came of its documents; None if there are none.
            prompt: What was measured of its prompt; None if nothing was.
            error: Whether the version failed.
        """
        if not self._is_on:
            return
        if self._writer is None:
            self._stats.n_telemetry_dropped += 1
            return
        version = assignment.version
        detail = None if texts is None else texts.packed() + (b"" if prompt is None else prompt.packed())
        self._add(
            self._writer,
            PredictionRecord(
                request_id, self._clock(), version.model, version.version, seconds * 1000.0, error, None,
                assignment.rollout_id, assignment.arm, assignment.share, assignment.unit, None, version.form, detail,
            ),
        )  # fmt: skip

    def _add(self, writer: PredictionWriter, record: PredictionRecord) -> None:
        writer.add(record)
        if self._outbox is not None:
            self._outbox.add(record)

    def take(self, sent: SentRecords, known: Collection[tuple[str, str]]) -> TakenRecords | None:
        """Store what a replica has sent; it has been stored when this returns. A batch that is sent again counts once.

        Args:
            sent: One batch; its minutes are not for this store.
            known: The versions of the workspace; predictions of others are left out.
        Returns:
            What was stored; None if this server has acknowledged the batch before.
        Raises:
            NotRecordedError: This server does not record predictions.
            UnavailableError: They cannot be stored now; the replica sends them again.
        """
        if not self._is_on or self._writer is None:
            raise NotRecordedError(f"This server does not record predictions ({self._failure or self._why_off}).")
        if sent.batch in self._batches:
            return None
        new = [each.record() for each in sent.predictions if (each.model, each.version) in known]
        try:
            if new and any(self._reader.holds(each.request_id) for each in (new[0], new[-1])):
                new = [each for each in new if not self._reader.holds(each.request_id)]
            taken = [self._writer.add(each) for each in new]
            if not all(taken):
                raise TelemetryError("too many predictions are waiting to be stored")
            self._writer.flush()
        except TelemetryError as error:
            raise UnavailableError(
                "Predictions of replicas cannot be stored now; send this batch again later."
            ) from error
        n_outcomes = self._take_outcomes([each.record() for each in sent.outcomes])
        self._batches[sent.batch] = None
        while len(self._batches) > _BATCHES_KNOWN:
            self._batches.popitem(last=False)
        return TakenRecords(n_predictions=len(new), n_outcomes=n_outcomes, n_minutes=0)

    def _take_outcomes(self, outcomes: Sequence[OutcomeRecord]) -> int:
        """Store outcomes that a replica has taken; one that says nothing here does not keep the others back."""
        if not outcomes:
            return 0
        try:
            receipts = [self.report(outcomes)]
        except BadRequestError:
            receipts = []
            for outcome in outcomes:
                with suppress(BadRequestError):
                    receipts.append(self.report([outcome]))
        return sum(receipt.n_matched + receipt.n_unmatched for receipt in receipts)

    def report(self, outcomes: Sequence[OutcomeRecord]) -> OutcomeReceipt:
        """Store outcomes, all or none; they have been stored when this returns.

        Raises:
            BadRequestError: One of them says nothing about its prediction.
            NotRecordedError: This server does not record predictions.
            UnavailableError: The outcomes cannot be stored now; report them again later.
        """
        if not self._is_on:
            raise NotRecordedError(f"This server does not record predictions ({self._why_off}).")
        ids = [outcome.request_id for outcome in outcomes]
        try:
            if self._writer is None:
                raise TelemetryError(self._failure or "the store of predictions is closed")
            self._writer.flush()  # predictions of a moment ago
            answers = self._reader.answers(ids)
            for number, outcome in enumerate(outcomes):
                _check(number, outcome, answers)
            now = self._clock()
            reported = self._reader.reported(ids)
            first: dict[str, OutcomeRecord] = {}
            for outcome in outcomes:
                if outcome.request_id not in reported:
                    first.setdefault(outcome.request_id, outcome)
            taken = [self._writer.add_outcome(outcome._replace(at=now)) for outcome in first.values()]
            if not all(taken):
                raise TelemetryError("too many outcomes are waiting to be stored")
            self._writer.flush()
            if self._outbox is not None:
                for outcome in first.values():
                    self._outbox.add(outcome._replace(at=now))
            n_matched = len(self._reader.answers(first))
        except TelemetryError as error:
            raise UnavailableError("Outcomes cannot be stored now; report these outcomes again later.") from error
        return OutcomeReceipt(n_matched, len(first) - n_matched, len(outcomes) - len(first))

    def health(self) -> PredictionHealth:
        """Return the health of the writer."""
        if self._writer is None:
            return PredictionHealth(0, 0, self._stats.n_telemetry_dropped, self._failure)
        return self._writer.health()

    def refused(self, n: int) -> None:
        """Count outcomes that were refused at the door."""
        self._stats.n_outcomes_refused += n

    def usage(self) -> PredictionUsage | None:
        """Return what the stored predictions cost; None while the store cannot be read."""
        try:
            return self._reader.usage(self._retention, self._clock())
        except TelemetryError:
            return None

    def traffic(
        self, since: datetime, until: datetime, *, by: TrafficGrain, model: str | None
    ) -> list[TrafficSpan] | None:
        """Return the traffic of each version; None while the store cannot be read."""
        try:
            return self._reader.traffic(since, until, by=by, model=model)
        except TelemetryError:
            return None

    def close(self) -> None:
        """Store all queued records, and stop."""
        if self._writer is not None:
            self._writer.close()
        self._reader.close()


def _check(number: int, outcome: OutcomeRecord, answers: Mapping[str, RecordedAnswer]) -> None:
    try:
        check_against(outcome, answers)
    except OutcomeError as error:
        raise BadRequestError(error.problem, field=f"outcomes[{number}].{error.field}") from error


def _stored(answer: Any) -> tuple[float | None, bytes | None]:
    """Split an answer into its number, or the probabilities of its classes."""
    if isinstance(answer, float):
        return answer, None
    return None, pack_probabilities(answer) if isinstance(answer, list) else None
