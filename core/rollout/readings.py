"""The reading of each guard: effect with interval, evidence for and against, and expected time to a decision.

`guard_reader.py` makes them.
"""

from enum import StrEnum

import msgspec

from core.rollout.plan import GuardSource
from core.rollout.slices import SliceLevel


class GuardVerdict(StrEnum):
    """One guard's verdict on the candidate."""

    HARMFUL = "harmful"  # shown to be worse
    SUSPECT = "suspect"  # leaning towards harm; the candidate gets no more traffic
    UNDECIDED = "undecided"
    SAFE = "safe"  # shown to be within its margin
    NO_DATA = "no data"
    EVEN = "even"  # of a check: nothing shows that the arms were treated differently
    UNEVEN = "uneven"  # shown: so losses cannot be compared


class GuardReading(msgspec.Struct, frozen=True, kw_only=True):
    """One guard of a rollout at one moment."""

    guard: str
    source: GuardSource
    required: bool
    verdict: GuardVerdict
    reason: str
    stable_value: float | None = None  # failure rate, or mean
    candidate_value: float | None = None
    n_stable: int = 0  # requests, or values
    n_candidate: int = 0
    effect: float | None = None  # the ratio, candidate to stable, or the difference
    low: float | None = None  # of its interval, which stays valid at every look
    high: float | None = None  # None: not bounded yet
    level: float = 0.95
    harm_share: float = 0.0  # the evidence of harm, on a log scale: 1 rolls the candidate back
    safety_share: float = 0.0  # the same for safety
    eta_requests: int | None = None  # further requests of both arms to a verdict, at this rate; None: unknown
    eta_seconds: float | None = None
    is_counted: bool = False  # losses of 0 and 1, whose mean is a rate
    is_ratio: bool | None = None  # whether the effect is a ratio; None: as earlier releases had it, see `has_ratio`
    margin_difference: float | None = None  # the difference of means that is not acceptable, if the margin is one
    callers_stable: float | None = None  # how many equally active callers the arm is worth
    callers_candidate: float | None = None
    n_set_aside: int = 0  # values too large to be added up
    n_capped: int = 0  # losses beyond the cap of the plan, which count as it
    n_waiting: int = 0  # outcomes of answers that are not settled yet: they count for harm, not for safety
    slice: SliceLevel | None = None  # the level of a slice that it is about; None: all requests
    cannot_exclude: str = ""  # the rare large loss that these data say nothing of

    def said(self, *, is_over: bool) -> str:
        """Return the reason; of an ended rollout it says of nothing that it is still to come.

        Args:
            is_over: Whether the rollout has ended.
        """
        return self.reason.replace(" yet", "") if is_over else self.reason

    @property
    def is_rate(self) -> bool:
        """Whether failures were counted; otherwise a mean was taken."""
        return self.source.is_rate or self.is_counted

    @property
    def has_ratio(self) -> bool:
        """Whether the effect is a ratio; otherwise it is a difference."""
        return self.is_rate if self.is_ratio is None else self.is_ratio

    @property
    def is_check(self) -> bool:
        """Whether it says if the arms can be compared, and nothing of the candidate."""
        return self.source.is_check


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast evidence comes in."""

    share: float  # the candidate's, now
    n_requests: int
    seconds: float  # since the rollout began

    def seconds_of(self, n_requests: float | None) -> float | None:
        """Return how long further requests take at the pace so far."""
        if n_requests is None or self.n_requests == 0 or self.seconds <= 0:
            return None
        return n_requests * self.seconds / self.n_requests
