"""The impact of a stress on a trading book, from 0 to 1: four figures against a level that none survives, weighed."""

from core.domains.etrm.stress import calibration as own
from core.domains.stress import ImpactPart


def impact_parts(
    *, pnl_share: float, risk_increase: float, basis_move: float, cost_increase: float
) -> tuple[ImpactPart, ...]:
    """Return the parts of the impact; their points add up to it. A gain counts as nothing.

    Args:
        pnl_share: Profit as a share of gross value.
        risk_increase: The expected shortfall after the shock over that before, less one.
        basis_move: Mean absolute move of hubs against their commodity, in log, by gross value.
        cost_increase: What leaving all positions costs more, as a share of gross value.

    >>> parts = impact_parts(pnl_share=-0.125, risk_increase=-0.1, basis_move=0.0, cost_increase=0.03)
    >>> [round(part.points, 3) for part in parts]
    [0.2, 0.0, 0.0, 0.2]
    """
    caps, weights = own.IMPACT_CAPS.value, own.IMPACT_WEIGHTS.value
    values = {
        "price_loss": -pnl_share,
        "risk_increase": risk_increase,
        "basis_move": basis_move,
        "cost_increase": cost_increase,
    }
    return tuple(ImpactPart.of(name, value, caps[name], weights[name]) for name, value in values.items())
