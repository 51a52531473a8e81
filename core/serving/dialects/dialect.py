"""What a predict dialect is: a way to read rows out of a request, and to write answers and refusals."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from core.errors import CoreError
from core.serving.errors import status_of
from core.serving.signature import Rows, Signature


class Asked(NamedTuple):
    """One request, read."""

    rows: Rows
    request_id: str | None = None  # as the caller calls it
    form: Any = None  # what the dialect needs to answer in kind


class Answered(NamedTuple):
    """What a request is answered with."""

    model: str
    version: str
    request_id: str
    output: str  # name of what is predicted
    values: list[Any]


Reader = Callable[[bytes], Asked]


class Dialect(ABC):
    """One way to ask for predictions over HTTP."""

    name: str

    @abstractmethod
    def reader(self, signature: Signature) -> Reader:
        """Prepare to read requests to a model of this signature.

        The reader raises `BadRequestError` for whatever is wrong with a request, and names the field.
        """

    @abstractmethod
    def reply(self, asked: Asked, answered: Answered) -> bytes:
        """Write the answer."""


def refusal(error: CoreError) -> bytes:
    """Write down why a request is not answered; `error` is where all three dialects' clients look for it."""
    content: dict[str, object] = {"error": str(error), "status": status_of(error)}
    if (field := getattr(error, "field", None)) is not None:
        content["field"] = field
    return orjson.dumps(content)
