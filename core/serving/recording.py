"""Predictions and outcomes on their way to telemetry: queued without waiting, dropped and counted under overload."""

import logging
import math
from collections.abc import Sequence
from typing import Any

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.serving.errors import NotRecordedError, UnavailableError
from core.serving.stats import ServerStats
from core.serving.table import Assignment
from core.state import Workspace
from core.telemetry import TelemetryError
from core.telemetry.predictions import OutcomeRecord, PredictionHealth, PredictionRecord, PredictionWriter

log = logging.getLogger(__name__)


class PredictionRecorder:
    """Records one server's predictions in the store; an unusable store never blocks an answer."""

    def __init__(self, workspace: Workspace, stats: ServerStats, *, is_on: bool = True, clock: Clock = utc_now) -> None:
        """Open the store.

        Args:
            workspace: The workspace with the store.
            stats: Counts dropped records.
            is_on: Whether to record at all.
            clock: The time.
        """
        self._stats = stats
        self._is_on = is_on
        self._clock = clock
        self._writer: PredictionWriter | None = None
        self._failure: str | None = None
        if not is_on:
            return
        try:
            self._writer = PredictionWriter(workspace.predictions_file, clock=clock)
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
            slices: The levels of the slice columns of each row, if the rollout has slices.
        """
        writer, version = self._writer, assignment.version
        if not self._is_on:
            return
        if writer is None:
            self._stats.n_telemetry_dropped += max(len(values), 1)
            return
        at, latency_ms = self._clock(), seconds * 1000.0
        value = values[0] if values and isinstance(values[0], float) else None
        writer.add(
            PredictionRecord(
                request_id, at, version.model, version.version, latency_ms, error, value,
                assignment.rollout_id, assignment.arm, assignment.share, assignment.unit,
                slices[0] if slices else None,
            )
        )  # fmt: skip
        for number, value in enumerate(values[1:], start=1):
            writer.add(
                PredictionRecord(
                    f"{request_id}/{number}", at, version.model, version.version, None, error,
                    value if isinstance(value, float) else None,
                    assignment.rollout_id, assignment.arm, assignment.share, assignment.unit,
                    slices[number] if slices else None,
                )
            )  # fmt: skip

    def turned_out(self, request_id: str, *, actual: float | None, loss: float | None) -> None:
        """Record the outcome of one prediction.

        Raises:
            NotRecordedError: This server does not record predictions.
            UnavailableError: The outcome cannot be stored now; report it again later.
        """
        if not self._is_on:
            raise NotRecordedError(
                "This server does not record predictions (serving.record_predictions in bondx.yaml)."
            )
        outcome = OutcomeRecord(request_id, self._clock(), _finite(actual), _finite(loss))
        if self._writer is None or not self._writer.add_outcome(outcome):
            raise UnavailableError("Outcomes cannot be stored now; report this outcome and all later ones again.")

    def health(self) -> PredictionHealth:
        """Return the health of the writer."""
        if self._writer is None:
            return PredictionHealth(0, 0, self._stats.n_telemetry_dropped, self._failure)
        return self._writer.health()

    def store(self) -> None:
        """Wait until all accepted outcomes are stored.

        Raises:
            UnavailableError: Storing did not finish in time; report the outcomes again.
        """
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except TelemetryError as error:
            raise UnavailableError("Outcomes cannot be stored now; report these outcomes again later.") from error

    def close(self) -> None:
        """Store all queued records, and stop."""
        if self._writer is not None:
            self._writer.close()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
