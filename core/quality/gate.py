"""A gate and its verdict: one named check against one threshold, with the evidence for it.

Nothing heavy is imported here: the registry, the sessions and the console carry gate results too.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

GateOperator = Literal[">=", "<="]

MAX_OFFENDING_SHOWN = 20


class GateVerdict(StrEnum):
    """What a gate decided. A warning never stops anything."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one gate, complete enough to be argued with.

    `value` is None when it could not be measured; such a gate never passes, and `reason` says why.
    """

    name: str
    verdict: GateVerdict
    value: float | None
    threshold: float
    comparison: GateOperator
    unit: str = ""
    n_samples: int = 0
    reason: str = ""
    n_offending: int = 0
    offending: tuple[str, ...] = ()  # the first few identifiers
    blocking: bool = True

    @property
    def passed(self) -> bool:
        """Whether the check itself held, blocking or not."""
        return self.verdict is GateVerdict.PASS

    @property
    def blocks(self) -> bool:
        """Whether this result stops what it guards."""
        return self.verdict is GateVerdict.FAIL and self.blocking


def judge(
    name: str,
    value: float | None,
    comparison: GateOperator,
    threshold: float,
    *,
    unit: str = "",
    n_samples: int = 0,
    reason: str = "",
    n_offending: int = 0,
    offending: Sequence[str] = (),
    blocking: bool = True,
) -> GateResult:
    """Compare a measured value with its threshold and keep the evidence.

    A value that is missing or not finite fails: a check that could not be made was not passed.

    Args:
        name: The gate's name, as settings and alerts spell it.
        value: The measurement, or None when it could not be made.
        comparison: What must hold between value and threshold.
        threshold: The limit; reaching it exactly passes.
        unit: Of both value and threshold, for people.
        n_samples: How many observations the value rests on.
        reason: Replaces the sentence made from the figures.
        n_offending: How many rows broke the rule.
        offending: Their identifiers; the first twenty are kept.
        blocking: False turns a failure into a warning.
    Returns:
        The result, with verdict PASS, FAIL, or WARN when it does not block.

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
        reason=reason or _sentence(measured, comparison, threshold, unit, held=held),
        n_offending=n_offending,
        offending=tuple(str(identifier) for identifier in offending[:MAX_OFFENDING_SHOWN]),
        blocking=blocking,
    )


def _sentence(value: float | None, comparison: GateOperator, threshold: float, unit: str, *, held: bool) -> str:
    if value is None:
        return "could not be measured"
    space = "" if unit in ("", "%") else " "
    relation = comparison if held else {">=": "<", "<=": ">"}[comparison]
    return f"{value:.4g}{space}{unit} {relation} {threshold:.4g}{space}{unit}"
