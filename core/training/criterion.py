"""One criterion that ends a session, as a session records it."""

import msgspec


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One criterion after the newest epoch.

    Attributes:
        name: improvement, patience, quality or plateau.
        value: Its figure; None before the first score.
        limit: What the figure is compared with.
        is_met: Whether it speaks for the end of the session. Converging takes improvement, patience and quality; the
            plateau suffices alone.
        at_epoch: The earliest epoch at which it could be met: without an improvement from now on, and with perfect
            data. It may be beyond the epoch limit.
        text: All of it in a sentence.
    """

    name: str
    value: float | None
    limit: float
    is_met: bool
    at_epoch: int
    text: str
