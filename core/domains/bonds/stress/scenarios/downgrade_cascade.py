"""Downgrades that cause downgrades, through sectors, regions and sovereigns."""

from core.domains.bonds.stress.scenario import bond_ladder, bond_scenario

SCENARIOS = (
    bond_scenario(
        "downgrade_cascade",
        "downgrade_cascade",
        "Downgrade cascade",
        "The weakest issuers are cut at once; sectors, regions and countries follow, round by round.",
        ladder=bond_ladder(seed_share=(0.02, 0.05, 0.10), seed_notches=(1, 2, 3), cycle=(0.5, 1.5, 2.5), contagion=1.0),
        horizon_months=12,
        sources=(
            "SP: speculative-grade default rate 11.02 % in 1991 (V)",
            "MDY-R: speculative-grade default rate 13.0 % in 2009 (V)",
            "DFAST: BBB spread peak 5.8 % in 2024 (V)",
        ),
    ),
)
