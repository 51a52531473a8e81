"""JSON as our state files spell it: what cannot be read back exactly as it was meant is refused."""

import math
from typing import Any, TypeAlias

import orjson

from core.state.errors import UnstorableValueError

# A document by its number, and a table by its name: the layout of every TinyDB file.
StoredTable: TypeAlias = dict[str, dict[str, Any]]
Tables: TypeAlias = dict[str, StoredTable]


class Speller:
    """Spells the tables of one file, each document once: what is the same object as the last time is the same text.

    A registry of a thousand versions is 1.7 MB, of which one promotion changes three documents.
    """

    def __init__(self) -> None:
        self._spelled: dict[int, tuple[dict[str, Any], orjson.Fragment]] = {}
        """By the identity of a document, which is kept so that no other can have it."""

    def encode(self, tables: Tables) -> bytes:
        """Spell tables whose documents `plain` has let pass.

        On its own orjson is too obliging: it turns NaN into null, and enums into their values, without a word.

        Args:
            tables: Documents are exchanged and never changed between two calls.

        Raises:
            UnstorableValueError: They are nested deeper than orjson goes.
        """
        known, spelled = self._spelled, {}
        try:
            for table in tables.values():
                for document in table.values():
                    identity = id(document)
                    spelled[identity] = known.get(identity) or (document, orjson.Fragment(orjson.dumps(document)))
            fragments = {
                name: {doc_id: spelled[id(document)][1] for doc_id, document in table.items()}
                for name, table in tables.items()
            }
            encoded = orjson.dumps(fragments, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError as error:
            raise UnstorableValueError("The state", f"cannot be spelled as JSON ({error})") from error
        self._spelled = spelled
        return encoded


def decode(encoded: bytes) -> Tables:
    """Read the bytes of a state file.

    Raises:
        ValueError: With the damage in words, should they not be a whole TinyDB file.
    """
    if not encoded:
        raise ValueError("it is empty")
    if not encoded.strip(b"\0"):
        raise ValueError(f"it holds nothing but {len(encoded):,} zero bytes")
    try:
        tables = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not whole JSON ({error}; {len(encoded):,} bytes)") from error
    if not isinstance(tables, dict):
        raise ValueError(f"it holds a JSON {type(tables).__name__}, where an object of tables belongs")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"its table {name!r} is not an object of documents")
        for doc_id, document in table.items():
            if not (doc_id.isascii() and doc_id.isdigit() and isinstance(document, dict)):
                raise ValueError(f"its table {name!r} holds {doc_id!r}, which is not a numbered document")
    return tables


def plain(value: Any, where: str) -> Any:
    """Copy a value into the types JSON has, refusing what would be stored as something else.

    Args:
        value: Dicts with text keys, lists, tuples, text, numbers, booleans and None, nested at will.
        where: The name of the value, to which the place of what is refused is added.

    Returns:
        A deep copy, with lists for tuples and plain text for text enums. It shares nothing that can change.

    Raises:
        UnstorableValueError: Something in it is not finite, not of such a type, or too large for a JSON reader.

    >>> plain({"metrics": {"r2": 0.5}, "gates": ("a", "b")}, "versions spread/1.0.0")
    {'metrics': {'r2': 0.5}, 'gates': ['a', 'b']}
    >>> plain({"metrics": {"r2": float("nan")}}, "versions spread/1.0.0")
    Traceback (most recent call last):
        ...
    core.state.errors.UnstorableValueError: versions spread/1.0.0.metrics.r2 is nan, which JSON cannot hold. \
Nothing was stored.
    """
    try:
        return _plain(value)
    except _RefusalError as refusal:
        raise UnstorableValueError(where + "".join(reversed(refusal.path)), refusal.problem) from None
    except RecursionError as error:
        raise UnstorableValueError(where, "is nested too deeply, or contains itself") from error


class _RefusalError(Exception):
    """A value that is refused; its place is added on the way out, so that the way in costs nothing."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.path: list[str] = []


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _sound(value)
    if kind is float:
        if not math.isfinite(value):
            raise _RefusalError(f"is {value}, which JSON cannot hold")
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if not -(2**63) <= value < 2**64:
            raise _RefusalError("does not fit 64 bits")
        return value
    if isinstance(value, dict):
        return _plain_dict(value)
    if isinstance(value, list | tuple):
        return _plain_list(value)
    if isinstance(value, str):  # a text enum
        return _plain(str.__str__(value))
    if isinstance(value, int | float):  # a subclass: an integer enum, numpy's float64
        return _plain(int(value) if isinstance(value, int) else float(value))
    raise _RefusalError(f"is a {kind.__name__}, which JSON does not have")


def _plain_dict(value: dict[Any, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = {}
    key: Any = None
    try:
        for key, item in value.items():
            if not isinstance(key, str):
                raise _RefusalError("is under a key that is not text")
            copied[_plain(key)] = _plain(item)
    except _RefusalError as refusal:
        refusal.path.append(f".{key}")
        raise
    return copied


def _plain_list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    copied: list[Any] = []
    try:
        for item in value:
            copied.append(_plain(item))  # one by one: its length is the index of what is refused
    except _RefusalError as refusal:
        refusal.path.append(f"[{len(copied)}]")
        raise
    return copied


def _sound(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _RefusalError(f"is not sound Unicode ({error.reason})") from error
    return text
