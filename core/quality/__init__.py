"""Quality gates: named checks with a threshold, a value, a sample size and a verdict.

gate.py       a result: one check against one threshold, with the evidence for it
check.py      the type of every check
check_set.py  the checks of a domain
checks/       checks of any frame, made for the columns that a domain names
cells.py      reading columns of an unchecked frame
custom.py     a user's own gates
report.py     all checks applied to a frame, and one score

The types and the register of custom gates are light; `assess` loads pandas when first touched.
"""

from typing import TYPE_CHECKING, Any

from core.quality.check import Check, Measurement, fixed
from core.quality.check_set import CheckSet
from core.quality.custom import register_gate
from core.quality.gate import GateResult, GateVerdict, judge

if TYPE_CHECKING:
    from core.quality.report import QualityReport, assess

__all__ = [
    "Check",
    "CheckSet",
    "GateResult",
    "GateVerdict",
    "Measurement",
    "QualityReport",
    "assess",
    "fixed",
    "judge",
    "register_gate",
]


def __getattr__(name: str) -> Any:
    if name not in ("QualityReport", "assess"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from core.quality import report

    return getattr(report, name)
