"""Predictions and outcomes on their way to telemetry: handed over without waiting, dropped and counted if need be."""

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
    """The way of one server's predictions to the store; a store that cannot be opened stops no answer."""

    def __init__(self, workspace: Workspace, stats: ServerStats, *, is_on: bool = True, clock: Clock = utc_now) -> None:
        """Open the way.

        Args:
            workspace: Whose store.
            stats: Where what is dropped is counted.
            is_on: Whether anything is to be recorded at all.
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
    ) -> None:
        """Take the answers to one request; row 0 is recorded with it, row i of several as `request_id/i`.

        The request itself is recorded once, however many rows it has: they come to one version and fail or take long
        together, and a judge that counted each of them would take one slow batch for a thousand slow answers.
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
            )
        )  # fmt: skip
        for number, value in enumerate(values[1:], start=1):
            writer.add(
                PredictionRecord(
                    f"{request_id}/{number}", at, version.model, version.version, None, error,
                    value if isinstance(value, float) else None,
                    assignment.rollout_id, assignment.arm, assignment.share, assignment.unit,
                )
            )  # fmt: skip

    def turned_out(self, request_id: str, *, actual: float | None, loss: float | None) -> None:
        """Take what turned out to be true of one prediction.

        Raises:
            NotRecordedError: This server records nothing that it could belong to.
            UnavailableError: It cannot be taken just now; report it again later.
        """
        if not self._is_on:
            raise NotRecordedError("Predictions are not recorded here (serving.record_predictions in bondx.yaml).")
        outcome = OutcomeRecord(request_id, self._clock(), _finite(actual), _finite(loss))
        if self._writer is None or not self._writer.add_outcome(outcome):
            raise UnavailableError(
                "Outcomes cannot be stored just now; report this one and those after it again later."
            )

    def health(self) -> PredictionHealth:
        """Tell how the writing goes."""
        if self._writer is None:
            return PredictionHealth(0, 0, self._stats.n_telemetry_dropped, self._failure)
        return self._writer.health()

    def store(self) -> None:
        """Wait until the outcomes that were taken are stored.

        Raises:
            UnavailableError: They could not be in time; report them again.
        """
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except TelemetryError as error:
            raise UnavailableError("Outcomes cannot be stored just now; report these again later.") from error

    def close(self) -> None:
        """Store what waits, and end."""
        if self._writer is not None:
            self._writer.close()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
