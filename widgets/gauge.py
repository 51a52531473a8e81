"""A gauge: a share, its limits, its value in words and its recent past."""

from __future__ import annotations

import msgspec


class Gauge(msgspec.Struct, frozen=True):
    """One gauge of a list."""

    label: str
    share: float | None
    """0–1; None if unknown."""
    value: str
    """The text beside the bar, unit included."""
    warn_at: float | None = None
    alert_at: float | None = None
    history: tuple[float, ...] = ()
    judged: float | None = None
    """The part of the share that the limits hold for, if not all of it."""

    @property
    def tone(self) -> str:
        """The relation of the share to its limits."""
        if self.share is None:
            return "muted"
        judged = self.share if self.judged is None else self.judged
        if self.alert_at is not None and judged > self.alert_at:
            return "bad"
        if self.warn_at is not None and judged > self.warn_at:
            return "warn"
        return "accent"
