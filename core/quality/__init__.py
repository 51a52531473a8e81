"""Quality gates: named checks with a threshold, a value, a sample size and a verdict.

The gate's types and the register of custom gates are light; `assess` loads pandas and SciPy when first touched.
"""

from typing import TYPE_CHECKING, Any

from core.quality.custom import register_gate
from core.quality.gate import GateResult, GateVerdict, judge

if TYPE_CHECKING:
    from core.quality.report import QualityReport, assess

__all__ = ["GateResult", "GateVerdict", "QualityReport", "assess", "judge", "register_gate"]


def __getattr__(name: str) -> Any:
    if name not in ("QualityReport", "assess"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from core.quality import report

    return getattr(report, name)
