"""Outcomes of predictions, reported by request id."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from core.clock import utc_now
from core.serving.control.admission import LOOK, REPORT, Given
from core.serving.control.instants import checked_instants
from core.serving.errors import BadRequestError, UnavailableError
from core.serving.limits import ServingLimits
from core.serving.recording import PredictionRecorder
from core.settings.serving import MOST_ROWS
from core.telemetry.predictions import (
    OutcomeError,
    OutcomeRecord,
    PredictionUsage,
    TrafficGrain,
    TrafficSpan,
    checked_outcome,
    traffic_period,
)

MAX_OUTCOMES = 10_000


class ReportedOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outcome: the actual value, or the loss if the caller has computed it."""

    request_id: Annotated[str, Meta(min_length=1, max_length=160)]
    row: Annotated[int, Meta(ge=0, lt=MOST_ROWS)] | None = (
        None  # row index in a request of several rows; 0 for a single row
    )
    actual: float | str | bool | None = None  # a number, or a class by its name or number
    loss: float | None = None  # computed by the caller; `actual` is then not compared


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch of outcomes."""

    outcomes: Annotated[list[ReportedOutcome], Meta(min_length=1, max_length=MAX_OUTCOMES)]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the outcomes; the first report of a request counts."""

    n_accepted: int  # without repeated ones
    n_matched: int  # outcomes whose prediction is stored
    n_unmatched: int  # outcomes that wait for their prediction (telemetry.predictions.unmatched_hours)
    n_repeated: int  # outcomes whose request has an outcome already, which counts


class PredictionRoutes(Controller):
    """The store of predictions."""

    path = "/predictions"
    tags = ["predictions"]

    @get("/usage", opt=LOOK, sync_to_thread=True)
    def usage(self, recorder: Given[PredictionRecorder]) -> PredictionUsage:
        """Return how many predictions are stored, how long they are kept, and what that takes on the disk."""
        usage = recorder.usage()
        if usage is None:
            raise UnavailableError("The store of predictions cannot be read now.")
        return usage

    @get("/traffic", opt=LOOK, sync_to_thread=True)
    def traffic(
        self,
        recorder: Given[PredictionRecorder],
        by: Annotated[TrafficGrain, QueryParameter(description="The length of a span.")] = TrafficGrain.HOUR,
        model: Annotated[str | None, QueryParameter(description="Return only this model.")] = None,
        since: Annotated[
            datetime | None,
            QueryParameter(description="Default: 24 hours before the end, of minutes one hour before it."),
        ] = None,
        until: Annotated[datetime | None, QueryParameter(description="Default: now.")] = None,
    ) -> list[TrafficSpan]:
        """Return requests, failures and latencies of each version by the minute or the hour, by time."""
        ends = checked_instants(since=since, until=until)
        begin, end = traffic_period(ends["since"], ends["until"], by, utc_now())
        found = recorder.traffic(begin, end, by=by, model=model)
        if found is None:
            raise UnavailableError("The store of predictions cannot be read now.")
        return found


class OutcomeRoutes(Controller):
    """Outcomes."""

    path = "/outcomes"
    tags = ["predictions"]

    @post("/", opt=REPORT, status_code=202, sync_to_thread=True)
    def report(
        self, recorder: Given[PredictionRecorder], limits: Given[ServingLimits], data: JSONBody[Report]
    ) -> Accepted:
        """Store outcomes; rollout judges and monitors join them to their predictions."""
        try:
            records = [_checked(number, outcome, limits.outcome_limit) for number, outcome in enumerate(data.outcomes)]
            receipt = recorder.report(records)
        except BadRequestError:
            recorder.refused(len(data.outcomes))
            raise
        return Accepted(
            n_accepted=receipt.n_matched + receipt.n_unmatched,
            n_matched=receipt.n_matched,
            n_unmatched=receipt.n_unmatched,
            n_repeated=receipt.n_repeated,
        )


def _checked(number: int, outcome: ReportedOutcome, limit: float) -> OutcomeRecord:
    request_id = f"{outcome.request_id}/{outcome.row}" if outcome.row else outcome.request_id
    try:
        return checked_outcome(request_id, utc_now(), actual=outcome.actual, loss=outcome.loss, limit=limit)
    except OutcomeError as error:
        field = f"outcomes[{number}]" + (f".{error.field}" if error.field else "")
        raise BadRequestError(error.problem, field=field) from error
