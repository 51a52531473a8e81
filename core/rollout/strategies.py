"""How a rollout may move traffic. It imports nothing: a command line lists strategies before it loads a rollout."""

from enum import StrEnum


class Strategy(StrEnum):
    """How traffic gets to a candidate."""

    CANARY = "canary"  # a little, then more, then all
    BLUE_GREEN = "blue_green"  # all traffic immediately, and back immediately
    AB = "ab"  # a fixed split, to learn which side is better
    SHADOW = "shadow"  # copies of requests; the candidate answers no caller

    @property
    def promotes(self) -> bool:
        """Whether the candidate goes live at the end; the others end in a finding."""
        return self in (Strategy.CANARY, Strategy.BLUE_GREEN)

    @property
    def serves(self) -> bool:
        """Whether the candidate answers callers; a split may send it nearly all traffic."""
        return self is not Strategy.SHADOW
