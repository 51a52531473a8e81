"""A position in a store of predictions and outcomes."""

import msgspec


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far somebody has read; it is meaningless for any other store."""

    store: str = ""
    prediction: int = 0
    outcome: int = 0
