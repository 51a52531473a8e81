"""A predict method: one dialect over gRPC, answered as over HTTP."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError
from typing_extensions import override

from core.errors import CoreError
from core.serving.dialects import Dialect
from core.serving.dialects.open_inference_tensors import check_rank
from core.serving.errors import CallerFaultError, TooLargeError
from core.serving.predict import INLINE_BYTES, Predictor, PredictReply, Target
from core.serving.rpc.calls import Method, RpcAnswer, RpcCall
from core.serving.rpc.counting import CountedParts, require_few

MOST_CONTROL_BYTES = 4_096
MOST_MORE = 1_000  # parts beyond those of the fields, each of which would be refused by name


class RpcDialect(Dialect):
    """A predict protocol whose requests are messages that name their model."""

    request_schema = {}
    answer_schema = {}
    content_type = b"application/grpc"

    def __init__(self, most_rows: int) -> None:
        """Prepare.

        Args:
            most_rows: How many rows a tensor may have.
        """
        self._most_rows = most_rows

    @abstractmethod
    def target(self, content: bytes) -> Target:
        """Read which model a request is for, and leave the rest to the reader.

        Raises:
            BadRequestError: It names none.
        """

    @override
    def check(self, content: bytes) -> None:
        """Take any bytes: the reader of a message checks each text."""

    @override
    def spelled(self, content: bytes) -> bytes | None:
        return None


def predict_method(predictor: Predictor, dialect: RpcDialect) -> Method:
    """Return the method that answers the predict requests of a dialect."""

    def at_once(call: RpcCall, content: bytes) -> RpcAnswer | None:
        if len(content) > INLINE_BYTES:
            return None
        try:
            target = dialect.target(content)
        except CoreError:  # met again, and told
            return None
        reply = predictor.try_inline(target, call.headers, call.client, content)
        return None if reply is None else _answer(reply)

    async def slowly(call: RpcCall, content: bytes) -> RpcAnswer:
        caller = await predictor.admit(call.headers, call.client)
        target = dialect.target(content)
        return _answer(await predictor.reply(target, call.headers, caller, content, call.request_id))

    return Method(at_once, slowly, dialect)


def message_of(kind: Any, content: bytes, *, parts: CountedParts | None = None) -> Any:
    """Decode a message.

    Args:
        kind: Its class.
        content: Its bytes.
        parts: What is counted first in a message that is large enough to hold a flood of it.
    Raises:
        CallerFaultError: The bytes are not one, or hold too many parts.
    """
    if parts is not None and len(content) > INLINE_BYTES:
        require_few(content, parts)
    try:
        return kind.FromString(content)
    except DecodeError:
        raise CallerFaultError(f"The request's {len(content)} bytes are not a whole message of this method.") from None


def small_message_of(kind: Any, content: bytes) -> Any:
    """Decode the message of a method that is answered on the event loop: it names something, and no more.

    Raises:
        CallerFaultError: The bytes are not one.
        TooLargeError: They are far more than names take.
    """
    if len(content) > MOST_CONTROL_BYTES:
        problem = f"The request has {len(content):,} bytes; this method reads at most {MOST_CONTROL_BYTES:,}."
        raise TooLargeError(problem)
    return message_of(kind, content)


def check_size(name: str, sizes: Sequence[int], n_values: int, most_rows: int) -> None:
    """Refuse a huge tensor by its sizes, before any of its values is read: eight megabytes can hold millions.

    Args:
        name: Of the tensor.
        sizes: Its shape, of which the first is the number of rows.
        n_values: How many values it holds, beside bytes.
        most_rows: The limit of the server.
    Raises:
        ServingError: It has too many sizes, too many rows, or more values than its shape says.
    """
    check_rank(name, len(sizes))
    if sizes and sizes[0] > most_rows:
        raise TooLargeError(f"The request has {sizes[0]:,} rows; this server accepts at most {most_rows:,}.")
    if n_values > max(most_rows, n := math.prod(sizes)):
        raise CallerFaultError(f"has {n_values} values; its shape {list(sizes)} says {n}", field=name)


def _answer(reply: PredictReply) -> RpcAnswer:
    model, version = (reply.speech.headers[at][1].decode() for at in (1, 2))
    fields = (("x-request-id", reply.request_id), ("x-bondx-model", model), ("x-bondx-version", version))
    return RpcAnswer(reply.body, fields)
