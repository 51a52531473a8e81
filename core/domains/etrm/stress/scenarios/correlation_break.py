"""What moves together moves apart: hedges lose what they should have won."""

from core.domains.etrm.stress.scenario import energy_scenario

SCENARIOS = (
    energy_scenario(
        "correlation_break",
        "correlation_break",
        "Correlation break",
        "Carbon falls while gas rises, hubs leave their neighbours, and no hedge holds.",
        level={"GAS_TTF": (0.10, 0.25, 0.45), "POWER": (-0.05, -0.10, -0.15), "CARBON": (-0.15, -0.30, -0.50)},
        hub_level={
            "FR": (0.08, 0.18, 0.30),
            "NORDIC": (-0.10, -0.25, -0.45),
            "NBP": (-0.08, -0.20, -0.40),
            "AECO": (-0.10, -0.25, -0.50),
            "WTI": (-0.03, -0.08, -0.15),
            "UKA": (-0.08, -0.20, -0.35),
            "DES_NWE": (-0.05, -0.12, -0.25),
        },
        correlation_loss=(0.3, 0.6, 0.9),
        volatility_factor={"CARBON": (1.2, 1.6, 2.0)},
        horizon_months=6,
        half_life_months=3,
        sources=(
            "EEX: EUA about 97 to 58 EUR/t, 8 February to 7 March 2022, while TTF went from about 80 to 227 (R)",
            "EIA, EMBER: weekly correlation of Brent and WTI .91, of DE and FR .72; monthly of DE and TTF .64 (V)",
        ),
    ),
)
