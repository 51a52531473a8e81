"""A gate and its verdict: one named check against one threshold, with the evidence for it.

This module imports nothing heavy: the registry, the sessions and the console carry gate results too.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

GateOperator = Literal[">=", "<="]

MAX_OFFENDING_SHOWN = 20
WITHHELD = "explanation.denied_columns names its column"
PERSONAL = "protection.personal names its column"
_MEASURES = ("", "%", "bps", "ms")


class GateVerdict(StrEnum):
    """The decision of a gate. A warning never blocks anything."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one gate, with all the evidence to verify it.

    `value` is None when it could not be measured; the gate then never passes, and `reason` says why. It is None as well
    when it must not be shown; the gate is judged by it all the same.

    `columns` and `named_by` decide how it is shown once one of these columns must not appear any more. Results of
    earlier releases have no `columns`.
    """

    name: str
    verdict: GateVerdict
    value: float | None
    threshold: float
    comparison: GateOperator
    unit: str = ""
    n_samples: int = 0
    window: str = ""  # what the samples are: "rows of the panel test, seed 7"
    reason: str = ""
    n_offending: int = 0
    offending: tuple[str, ...] = ()  # the first few identifiers
    blocking: bool = True
    columns: tuple[str, ...] | None = None  # whose figures or cells the value and the reason tell
    named_by: tuple[str, ...] = ()  # whose cells are the identifiers

    @property
    def passed(self) -> bool:
        """Whether the check held, blocking or not."""
        return self.verdict is GateVerdict.PASS

    @property
    def blocks(self) -> bool:
        """Whether this result blocks."""
        return self.verdict is GateVerdict.FAIL and self.blocking

    @property
    def tells_columns(self) -> bool:
        """Whether it tells figures or cells of columns, or may do so."""
        return self.columns != () or bool(self.named_by)

    @property
    def basis(self) -> str:
        """The samples behind the value, and what they are; empty if nothing is known of them.

        >>> judge("min_accuracy", 0.9, ">=", 0.85, n_samples=1200, window="rows of the panel test").basis
        'on 1,200 rows of the panel test'
        """
        return f"on {self.n_samples:,} {self.window}" if self.window and self.n_samples else self.window

    @property
    def sentence(self) -> str:
        """The value and the limit, and the reason where it says more.

        >>> judge("coverage", 80.0, ">=", 90.0, unit="%").sentence
        '80% < 90%'
        >>> judge("coverage", None, ">=", 90.0, unit="%", reason="no column has a value").sentence
        'could not be measured (limit >= 90%): no column has a value'
        """
        if self.value is None and any(why in self.reason for why in (WITHHELD, PERSONAL)):
            return self.reason
        figures = _sentence(self.value, self.comparison, self.threshold, self.unit, held=self.passed)
        if self.reason == figures and self.value is not None:
            return figures
        if self.value is None:
            figures = f"{figures} (limit {self.comparison} {self.threshold:.4g}{_spaced(self.unit)})"
        return figures if self.reason in figures else f"{figures}: {self.reason}"


def judge(
    name: str,
    value: float | None,
    comparison: GateOperator,
    threshold: float,
    *,
    unit: str = "",
    n_samples: int = 0,
    window: str = "",
    reason: str = "",
    n_offending: int = 0,
    offending: Sequence[str] = (),
    blocking: bool = True,
    columns: Sequence[str] = (),
    named_by: Sequence[str] = (),
) -> GateResult:
    """Compare a measured value with its threshold and keep the evidence.

    A missing or non-finite value fails: a check without a measurement cannot pass.

    Args:
        name: The gate's name in settings and alerts.
        value: The measurement, or None if there is none.
        comparison: The relation required between value and threshold.
        threshold: The limit; reaching it exactly passes.
        unit: The unit of value and threshold, for display.
        n_samples: The number of observations behind the value.
        window: What they are, in the plural, and where they come from.
        reason: Replaces the sentence made from the figures.
        n_offending: How many rows broke the rule.
        offending: Their identifiers; the first twenty are kept.
        blocking: False turns a failure into a warning.
        columns: The columns whose figures or cells the value and the reason tell.
        named_by: The columns whose cells are the identifiers.
    Returns:
        The result, with verdict PASS, FAIL, or WARN for a non-blocking failure.

    >>> judge("coverage", 99.7, ">=", 90.0, unit="%").verdict
    <GateVerdict.PASS: 'pass'>
    >>> judge("coverage", None, ">=", 90.0, reason="no rows").verdict
    <GateVerdict.FAIL: 'fail'>
    """
    measured = value if value is not None and math.isfinite(value) else None
    held = measured is not None and (measured >= threshold if comparison == ">=" else measured <= threshold)
    failure = GateVerdict.FAIL if blocking else GateVerdict.WARN
    return GateResult(
        name=name,
        verdict=GateVerdict.PASS if held else failure,
        value=measured,
        threshold=threshold,
        comparison=comparison,
        unit=unit,
        n_samples=n_samples,
        window=window,
        reason=reason or _sentence(measured, comparison, threshold, unit, held=held),
        n_offending=n_offending,
        offending=tuple(str(identifier) for identifier in offending[:MAX_OFFENDING_SHOWN]),
        blocking=blocking,
        columns=tuple(columns),
        named_by=tuple(named_by) if offending else (),
    )


def withheld(result: GateResult, why: str = WITHHELD) -> GateResult:
    """Return a result without its value, and without a reason that may tell it; the verdict stays.

    Args:
        result: The result.
        why: Which setting withholds them.

    >>> withheld(judge("median", 12.0, ">=", 10.0, unit="bps")).sentence
    'within the limit (>= 10 bps): explanation.denied_columns names its column'
    """
    kept = "within" if result.passed else "outside"
    limit = f"{result.comparison} {result.threshold:.4g}{_spaced(result.unit)}"
    return msgspec.structs.replace(result, value=None, reason=f"{kept} the limit ({limit}): {why}", offending=())


def counts_things(unit: str, threshold: float) -> bool:
    """Return whether a unit is a noun for counted things, such as problems.

    >>> counts_things("problems", 0.0), counts_things("%", 0.0)
    (True, False)
    """
    return unit not in _MEASURES and float(threshold).is_integer()


def counted(value: float, unit: str) -> str:
    """Spell a number of things.

    >>> [counted(n, "problems") for n in (0, 1, 3)]
    ['no problems', '1 problem', '3 problems']
    """
    if value == 0:
        return "none failed" if unit == "failed" else f"no {unit}"
    return f"{value:.4g} {unit.removesuffix('s') if value == 1 else unit}"


def _sentence(value: float | None, comparison: GateOperator, threshold: float, unit: str, *, held: bool) -> str:
    if value is None:
        return "could not be measured"
    if counts_things(unit, threshold):
        return f"{counted(value, unit)} ({'limit' if comparison == '<=' else 'at least'} {threshold:.4g})"
    relation = comparison if held else {">=": "<", "<=": ">"}[comparison]
    return f"{value:.4g}{_spaced(unit)} {relation} {threshold:.4g}{_spaced(unit)}"


def _spaced(unit: str) -> str:
    return unit if unit in ("", "%") else f" {unit}"
