"""The answers of the client, the same in every dialect."""

from typing import Any, NamedTuple

import msgspec

from core.client.errors import RejectedError


class Which(NamedTuple):
    """A model, and optionally a version or label."""

    model: str
    version: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.model, self.version, self.label and f"@{self.label}") if part)


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one request."""

    model: str
    values: list[Any]  # one value for each row, from the first output
    version: str | None = None  # the version that answered, if the server reports it
    request_id: str | None = None  # outcomes are reported under this id
    outputs: dict[str, list[Any]] = {}  # every output by name, if the dialect names outputs
    left_out: tuple[str, ...] = ()  # given fields that the model does not read, and that were not sent
    classes: tuple[str, ...] = ()  # the names of three or more classes, in the order of their probabilities

    @property
    def value(self) -> Any:
        """The only value of a request with one row.

        Raises:
            RejectedError: The request had several rows.
        """
        if len(self.values) != 1:
            raise RejectedError(f"The request had {len(self.values)} rows: read `values`.")
        return self.values[0]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The health of a server or of one of its models."""

    live: bool  # it answers
    ready: bool  # it can predict
    reasons: tuple[str, ...] = ()  # why it is not ready


class TensorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One input or output."""

    name: str
    type: str  # in the dialect's spelling: FP64, DT_DOUBLE
    shape: tuple[int, ...] = ()  # -1 for any size


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs and outputs of a model."""

    model: str
    versions: tuple[str, ...] = ()
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()


class VersionState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a version on the server."""

    version: str
    state: str  # START, LOADING, AVAILABLE, UNLOADING or END
    message: str = ""

    @property
    def is_available(self) -> bool:
        """Whether it answers requests."""
        return self.state == "AVAILABLE"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of a prediction."""

    request_id: str
    row: int | None = None  # row index in a request of several rows, from 0
    actual: float | str | bool | None = None  # a number, or a class by its name or number
    loss: float | None = None  # computed by you; `actual` is then not compared


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What the server did with reported outcomes."""

    n_accepted: int
    n_matched: int | None = None  # outcomes whose prediction is stored; None: the server does not say
    n_unmatched: int | None = None  # outcomes that wait for their prediction
    n_repeated: int | None = None  # outcomes of predictions that have one already; they are not accepted
