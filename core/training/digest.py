"""The hash of a table's content: the same for the same values, in any file format."""

import hashlib

import numpy as np
import pandas as pd

_SEPARATOR, _MISSING = "\x1f", "\x00"


def digest_of(table: pd.DataFrame) -> str:
    """Hash the names, kinds and values of all columns in order; the index is ignored.

    Args:
        table: Columns of numbers, booleans, dates, categories or text.
    Returns:
        SHA-256 in hexadecimal.

    >>> one, two = pd.DataFrame({"a": [1.0, None]}), pd.DataFrame({"a": [1.0, 2.0]})
    >>> digest_of(one) == digest_of(one.copy()) != digest_of(two)
    True
    """
    digest = hashlib.sha256()
    for name, column in table.items():
        kind, content = _bytes_of(column)
        digest.update(f"{name}{_SEPARATOR}{kind}{_SEPARATOR}{len(column)}{_SEPARATOR}".encode())
        digest.update(content)
    return digest.hexdigest()


def _bytes_of(column: pd.Series) -> tuple[str, bytes]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = _SEPARATOR.join(map(str, column.cat.categories))
        return f"category{_SEPARATOR}{names}", column.cat.codes.to_numpy(dtype="<i4").tobytes()
    if column.dtype.kind == "M":
        return "date", column.to_numpy(dtype="datetime64[us]").astype("<i8").tobytes()
    if column.dtype.kind in "biuf" and isinstance(column.dtype, np.dtype):
        return column.dtype.kind, column.to_numpy(dtype="<f8").tobytes()
    text = column.astype(object).where(column.notna(), _MISSING)
    return "text", _SEPARATOR.join(map(str, text)).encode()
