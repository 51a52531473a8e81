"""The array types of the engine."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Element = TypeVar("_Element", bound=np.generic)

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
AnyArray = NDArray[Any]
DateArray = NDArray[np.datetime64]
Unsigned32Array = NDArray[np.uint32]
Unsigned64Array = NDArray[np.uint64]
ArrayOf = NDArray[_Element]
"""An array of any one type of elements."""
