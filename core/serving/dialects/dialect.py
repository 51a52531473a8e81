"""The interface of a predict dialect: its paths, parsing of rows, answers, refusals and descriptions.

A dialect owns all of these. `core/serving/dialects/__init__.py` lists the dialects; routes, the OpenAPI document and
the metrics follow that list.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import orjson

from core.errors import CoreError
from core.explain.conformal import Conformal
from core.models.scoring.fields import Rows
from core.serving.decoding import check_utf8, reading, spelled_as_json
from core.serving.dialects.schemas import FAULT, Schema
from core.serving.errors import NotJsonError, status_of
from core.serving.signature import ServingSignature

Reply: TypeAlias = tuple[int, Any]
"""An HTTP status and a JSON body."""


class ReadRequest(NamedTuple):
    """One parsed request."""

    rows: Rows
    request_id: str | None = None  # the caller's id
    form: Any = None  # details that the dialect needs for its answer


class Answered(NamedTuple):
    """The answer to a request."""

    model: str
    version: str
    request_id: str
    signature: ServingSignature
    values: list[Any]
    conformal: Conformal | None = None


Reader = Callable[[bytes], ReadRequest]


class State(Enum):
    """How far a registered version is from answering."""

    RESTING = "registered, not loaded; a predict request with a token loads it"
    LOADING = "it is still being loaded"
    LOADED = ""
    FAILED = "it cannot be loaded"


class OfferedVersion(Protocol):
    """The public facts about a loaded version."""

    version: str
    signature: ServingSignature


class OfferedModel(Protocol):
    """The public facts about a served model."""

    @property
    def model(self) -> str:
        """The name of the model."""

    @property
    def registered(self) -> Mapping[str, Any]:
        """Every registered version."""

    @property
    def versions(self) -> Mapping[str, OfferedVersion]:
        """The loaded versions by number."""

    @property
    def failures(self) -> Mapping[str, str]:
        """The reasons why versions could not be loaded, by number."""

    @property
    def default(self) -> OfferedVersion | None:
        """The version that answers by default."""

    def state(self, version: str) -> State:
        """Say how far a registered version is from answering."""

    def answering(self) -> OfferedVersion:
        """Return the default version; raises UnavailableError with the reason if there is none."""

    def why_not_ready(self, version: str | None = None) -> str | None:
        """Say why the model, or one version of it, does not answer; None if it does."""


class ModelPath(NamedTuple):
    """A path on which a dialect describes a model, or one version of it."""

    path: str  # `{which}` stands for the model, a version of it, or a label
    summary: str
    describe: Callable[[OfferedModel, str | None], Reply]
    method: str = "GET"


class ListPath(NamedTuple):
    """A path on which a dialect lists the models."""

    path: str
    summary: str
    describe: Callable[[Mapping[str, OfferedModel], bytes], Reply]  # of the models by name and the request's body
    answer_schema: Schema
    request_schema: Schema | None = None  # of a POST request
    method: str = "GET"


class ServerPath(NamedTuple):
    """A path on which a dialect describes the server; without its own description it answers like another path."""

    path: str
    summary: str
    describe: Callable[[], dict[str, Any]] | None = None
    same_as: str = ""


class Dialect(ABC):
    """One predict protocol over HTTP. A new dialect is a module with such a class, and an entry in the list."""

    name: ClassVar[str]  # the label of its metrics
    title: ClassVar[str]  # for people, and for the OpenAPI document
    predict_path: ClassVar[str]  # of POST requests; `{which}` stands for the model, a version of it, or a label
    only_path: ClassVar[str] = ""  # of POST requests that name no model, where the protocol has one model
    request_schema: ClassVar[Schema]
    answer_schema: ClassVar[Schema]
    refusal_schema: ClassVar[Schema] = FAULT
    id_field: ClassVar[str] = "id"  # of a request: the caller's id, where the dialect has one
    content_type: ClassVar[bytes] = b"application/json"  # of requests, answers and refusals
    model_paths: ClassVar[tuple[ModelPath, ...]] = ()
    list_paths: ClassVar[tuple[ListPath, ...]] = ()
    server_paths: ClassVar[tuple[ServerPath, ...]] = ()

    def framed(self, headers: Mapping[bytes, bytes], content: bytes) -> bytes:
        """Prepare the body of a request by its headers, for a dialect whose bodies have parts.

        Raises:
            BadRequestError: The headers do not fit the body.
        """
        return content

    @abstractmethod
    def reader(self, signature: ServingSignature) -> Reader:
        """Return a parser of requests to a model with this signature.

        The parser raises `BadRequestError` for an invalid request, and names the field.
        """

    @abstractmethod
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        """Encode the answer; a `FramedBody` has bytes of tensors after its JSON object."""

    def require(self, asked: ReadRequest, conformal: Conformal | None) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse, before anything is scored, what a version cannot answer beside its predictions; by default nothing.

        Args:
            asked: The request.
            conformal: The intervals of the version.
        Raises:
            BadRequestError: The field, and why.
        """

    def check(self, content: bytes) -> None:
        """Refuse a body that no version could read; by default, a body that is not UTF-8.

        Raises:
            CallerFaultError: What is wrong, and where.
        """
        check_utf8(content)

    def spelled(self, content: bytes) -> bytes | None:
        """Spell NaN and Infinity in a body that is otherwise JSON; None if it has none."""
        return spelled_as_json(content)

    def read_with(self, read: Reader, content: bytes) -> ReadRequest:
        """Read a body with a reader of this dialect; every failure of the reader is the body's fault."""
        self.check(content)
        if (spelled := self.spelled(content)) is None:
            return reading(read, content)
        try:
            return reading(read, spelled)
        except NotJsonError as error:
            raise NotJsonError(f"{str(error).rstrip('.')}, where each NaN counts as null.") from None

    def refusal(self, error: CoreError) -> bytes:
        """Encode a refusal."""
        return refusal(error)


def refusal(error: CoreError) -> bytes:
    """Encode a refusal as JSON; the clients of these protocols look for the message under `error`."""
    content: dict[str, object] = {"error": str(error), "status": status_of(error)}
    if (field := getattr(error, "field", None)) is not None:
        content["field"] = field
    return orjson.dumps(content)


def not_loaded(served: OfferedModel, version: str | None) -> Reply:
    """Report that a version is registered, but not loaded."""
    sentence = f"{served.model} {version} is registered, but not loaded; a predict request to it loads it."
    return 503, {"error": sentence, "status": 503}


def loaded(served: OfferedModel, version: str | None) -> OfferedVersion | None:
    """Return the requested version, if it is loaded.

    Raises:
        UnavailableError: The default version is requested, and there is none.
    """
    return served.answering() if version is None else served.versions.get(version)
