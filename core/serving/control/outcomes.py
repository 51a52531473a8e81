"""Outcomes of predictions, reported by request id."""

from typing import Annotated

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import Meta

from core.serving.control.admission import REPORT, Given
from core.serving.errors import BadRequestError
from core.serving.recording import PredictionRecorder

MAX_OUTCOMES = 10_000


class ReportedOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outcome: the actual value, or the loss if the caller has computed it."""

    request_id: Annotated[str, Meta(min_length=1, max_length=160)]
    row: Annotated[int, Meta(ge=0)] | None = None  # row index in a request of several rows; 0 for a single row
    actual: float | None = None
    loss: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch of outcomes."""

    outcomes: Annotated[list[ReportedOutcome], Meta(min_length=1, max_length=MAX_OUTCOMES)]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The number of outcomes accepted; the first report of a request counts."""

    n_accepted: int


class OutcomeRoutes(Controller):
    """Outcomes."""

    path = "/outcomes"
    tags = ["predictions"]

    @post("/", opt=REPORT, status_code=202, sync_to_thread=True)
    def report(self, recorder: Given[PredictionRecorder], data: JSONBody[Report]) -> Accepted:
        """Store outcomes; rollout judges and monitors join them to their predictions."""
        for number, outcome in enumerate(data.outcomes):
            if outcome.actual is None and outcome.loss is None:
                raise BadRequestError("requires `actual` or `loss`", field=f"outcomes[{number}]")
        for outcome in data.outcomes:
            request_id = f"{outcome.request_id}/{outcome.row}" if outcome.row else outcome.request_id
            recorder.turned_out(request_id, actual=outcome.actual, loss=outcome.loss)
        recorder.store()  # accepted outcomes survive the server
        return Accepted(n_accepted=len(data.outcomes))
