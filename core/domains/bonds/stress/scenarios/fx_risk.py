"""Exchange rates that jump: unhedged positions, hard-currency debt of emerging issuers, and their leverage."""

from core.domains.bonds.stress.scenario import bond_ladder, bond_scenario

SCENARIOS = (
    bond_scenario(
        "fx_risk",
        "fx_risk",
        "Exchange rates",
        "The dollar rises; unhedged positions lose, and emerging issuers owe more in their own money.",
        ladder=bond_ladder(
            fx={
                "LOCAL_EM": (-0.10, -0.20, -0.35),
                "EUR": (-0.05, -0.10, -0.15),
                "GBP": (-0.05, -0.10, -0.15),
                "JPY": (-0.05, -0.05, -0.05),
            },
            fx_vol_factor=(1.5, 2.0, 3.0),
            emerging_leverage_z=(0.3, 0.6, 1.0),
        ),
        horizon_months=12,
        sources=("DFAST 2025: EUR -10.4 %, GBP -10.5 %, developing Asia dollar +11.7 %, yen -2.5 % (V)",),
    ),
)
