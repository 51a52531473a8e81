"""How far the answers of both versions to the same rows differ: known at once, without any outcome."""

import msgspec

from core.rollout.slices import SliceLevel

ALL_ROWS = "all rows"


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """The differences between the answers of both versions, on all rows or on one level of a slice."""

    level: SliceLevel | None = None  # None: all rows
    n: int  # rows that both versions answered
    n_different: int = 0  # whose answers differ by more than the tolerance
    n_class_changed: int = 0  # whose probabilities lie on different sides of one half
    mean: float = 0.0  # of the absolute differences
    p95: float = 0.0  # 95 % of the absolute differences are no greater, to within 5 %

    @property
    def subject(self) -> str:
        """What it is about."""
        return ALL_ROWS if self.level is None else str(self.level)

    @property
    def share_different(self) -> float:
        """The share of rows whose answers differ by more than the tolerance."""
        return self.n_different / self.n if self.n else 0.0

    @property
    def share_class_changed(self) -> float:
        """The share of rows on which the versions predict different classes."""
        return self.n_class_changed / self.n if self.n else 0.0
