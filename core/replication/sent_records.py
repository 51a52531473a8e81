"""What a replica sends back: predictions, outcomes and counts of served rows, as its own stores have them."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from core.losses import AnswerForm, AnswerKind
from core.telemetry.live import CountedMinute
from core.telemetry.predictions import Arm, OutcomeRecord, PredictionRecord

MOST_SENT = 2_000
_Id = Annotated[str, Meta(min_length=1, max_length=200)]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Int64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Detail = Annotated[bytes, Meta(max_length=1 << 16)]


class SentPrediction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A prediction of a replica."""

    request_id: _Id
    at: Annotated[datetime, Meta(tz=True)]
    model: _Name
    version: _Name
    latency_ms: float | None = None
    error: bool = False
    value: float | None = None
    rollout_id: str | None = None
    arm: Arm = Arm.STABLE
    share: float = 0.0
    unit: _Int64 | None = None
    slices: _Int64 | None = None
    kind: AnswerKind = AnswerKind.UNKNOWN
    classes: tuple[str, ...] = ()
    detail: _Detail | None = None

    @classmethod
    def of(cls, record: PredictionRecord) -> "SentPrediction":
        """Return a prediction as it is sent."""
        fields = record._asdict()
        form: AnswerForm = fields.pop("form")
        return cls(**fields, kind=form.kind, classes=form.classes)

    def record(self) -> PredictionRecord:
        """Return it as stores take it."""
        fields = msgspec.structs.asdict(self)
        form = AnswerForm(fields.pop("kind"), fields.pop("classes"))
        return PredictionRecord(**fields, form=form)


class SentOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An outcome that was reported to a replica, and checked there."""

    request_id: _Id
    at: Annotated[datetime, Meta(tz=True)]
    actual: float | None = None
    loss: float | None = None
    name: str | None = None

    @classmethod
    def of(cls, record: OutcomeRecord) -> "SentOutcome":
        """Return an outcome as it is sent."""
        return cls(**record._asdict())

    def record(self) -> OutcomeRecord:
        """Return it as stores take it."""
        return OutcomeRecord(**msgspec.structs.asdict(self))


class SentMinute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rows of one version that a process of a replica counted within a minute."""

    model: _Name
    version: _Name
    profile: Annotated[str, Meta(max_length=200)]
    at: Annotated[int, Meta(ge=0, lt=1 << 40)]
    n: Annotated[int, Meta(ge=0, lt=1 << 50)]
    n_dropped: Annotated[int, Meta(ge=0, lt=1 << 50)]
    sketch: Annotated[bytes, Meta(max_length=1 << 22)]

    @classmethod
    def of(cls, record: CountedMinute) -> "SentMinute":
        """Return a minute as it is sent."""
        return cls(**record._asdict())

    def record(self) -> CountedMinute:
        """Return it as stores take it."""
        return CountedMinute(**msgspec.structs.asdict(self))


class SentRecords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One batch, which is sent again until it is acknowledged."""

    batch: Annotated[str, Meta(min_length=1, max_length=100)]
    predictions: Annotated[list[SentPrediction], Meta(max_length=MOST_SENT)] = []
    outcomes: Annotated[list[SentOutcome], Meta(max_length=MOST_SENT)] = []
    minutes: Annotated[list[SentMinute], Meta(max_length=MOST_SENT)] = []


class TakenRecords(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch."""

    n_predictions: int  # stored now; those that were stored already, or are of no version of the workspace, are not
    n_outcomes: int
    n_minutes: int
