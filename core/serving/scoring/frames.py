"""Rows as a pandas table, for models that only read tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.models.scoring.fields import Rows
from core.serving.errors import BadRequestError
from core.serving.signature import ServingSignature


def frame_of(signature: ServingSignature, rows: Rows) -> pd.DataFrame:
    """Convert checked rows to a table like the training data: a column for each field, of the field's kind."""
    columns: dict[str, object] = {}
    for position, field in enumerate(signature.numbers):
        values = rows.numbers[:, position]
        # Whole numbers of the training data may have decimals now.
        is_whole = field.kind != "float" and bool((values == np.floor(values)).all())
        columns[field.name] = values.astype(np.bool_ if field.kind == "bool" else np.int64) if is_whole else values
    for position, field in enumerate(signature.texts):
        texts = [row[position] for row in rows.texts]
        if field.kind == "category" and field.categories:
            known = frozenset(field.categories)
            familiar = [text if text in known else None for text in texts]
            columns[field.name] = pd.Categorical(familiar, categories=list(field.categories))
        elif field.kind == "date":
            columns[field.name] = _dates(signature, field.name, texts)
        else:
            columns[field.name] = pd.Series(texts, dtype=object)
    return pd.DataFrame(columns)


def _dates(signature: ServingSignature, name: str, texts: list[str | None]) -> pd.Series:
    dates = pd.to_datetime(pd.Series(texts, dtype=object), format="ISO8601", errors="coerce", utc=False)
    for text, date in zip(texts, dates, strict=True):
        if text is not None and pd.isna(date):
            raise BadRequestError(f"has {signature.quoted(name, text)}, which is not a date", field=name)
    return dates


def open_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Convert rows by name to a table; texts become categories, as in all tables."""
    frame = pd.DataFrame(list(rows))
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.astype(dict.fromkeys(texts, "category"))
