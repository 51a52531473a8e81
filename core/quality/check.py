"""A check: a measurement, its limit, and what happens when the measurement cannot be made.

A check measures a *subject*: the cells of a frame before training, or the results of a fitted model.
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
    """The check cannot measure this subject; the message is the reason shown with the failed gate."""


class CheckSubject(Protocol):
    """The object that checks measure."""

    @property
    def n_rows(self) -> int:
        """The number of rows; an empty subject fails every check."""

    def identify(self, rows: "BoolArray") -> tuple[str, ...]:
        """Name the first of the given rows."""


class Measurement(NamedTuple):
    """The outcome of a measurement.

    Attributes:
        value: The value compared with the threshold.
        n_samples: The number of observations behind it.
        offending: The rows at fault, shape (n_rows,).
        reason: An explanation that says more than the bare figures.
        culprits: Names of the parts at fault, where these are not rows.
        n_culprits: How many parts are at fault, named or not.
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
        name: The name in settings, alerts and screens.
        measure: Measures the subject.
        comparison: The relation required between value and threshold.
        threshold: Reads the limit from the settings; `fixed` for a constant limit.
        unit: The unit of value and threshold.
        blocking: Whether a failure blocks training or registration; otherwise it warns.
        dimension: The dimension of the quality score that its findings lower, if any.
    """

    name: str
    measure: Callable[[S], Measurement]
    comparison: GateOperator
    threshold: "Callable[[QualityGates], float]"
    unit: str = ""
    blocking: bool = False
    dimension: Dimension | None = None

    def apply(self, subject: S, settings: "QualityGates") -> GateResult:
        """Measure and judge; a subject that cannot be measured fails, with the reason."""
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
    """Return a threshold that settings cannot change."""
    return lambda settings: threshold
