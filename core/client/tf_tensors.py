"""Tensors of TensorFlow Serving, from values and back.

Source: tensorflow/core/framework/types.proto, tensor.proto
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.client.errors import RejectedError
from core.client.tf_messages import TensorMessage

# name -> (number, field of a tensor that holds its values, form in `tensor_content`)
_TYPES = {
    "DT_FLOAT": (1, "float_val", "<f4"),
    "DT_DOUBLE": (2, "double_val", "<f8"),
    "DT_INT32": (3, "int_val", "<i4"),
    "DT_UINT8": (4, "int_val", "u1"),
    "DT_INT16": (5, "int_val", "<i2"),
    "DT_INT8": (6, "int_val", "i1"),
    "DT_STRING": (7, "string_val", ""),
    "DT_INT64": (9, "int64_val", "<i8"),
    "DT_BOOL": (10, "bool_val", "?"),
    "DT_UINT32": (22, "uint32_val", "<u4"),
    "DT_UINT64": (23, "uint64_val", "<u8"),
}
_BY_NUMBER = {number: name for name, (number, _, _) in _TYPES.items()}
_FLOATS = frozenset({"DT_FLOAT", "DT_DOUBLE"})


def type_name(number: int) -> str:
    """Return the name of a type by its number.

    >>> type_name(2), type_name(99)
    ('DT_DOUBLE', 'DT_99')
    """
    return _BY_NUMBER.get(number, f"DT_{number}")


def guessed_type(name: str, values: Sequence[Any]) -> str:
    """Choose a type from the values, if the model does not declare one.

    >>> [guessed_type("x", values) for values in ([True], [1], [1, 0.5], ["a"])]
    ['DT_BOOL', 'DT_INT64', 'DT_DOUBLE', 'DT_STRING']
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "DT_BOOL"
    if kinds == {int} and None not in values:
        return "DT_INT64"
    if kinds <= {int, float}:
        return "DT_DOUBLE"
    if kinds == {str}:
        return "DT_STRING"
    raise RejectedError(f"The field {name} mixes kinds of values; a tensor must hold one kind.", field=name)


def to_tensor(name: str, values: Sequence[Any], dtype: str, shape: Sequence[int]) -> Any:
    """Make a tensor.

    Args:
        name: Of the field, for error messages.
        values: Flat; None becomes NaN in a float tensor.
        dtype: Name of the type.
        shape: Of the tensor.
    Raises:
        RejectedError: A value does not have the type.
    """
    if dtype not in _TYPES:
        raise RejectedError(f"The field {name} is of type {dtype}, which this client does not support.", field=name)
    number, place, _ = _TYPES[dtype]
    if dtype in _FLOATS:
        values = [math.nan if value is None else value for value in values]
    elif None in values:
        raise RejectedError(f"The field {name} has a missing value, which {dtype} cannot express.", field=name)
    if dtype == "DT_STRING":
        if not all(isinstance(value, str) for value in values):
            raise RejectedError(f"The field {name} holds values that are not text, as the model requires.", field=name)
        values = [value.encode() for value in values]
    tensor = TensorMessage(dtype=number)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    try:
        getattr(tensor, place).extend(values)
    except (TypeError, ValueError):
        raise RejectedError(
            f"The field {name} holds values that are not {dtype}, as the model requires.", field=name
        ) from None
    return tensor


def from_tensor(tensor: Any) -> list[Any]:
    """Return the values of a tensor: one value or one list for each row.

    Raises:
        ValueError: Its values do not fit its shape, or have an unknown type.
    """
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    n_values = math.prod(shape)
    name = _BY_NUMBER.get(tensor.dtype)
    if name is None or min(shape, default=1) < 0:
        raise ValueError(f"a tensor of type {tensor.dtype} and shape {shape}")
    _, place, form = _TYPES[name]
    if name == "DT_STRING":
        found: list[Any] = [value.decode("utf-8", "replace") for value in tensor.string_val]
    elif tensor.tensor_content:
        found = np.frombuffer(tensor.tensor_content, dtype=form).tolist()
    else:
        found = list(getattr(tensor, place))
    if found and len(found) < n_values:
        found += [found[-1]] * (n_values - len(found))  # the last value repeats
    if len(found) != n_values:
        raise ValueError(f"{len(found)} values for the shape {shape}")
    width = n_values // shape[0] if shape and shape[0] else 1
    return found if width == 1 else [found[at : at + width] for at in range(0, n_values, width)]
