"""What a check is: a measurement, the limit it is held to, and what happens when it cannot be made.

A check measures a *subject*: the cells of a frame before a model learns from it, or what a fitted model showed after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from core.quality.gate import GateOperator, GateResult, judge

if TYPE_CHECKING:
    from core.arrays import BoolArray
    from core.settings.quality import QualityGates

Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "plausibility"]


class UnreadableError(Exception):
    """A check cannot be made on this subject; the message is the reason shown with the failed gate."""


class CheckSubject(Protocol):
    """What checks measure."""

    @property
    def n_rows(self) -> int:
        """How many rows it has; no check can be made on none."""

    def identify(self, rows: "BoolArray") -> tuple[str, ...]:
        """Name the first of some rows."""


class Measurement(NamedTuple):
    """What a check saw.

    Attributes:
        value: What is held against the threshold.
        n_samples: How many observations it rests on.
        offending: The rows at fault, shape (n_rows,).
        reason: Says more than the bare figures would.
        culprits: What is at fault, named, where that is not rows.
        n_culprits: How many of those there are, named or not.
    """

    value: float
    n_samples: int
    offending: "BoolArray | None" = None
    reason: str = ""
    culprits: tuple[str, ...] = ()
    n_culprits: int = 0


S = TypeVar("S", bound=CheckSubject, contravariant=True)


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """A named check.

    Attributes:
        name: As settings, alerts and screens spell it.
        measure: Measures the subject.
        comparison: What must hold between value and threshold.
        threshold: Reads the limit from the settings; `fixed` for a limit that they do not move.
        unit: Of value and threshold.
        blocking: Whether a failure stops what the check guards; otherwise it warns.
        dimension: Which part of the quality score its findings count against; None for none.
    """

    name: str
    measure: Callable[[S], Measurement]
    comparison: GateOperator
    threshold: "Callable[[QualityGates], float]"
    unit: str = ""
    blocking: bool = False
    dimension: Dimension | None = None

    def apply(self, subject: S, settings: "QualityGates") -> GateResult:
        """Measure and judge; a subject on which the check cannot be made fails it, with the reason."""
        if subject.n_rows == 0:
            return self._judged(settings, reason="there are no rows")
        try:
            seen = self.measure(subject)
        except UnreadableError as error:
            return self._judged(settings, reason=str(error))
        n_offending, offending = seen.n_culprits, seen.culprits
        if seen.offending is not None:
            n_offending, offending = int(seen.offending.sum()), subject.identify(seen.offending)
        return self._judged(
            settings,
            seen.value,
            n_samples=seen.n_samples,
            reason=seen.reason,
            n_offending=n_offending,
            offending=offending,
        )

    def _judged(self, settings: "QualityGates", value: float | None = None, **evidence: Any) -> GateResult:
        return judge(
            self.name,
            value,
            self.comparison,
            self.threshold(settings),
            unit=self.unit,
            blocking=self.blocking,
            **evidence,
        )


def fixed(threshold: float) -> "Callable[[QualityGates], float]":
    """Return a threshold that settings do not move."""
    return lambda settings: threshold
