"""The impact of a stress, from 0 to 1: four figures against the worst that was published, weighed."""

from core.domains.bonds.stress import calibration as own
from core.domains.stress import ImpactPart


def impact_parts(
    *, pnl_share: float, widening_bps: float, liquidity_drop: float, cut_share: float, high_yield_share: float
) -> tuple[ImpactPart, ...]:
    """Return the parts of the impact; their points add up to it. A gain counts as nothing.

    Args:
        pnl_share: Profit as a share of market value.
        widening_bps: Mean widening of spreads, by market value.
        liquidity_drop: Mean fall of the liquidity index, by market value.
        cut_share: Share of issuers that are cut.
        high_yield_share: Of market value: the cap of the widening follows the mix.

    >>> parts = impact_parts(
    ...     pnl_share=-0.125, widening_bps=0, liquidity_drop=40, cut_share=0.0, high_yield_share=0.0
    ... )
    >>> [round(part.points, 3) for part in parts]
    [0.175, 0.0, 0.2, 0.0]
    """
    caps, weights = own.IMPACT_CAPS.value, own.IMPACT_WEIGHTS.value
    investment, high_yield = caps["widening_investment"], caps["widening_high_yield"]
    widening_cap = investment + (high_yield - investment) * high_yield_share
    values = {
        "price_fall": (-pnl_share, caps["price_fall"]),
        "spread_widening_bps": (widening_bps, widening_cap),
        "liquidity_drop": (liquidity_drop, caps["liquidity_drop"]),
        "cut_share": (cut_share, caps["cut_share"]),
    }
    return tuple(ImpactPart.of(name, value, cap, weights[name]) for name, (value, cap) in values.items())
