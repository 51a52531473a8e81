"""What the client answers with, the same in every dialect."""

from typing import Any, NamedTuple

import msgspec

from core.client.errors import RejectedError


class Which(NamedTuple):
    """A model, and perhaps a version or a label of it."""

    model: str
    version: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.model, self.version, self.label and f"@{self.label}") if part)


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one request."""

    model: str
    values: list[Any]  # one a row, of the first output
    version: str | None = None  # that answered, where the server says
    request_id: str | None = None  # what outcomes are reported by
    outputs: dict[str, list[Any]] = {}  # every output by name, where the dialect names them

    @property
    def value(self) -> Any:
        """The only value, of a request of one row.

        Raises:
            RejectedError: The request had several rows.
        """
        if len(self.values) != 1:
            raise RejectedError(f"The request had {len(self.values)} rows: read `values`.")
        return self.values[0]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a server, or a model of it, is."""

    live: bool  # it answers
    ready: bool  # it can predict
    reasons: tuple[str, ...] = ()  # why it is not ready


class TensorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One input or output."""

    name: str
    type: str  # as the dialect spells it: FP64, DT_DOUBLE
    shape: tuple[int, ...] = ()  # -1 where any size goes


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a model reads and answers with."""

    model: str
    versions: tuple[str, ...] = ()
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()


class VersionState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version stands on the server."""

    version: str
    state: str  # START, LOADING, AVAILABLE, UNLOADING or END
    message: str = ""

    @property
    def is_available(self) -> bool:
        """Whether it answers requests."""
        return self.state == "AVAILABLE"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What turned out to be true of a prediction."""

    request_id: str
    row: int | None = None  # of a request of several rows, from 0
    actual: float | None = None
    loss: float | None = None
