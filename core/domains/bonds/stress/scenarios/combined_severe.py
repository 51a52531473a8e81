"""A freeze, falling rates and a cascade at once, over nine quarters."""

from core.domains.bonds.stress.scenario import bond_ladder, bond_scenario

SCENARIOS = (
    bond_scenario(
        "combined_severe",
        "combined",
        "Freeze, cascade and falling rates",
        "Liquidity freezes, ratings fall in a cascade and rates fall, all at once.",
        ladder=bond_ladder(
            cycle=(1.5, 2.7, 3.8),
            bid_ask_factor=(1.7, 3.0, 4.0),
            turnover_change=(-0.20, -0.40, -0.60),
            dealer_inventory_z=(-1.0, -2.0, -3.0),
            policy_bps=(-25.0, -100.0, -150.0),
            parallel_bps=(-50.0, -100.0, -150.0),
            fund_outflow=0.3,
            seed_share=(0.02, 0.05, 0.10),
            seed_notches=(1, 2, 3),
            contagion=1.0,
        ),
        horizon_months=27,
        half_life_months=12,
        sources=(
            "DFAST: BBB spread 5.8 % (2024), 5.0 % (2025), 5.7 % (2026); ten-year rate -370, -330 bp (V)",
            "EBA 2025 adverse: EU GDP -6.3 % over three years (V)",
        ),
    ),
)
