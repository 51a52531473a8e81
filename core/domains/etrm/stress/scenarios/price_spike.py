"""Prices that jump: gas and power in 2022, Henry Hub in February 2021, oil in 1990 and 2022."""

from core.domains.etrm.stress.scenario import energy_scenario

FAMILY = "price_spike"
SCENARIOS = (
    energy_scenario(
        "gas_spike",
        FAMILY,
        "European gas and power spike",
        "Gas is short in Europe: gas, power and LNG rise on the whole curve, and most at the front.",
        level={
            "GAS_TTF": (0.35, 0.70, 1.10),
            "POWER": (0.25, 0.60, 1.00),
            "LNG_JKM": (0.25, 0.60, 1.00),
            "COAL_API2": (0.10, 0.30, 0.50),
        },
        front={"GAS_TTF": (0.10, 0.25, 0.40), "POWER": (0.30, 0.60, 0.90)},
        volatility_factor=dict.fromkeys(("POWER", "GAS_TTF", "LNG_JKM"), (1.2, 1.6, 2.2)),
        bid_ask_factor=dict.fromkeys(("POWER", "GAS_TTF", "LNG_JKM"), (1.5, 2.5, 4.0)),
        horizon_months=6,
        half_life_months=3,
        sources=(
            "TTF: front month about 85 to 339 EUR/MWh, June to 26 August 2022, ln 1.38 (R)",
            "EEX: German power of the year ahead about 220 to 985 EUR/MWh, June to 26 August 2022 (R)",
            "TTF: volatility .45 a year to mid-2021, .62 with the crisis (V)",
        ),
    ),
    energy_scenario(
        "winter_spike",
        FAMILY,
        "North American winter spike",
        "Wells freeze: the next weeks of gas and power in North America are short, later deliveries hardly move.",
        level={"GAS_HH": (0.05, 0.10, 0.20)},
        front={"GAS_HH": (0.50, 1.00, 2.00)},
        hub_front={"PJM": (0.40, 0.80, 1.20), "WAHA": (0.20, 0.50, 1.00)},
        volatility_factor={"GAS_HH": (1.3, 1.8, 2.5)},
        bid_ask_factor={"GAS_HH": (1.5, 2.5, 4.0)},
        horizon_months=2,
        half_life_months=1,
        sources=("EIA: Henry Hub spot 2.7 to 23.9 USD/MMBtu, January to 17 February 2021, ln 2.2 (R)",),
    ),
    energy_scenario(
        "oil_spike",
        FAMILY,
        "Oil spike",
        "Crude is cut off, and LNG that is priced by oil follows.",
        level={"CRUDE": (0.20, 0.40, 0.70), "LNG_JKM": (0.05, 0.10, 0.20)},
        front={"CRUDE": (0.05, 0.10, 0.20)},
        volatility_factor={"CRUDE": (1.2, 1.6, 2.2)},
        bid_ask_factor={"CRUDE": (1.3, 2.0, 3.0)},
        horizon_months=12,
        half_life_months=6,
        sources=(
            "EIA: Brent about 17 to 41 USD/bbl, July to October 1990, ln .88 (R)",
            "EIA: Brent about 98 to 128 USD/bbl, 25 February to 8 March 2022, ln .27 (R)",
        ),
    ),
)
