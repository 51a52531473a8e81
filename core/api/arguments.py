"""What a caller's program passes: converted to the declared types, or refused by name, before anything is written.

Programs pass numpy's scalars, paths, enums and None where a method declares text or a number. A value of another type
that reached a document would make the document unreadable.
"""

import contextlib
import functools
import inspect
import operator
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.state.encoding import builtins_of, plain, plain_scalar, real_number
from core.text_limits import MAX_TEXT

P = ParamSpec("P")
R = TypeVar("R")
Converter = Callable[[str, Any], Any]


def checked(method: Callable[P, R]) -> Callable[P, R]:
    """Convert the arguments of a public method to the types it declares.

    Args:
        method: Each parameter is declared as text, a path, a number, a flag, a mapping or a sequence of these, or as a
            class, whose instances pass unchanged.
    Returns:
        The method; it raises UsageError for an argument that has no reading of the declared type.

    >>> @checked
    ... def note(name: str, tags: Mapping[str, str]) -> str:
    ...     return name + str(dict(tags))
    >>> note("mae", {"depth": 6})
    "mae{'depth': '6'}"
    >>> note(None, {})
    Traceback (most recent call last):
        ...
    core.errors.UsageError: name is None; it must be text.
    """
    signature = inspect.signature(method)
    converters = {
        name: _converter(parameter.annotation)
        for name, parameter in signature.parameters.items()
        if parameter.annotation is not inspect.Parameter.empty
    }
    several = {name for name, parameter in signature.parameters.items() if parameter.kind is parameter.VAR_POSITIONAL}

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            if (convert := converters.get(name)) is not None:
                several_values = name in several
                bound.arguments[name] = (
                    tuple(convert(name, each) for each in value) if several_values else convert(name, value)
                )
        return method(*bound.args, **bound.kwargs)

    return call


def _converter(declared: Any) -> Converter:
    """Return the converter to a declared type."""
    kinds = get_args(declared) if get_origin(declared) in (Union, types.UnionType) else (declared,)
    instances = tuple(kind for kind in kinds if inspect.isclass(kind) and kind not in (*_PLAIN, types.NoneType))
    readings = [_reading(kind) for kind in kinds if kind is not types.NoneType and kind not in instances]
    if Path in kinds:
        readings = [path]
    if len(readings) > 1:  # numbers or text: the method itself decides
        return _anything

    def convert(name: str, value: Any) -> Any:
        if (value is None and types.NoneType in kinds) or (instances and isinstance(value, instances)):
            return value
        if readings:
            return readings[0](name, value)
        wanted = " or ".join(kind.__name__ for kind in instances)
        raise UsageError(f"{name} is {shown(value)}; it must be of the class {wanted}.")

    return convert if readings or instances else _anything


def _reading(kind: Any) -> Converter:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Mapping:
        return {str: texts_by_name, float: numbers_by_name}.get(inside[1], values_by_name)
    if origin is Sequence and inside[0] is str:
        return texts
    return _PLAIN.get(kind, _anything)


def text(name: str, value: Any) -> str:
    """Return text of one or several lines.

    Raises:
        UsageError: It is something else, too long, or holds characters that no file or terminal takes.
    """
    if not isinstance(value, str):
        raise UsageError(f"{name} is {shown(value)}; it must be text.")
    if len(value) > MAX_TEXT:
        raise UsageError(f"{name} has {len(value):,} characters; it must have at most {MAX_TEXT:,}.")
    plain_text = str.__str__(value)
    if not is_shown_as_is(plain_text, keep="\n\t"):
        raise UsageError(f"{name} is {value!a:.80}; it must not hold control characters or half characters.")
    return plain_text


def path(name: str, value: Any) -> Path:
    """Return a path.

    Raises:
        UsageError: It is neither text nor a path.
    """
    spelled = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(spelled, str) or not spelled:
        raise UsageError(f"{name} is {shown(value)}; it must be a path.")
    return Path(text(name, spelled))


def number(name: str, value: Any) -> float:
    """Return a number; NaN and the infinities pass.

    Raises:
        UsageError: It is not a number; text is not read as one.
    """
    try:
        return real_number(value)
    except (TypeError, ValueError, OverflowError):  # an integer may exceed every float
        raise UsageError(f"{name} is {shown(value)}; it must be a number.") from None


def whole_number(name: str, value: Any) -> int:
    """Return a whole number of 64 bits.

    Raises:
        UsageError: It is something else.
    """
    try:
        if not isinstance(value, bool) and abs(whole := operator.index(value)) < 2**63:
            return whole
    except TypeError:
        pass
    raise UsageError(f"{name} is {shown(value)}; it must be a whole number.")


def flag(name: str, value: Any) -> bool:
    """Return a truth value, also of numpy.

    Raises:
        UsageError: It is something else: `"false"` would count as true.
    """
    if type(value).__name__ not in ("bool", "bool_"):
        raise UsageError(f"{name} is {shown(value)}; it must be True or False.")
    return bool(value)


def texts(name: str, values: Any) -> tuple[str, ...]:
    """Return several texts.

    Raises:
        UsageError: It is a single text, or one of them is something else.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise UsageError(f"{name} is {shown(values)}; it must be a list of texts.")
    return tuple(text(f"{name}[{index}]", value) for index, value in enumerate(values))


def texts_by_name(name: str, values: Any) -> dict[str, str]:
    """Return texts by name; numbers, truth values and paths are spelled as text.

    Raises:
        UsageError: A key is not text, or a value has no spelling.
    """
    return {key: text(where, _spelling(value)) for key, where, value in _items(name, values)}


def numbers_by_name(name: str, values: Any) -> dict[str, float]:
    """Return numbers by name.

    Raises:
        UsageError: A key is not text, or a value is not a number.
    """
    return {key: number(where, value) for key, where, value in _items(name, values)}


def values_by_name(name: str, values: Any) -> dict[str, Any]:
    """Return plain JSON values by name.

    Raises:
        UsageError: A key is not text, or JSON has no exact spelling for a value.
    """
    return {key: plain(builtins_of(value, where, str_keys=True), where) for key, where, value in _items(name, values)}


def _items(name: str, values: Any) -> Iterable[tuple[str, str, Any]]:
    if not isinstance(values, Mapping):
        raise UsageError(f"{name} is {shown(values)}; it must be a mapping of names to values.")
    for key, value in values.items():
        named = text(f"a name in {name}", key)
        yield named, f"{name}[{shown(named)}]", value


def _spelling(value: Any) -> Any:
    scalar = plain_scalar(value)
    with contextlib.suppress(ValueError):  # Python spells no integer of thousands of digits
        return str(scalar) if isinstance(scalar, bool | int | float) else scalar
    return scalar


def _anything(name: str, value: Any) -> Any:
    return value


_PLAIN: dict[Any, Converter] = {str: text, float: number, int: whole_number, bool: flag, Path: path}
