"""Inflation above expectations: policy follows, curves flatten, margins shrink."""

from core.domains.bonds.stress.scenario import bond_ladder, bond_scenario

SCENARIOS = (
    bond_scenario(
        "inflation",
        "inflation",
        "Inflation",
        "Inflation rises, policy rates follow, curves flatten, and cyclical issuers earn less.",
        ladder=bond_ladder(
            cpi_pp=(2.0, 4.0, 6.0),
            policy_bps=(100.0, 250.0, 400.0),
            slope_bps=(-50.0, -100.0, -150.0),
            cycle=(0.3, 0.8, 1.5),
            coverage_z=(-0.2, -0.4, -0.7),
        ),
        horizon_months=24,
        half_life_months=12,
        sources=("FRB: US consumer prices 9.9 % annualised in 2022Q2 (V)",),
    ),
)
