"""A check: a measurement, its limit, and what happens when the measurement cannot be made.

A check measures a *subject*: the cells of a frame before training, or the results of a fitted model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from core.quality.gate import GateOperator, GateResult, GateVerdict, counted, judge, withheld

if TYPE_CHECKING:
    from core.arrays import BoolArray
    from core.settings.quality import QualityGates

FEWEST_GROSS = 3  # rows at fault: of 150 rows, two meet a fault of one in two thousand once in 400 panels, three never
MANY_ROWS = 150  # rows that suffice for every check of a sound subject

Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "plausibility"]


class UnreadableError(Exception):
    """The check cannot measure this subject; the message is the reason shown with the failed gate.

    Attributes:
        columns: The columns whose cells it quotes.
    """

    def __init__(self, reason: str, *, columns: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.columns = columns


class TooFewError(UnreadableError):
    """The subject is sound as far as it goes, but too small for this check."""


class CheckSubject(Protocol):
    """The object that checks measure."""

    @property
    def n_rows(self) -> int:
        """The number of rows; an empty subject fails every check."""

    @property
    def source(self) -> str:
        """Where its rows are from, such as "the file"."""

    @property
    def named_by(self) -> tuple[str, ...]:
        """The columns whose cells name a row."""

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
        is_gross: Whether the breach is so gross that a check which only warns blocks.
        bound: The end of the value's one-sided 95 % interval nearest to the threshold; where it holds, the rows do not
            prove a failure, and the check warns.
        samples: What the observations are, in the plural.
        columns: The columns of which the value is a statistic, or of which the reason quotes cells or figures.
        is_withheld: Whether the value must not be shown, since it is one of a denied column.
    """

    value: float
    n_samples: int
    offending: "BoolArray | None" = None
    reason: str = ""
    culprits: tuple[str, ...] = ()
    n_culprits: int = 0
    is_gross: bool = False
    bound: float | None = None
    samples: str = "rows"
    columns: tuple[str, ...] = ()
    is_withheld: bool = False

    @classmethod
    def of_columns(cls, faults: Mapping[str, str], n_samples: int, *, otherwise: str) -> "Measurement":
        """Count faulty columns; any is a gross breach.

        Args:
            faults: What is wrong with each of them, a phrase by its name.
            n_samples: The number of observations.
            otherwise: The reason where nothing is wrong.
        """
        return cls(
            float(len(faults)),
            n_samples,
            reason="; ".join(faults.values()) or otherwise,
            culprits=tuple(faults.values()),
            is_gross=bool(faults),
            columns=tuple(faults),
        )


class Examined(NamedTuple):
    """What a check found.

    Attributes:
        result: The gate's result.
        unsound: The share of its dimension that it found unsound, 0 to 1.
    """

    result: GateResult
    unsound: float


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
        gross_share: The share of rows at fault above which a check that warns blocks, whatever the score is; one row or
            two never do.
        fewest_rows: A failure by fewer rows warns: a limit of 1 % is two rows of 150, which happens by chance.
        enough_rows: A failure by this many rows blocks, whether or not they prove that the limit is exceeded.
        lost: The share of the dimension that is lost if the check fails without naming rows.
        lost_if_few: The share that is lost if `MANY_ROWS` or more do not suffice to measure.
    """

    name: str
    measure: Callable[[S], Measurement]
    comparison: GateOperator
    threshold: "Callable[[QualityGates], float]"
    unit: str = ""
    blocking: bool = False
    dimension: Dimension | None = None
    gross_share: float | None = None
    fewest_rows: int = 0
    enough_rows: int | None = None
    lost: float = 1.0
    lost_if_few: float = 0.0

    def apply(self, subject: S, settings: "QualityGates") -> GateResult:
        """Measure and judge; a subject that cannot be measured fails, with the reason."""
        return self.examine(subject, settings).result

    def examine(self, subject: S, settings: "QualityGates") -> Examined:
        """Measure and judge, and weigh the findings for the quality score."""
        looked_at: dict[str, Any] = {"n_samples": subject.n_rows, "window": f"rows of {subject.source}"}
        if subject.n_rows == 0:
            return Examined(self._judged(settings, reason="there are no rows", **looked_at), 1.0)
        try:
            seen = self.measure(subject)
        except TooFewError as error:
            few = self._judged(settings, reason=str(error), **looked_at)
            return Examined(few, self.lost_if_few if subject.n_rows >= MANY_ROWS else 0.0)
        except UnreadableError as error:
            return Examined(self._judged(settings, reason=str(error), columns=error.columns, **looked_at), 1.0)
        n_offending, offending, share = seen.n_culprits, seen.culprits, 0.0
        if seen.offending is not None:
            n_offending, offending = int(seen.offending.sum()), subject.identify(seen.offending)
            share = n_offending / max(seen.n_samples, 1)
        is_many = self.gross_share is not None and n_offending >= FEWEST_GROSS and share > self.gross_share
        is_gross = seen.is_gross or is_many
        result = self._judged(
            settings,
            seen.value,
            n_samples=seen.n_samples,
            window=f"{seen.samples} of {subject.source}",
            reason=seen.reason,
            n_offending=n_offending,
            offending=offending,
            columns=seen.columns,
            named_by=subject.named_by if seen.offending is not None else (),
            blocking=self.blocking or is_gross,
        )
        if result.blocks and not is_gross and 0 < n_offending < self.fewest_rows:
            result = msgspec.structs.replace(result, verdict=GateVerdict.WARN, blocking=False)
        elif result.blocks and not is_gross and self._is_unproven(result, seen.bound):
            reason = f"{result.reason}, which {counted(seen.n_samples, 'values')} do not prove"
            result = msgspec.structs.replace(result, verdict=GateVerdict.WARN, blocking=False, reason=reason)
        elif result.blocks and not self.blocking:
            result = msgspec.structs.replace(result, reason=f"{result.reason}; a breach this large blocks")
        if seen.is_withheld:
            result = withheld(result)
        if self.dimension == "completeness" and result.unit == "%":
            return Examined(result, 1.0 - seen.value / 100 if result.comparison == ">=" else seen.value / 100)
        return Examined(result, min(share, 1.0) if seen.offending is not None or result.passed else self.lost)

    def _is_unproven(self, result: GateResult, bound: float | None) -> bool:
        if bound is None or (self.enough_rows is not None and result.n_offending >= self.enough_rows):
            return False
        return bound >= result.threshold if result.comparison == ">=" else bound <= result.threshold

    def _judged(self, settings: "QualityGates", value: float | None = None, **evidence: Any) -> GateResult:
        evidence.setdefault("blocking", self.blocking)
        return judge(
            self.name,
            value,
            self.comparison,
            settings.limits[self.name] if self.name in settings.limits else self.threshold(settings),
            unit=self.unit,
            **evidence,
        )


def fixed(threshold: float) -> "Callable[[QualityGates], float]":
    """Return a threshold that settings cannot change."""
    return lambda settings: threshold
