"""What a check is: a measurement of a frame, the limit it is held to, and what happens when it cannot be made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from core.quality.cells import BoolArray, Cells, UnreadableError
from core.quality.gate import Comparison, GateResult, judge
from core.settings.quality import QualityGates


class Measurement(NamedTuple):
    """What a check saw."""

    value: float
    n_samples: int
    offending: BoolArray | None = None  # the rows at fault, shape (n_rows,)
    reason: str = ""  # says more than the bare figures would


@dataclass(frozen=True, slots=True)
class Check:
    """A named check of a bond panel."""

    name: str
    measure: Callable[[Cells], Measurement]
    comparison: Comparison
    threshold: Callable[[QualityGates], float]
    unit: str = ""
    blocking: bool = False

    def apply(self, cells: Cells, settings: QualityGates) -> GateResult:
        """Measure and judge; a frame on which the check cannot be made fails it, with the reason."""
        threshold = self.threshold(settings)
        value: float | None = None
        n_samples = n_offending = 0
        offending: tuple[str, ...] = ()
        if cells.n_rows == 0:
            reason = "there are no rows"
        else:
            try:
                measured = self.measure(cells)
            except UnreadableError as error:
                reason = str(error)
            else:
                value, n_samples, reason = measured.value, measured.n_samples, measured.reason
                if measured.offending is not None:
                    n_offending = int(measured.offending.sum())
                    offending = cells.identify(measured.offending)
        return judge(
            self.name,
            value,
            self.comparison,
            threshold,
            unit=self.unit,
            n_samples=n_samples,
            reason=reason,
            n_offending=n_offending,
            offending=offending,
            blocking=self.blocking,
        )


def fixed(threshold: float) -> Callable[[QualityGates], float]:
    """Return a threshold that settings do not move."""
    return lambda settings: threshold
