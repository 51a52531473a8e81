"""Parameters of Open Inference requests: of the request itself, of its inputs and of its outputs.

A parameter is a flag, a whole number or a text in the protocol's messages. Clients that have no other place for 0.9
send the text "0.9", and a proxy hands it on as JSON, so numbers and flags are read from texts, too.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto,
    InferParameter
"""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import msgspec

from core.escape import shown
from core.json_documents import converted
from core.serving.errors import CallerFaultError

T = TypeVar("T", bound=msgspec.Struct)

PARAMETERS = "parameters"
"""Their place in a request, in an input and in an output."""

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def read_parameters(given: Mapping[str, Any], kind: type[T], place: str) -> T:
    """Read the parameters that are fields of a struct; all others are ignored.

    Args:
        given: The parameters by name.
        kind: The struct.
        place: Of the parameters in the request.
    Raises:
        CallerFaultError: A parameter has a value of another kind.

    >>> class Asked(msgspec.Struct):
    ...     interval: float | None = None
    >>> read_parameters({"interval": "0.9", "other": "x"}, Asked, "parameters")
    Asked(interval=0.9)
    """
    kinds = kind.__annotations__
    known = {name: _converted(given[name], kinds[name], f"{place}.{name}") for name in kinds if name in given}
    return kind(**known)


def _converted(value: Any, kind: Any, field: str) -> Any:
    try:
        return converted(value, kind, strict=False)
    except msgspec.ValidationError:
        expected = next(words for known, words in _WORDS.items() if known in (get_args(kind) or (kind,)))
        raise CallerFaultError(f"is {shown(value)}; it must be {expected}", field=field) from None
