"""How a rollout may move traffic. It stands alone: a command line names the strategies before it loads a rollout."""

from enum import StrEnum


class Strategy(StrEnum):
    """How traffic gets to a candidate."""

    CANARY = "canary"  # a little, then more, then all
    BLUE_GREEN = "blue_green"  # all at once, and back at once
    AB = "ab"  # a fixed split, to learn which side is better
    SHADOW = "shadow"  # copies of requests; the candidate answers nobody

    @property
    def promotes(self) -> bool:
        """Whether the candidate goes live at the end; the others end in a finding."""
        return self in (Strategy.CANARY, Strategy.BLUE_GREEN)

    @property
    def serves(self) -> bool:
        """Whether the candidate answers anybody; a split may send it nearly all there is."""
        return self is not Strategy.SHADOW
