"""Prices below zero: too much sun and wind, and oil without a tank."""

from core.domains.etrm.stress.scenario import energy_scenario

FAMILY = "negative_prices"
SCENARIOS = (
    energy_scenario(
        "negative_power",
        FAMILY,
        "Negative power prices",
        "Sun and wind exceed demand: the next days of power trade below zero, and the curve learns from it.",
        level={"POWER": (-0.05, -0.15, -0.30)},
        front={"POWER": (-0.90, -1.40, -2.00)},
        volatility_factor={"POWER": (1.1, 1.3, 1.6)},
        bid_ask_factor={"POWER": (1.3, 2.0, 3.0)},
        horizon_months=3,
        half_life_months=1,
        sources=(
            "EMBER: the mean price of DE was negative on 0.8 % of the days from 2015 to January 2025 (V)",
            "EMBER: daily sd of the shifted log .107, 21.5 jumps a year of .56 (V)",
        ),
    ),
    energy_scenario(
        "negative_oil",
        FAMILY,
        "Oil without a tank",
        "Demand for oil falls away, tanks are full, and the delivery at hand at Cushing has a price below zero.",
        level={"CRUDE": (-0.20, -0.45, -0.80), "LNG_JKM": (-0.05, -0.15, -0.30)},
        hub_add={"WTI": (-15.0, -35.0, -56.0)},
        volatility_factor={"CRUDE": (1.5, 2.2, 3.5)},
        bid_ask_factor={"CRUDE": (2.0, 4.0, 8.0)},
        horizon_months=6,
        half_life_months=3,
        sources=(
            "EIA: WTI spot -37 USD/bbl on 20 April 2020 (V), 56 below the day before (R)",
            "EIA: Brent spot about 68 to 9 USD/bbl, January to 21 April 2020 (R)",
        ),
    ),
)
