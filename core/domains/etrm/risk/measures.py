"""The five figures of a risk report."""

from typing import NamedTuple

from core.arrays import FloatArray
from core.domains.etrm.risk.arguments import checked_floats
from core.domains.etrm.risk.historical import historical_es, historical_var
from core.domains.etrm.risk.parametric import normal_var

LOW, HIGH, TAIL = 0.95, 0.99, 0.975  # of VaR, of VaR, and of ES (Basel Committee, MAR33.2)


class RiskFigures(NamedTuple):
    """The figures as `risk_reports.csv` names them, each in currency, shape (...)."""

    var95_hist: FloatArray
    var99_hist: FloatArray
    var95_param: FloatArray
    var99_param: FloatArray
    es975: FloatArray


def risk_figures(pnl: FloatArray) -> RiskFigures:
    """Return VaR at 95 and 99 %, historical and normal, and the historical ES at 97.5 %.

    Args:
        pnl: What the present portfolio would have earned on each past day, in currency, shape (..., n), n ≥ 2.
    Raises:
        UsageError: The P&L is not valid.
    """
    days = checked_floats("pnl", pnl, least=2)
    return RiskFigures(
        historical_var(days, LOW),
        historical_var(days, HIGH),
        normal_var(days, LOW),
        normal_var(days, HIGH),
        historical_es(days, TAIL),
    )
