"""What a predict dialect is: its paths, how it reads rows and writes answers and refusals, and how it describes itself.

A dialect owns all of that. `core/serving/dialects/__init__.py` lists the dialects; the front door, the OpenAPI
document and the metrics follow that list.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import orjson

from core.errors import CoreError
from core.models.scoring.fields import Rows
from core.serving.dialects.schemas import Schema
from core.serving.errors import status_of
from core.serving.signature import ServingSignature

Reply: TypeAlias = tuple[int, Any]
"""An HTTP status, and what is written as JSON."""


class ReadRequest(NamedTuple):
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


Reader = Callable[[bytes], ReadRequest]


class OfferedVersion(Protocol):
    """What a dialect may tell of a loaded version."""

    version: str
    signature: ServingSignature


class OfferedModel(Protocol):
    """What a dialect may tell of a served model."""

    @property
    def model(self) -> str:
        """Its name."""

    @property
    def versions(self) -> Mapping[str, OfferedVersion]:
        """The loaded versions by number."""

    @property
    def failures(self) -> Mapping[str, str]:
        """By number, why a version could not be loaded."""

    @property
    def default(self) -> OfferedVersion | None:
        """The version that answers where none is named."""

    def answering(self) -> OfferedVersion:
        """Return the default version; raises UnavailableError with the reason where there is none."""


class ModelPath(NamedTuple):
    """A path on which a dialect describes a model, or one version of it."""

    path: str  # `{which}` stands for the model, a version of it, or a label
    summary: str
    describe: Callable[[OfferedModel, str | None], Reply]


class ServerPath(NamedTuple):
    """A path on which a dialect describes the server; without a description of its own it answers as another path."""

    path: str
    summary: str
    describe: Callable[[], dict[str, Any]] | None = None
    same_as: str = ""


class Dialect(ABC):
    """One way to ask for predictions over HTTP. Adding one is a module with such a class, and an entry in the list."""

    name: ClassVar[str]  # the label of its metrics
    title: ClassVar[str]  # for people, and for the OpenAPI document
    predict_path: ClassVar[str]  # of POST requests; `{which}` stands for the model, a version of it, or a label
    request_schema: ClassVar[Schema]
    answer_schema: ClassVar[Schema]
    content_type: ClassVar[bytes] = b"application/json"  # of requests, answers and refusals
    model_paths: ClassVar[tuple[ModelPath, ...]] = ()
    server_paths: ClassVar[tuple[ServerPath, ...]] = ()

    @abstractmethod
    def reader(self, signature: ServingSignature) -> Reader:
        """Prepare to read requests to a model of this signature.

        The reader raises `BadRequestError` for whatever is wrong with a request, and names the field.
        """

    @abstractmethod
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        """Write the answer."""

    def refusal(self, error: CoreError) -> bytes:
        """Write down why a request is not answered."""
        return refusal(error)


def refusal(error: CoreError) -> bytes:
    """Write a refusal as JSON; `error` is where the clients of all three protocols look for the sentence."""
    content: dict[str, object] = {"error": str(error), "status": status_of(error)}
    if (field := getattr(error, "field", None)) is not None:
        content["field"] = field
    return orjson.dumps(content)


def not_loaded(served: OfferedModel, version: str | None) -> Reply:
    """Say that a version is registered, but not loaded."""
    sentence = f"{served.model} {version} is registered, but not loaded; a prediction by it loads it."
    return 503, {"error": sentence, "status": 503}


def loaded(served: OfferedModel, version: str | None) -> OfferedVersion | None:
    """Return the version that is meant, if it is loaded.

    Raises:
        UnavailableError: The default is meant, and there is none.
    """
    return served.answering() if version is None else served.versions.get(version)
