"""Bonds cannot be sold anywhere: as in autumn 2008 and in March 2020."""

from core.domains.bonds.stress.scenario import bond_ladder, bond_scenario

SCENARIOS = (
    bond_scenario(
        "global_liquidity_freeze",
        "global_liquidity_freeze",
        "Global liquidity freeze",
        "Bonds cannot be sold anywhere: bid-asks widen, trading dries up, and funds sell what they own.",
        ladder=bond_ladder(
            cycle=(1.5, 2.7, 3.8),
            bid_ask_factor=(1.7, 3.0, 4.0),
            turnover_change=(-0.20, -0.40, -0.60),
            dealer_inventory_z=(-1.0, -2.0, -3.0),
            policy_bps=(-25.0, -100.0, -150.0),
            fund_outflow=0.3,
        ),
        horizon_months=6,
        half_life_months=2,
        sources=(
            "ICE: 31 Jul to 15 Dec 2008 AAA 168 to 385, BBB 331 to 802, HY 800 to 2,182 bp (V)",
            "ICE: 19 Feb to 23 Mar 2020 AAA 57 to 218, BBB 131 to 488, HY 357 to 1,087 bp (V)",
            "FEDS20: investment-grade cost below 30 to about 90 bp in March 2020 (V)",
        ),
    ),
)
