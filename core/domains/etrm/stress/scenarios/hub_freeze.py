"""A hub that nobody quotes any more: positions there cannot be left."""

from core.domains.etrm.stress.scenario import energy_scenario

FAMILY = "hub_freeze"
SCENARIOS = (
    energy_scenario(
        "ttf_freeze",
        FAMILY,
        "TTF freezes",
        "Margins of exchanges drive traders out of European gas: TTF and the hubs that are quoted against it freeze.",
        level={"GAS_TTF": (0.05, 0.15, 0.30)},
        hub_freeze=dict.fromkeys(("TTF", "THE", "PEG", "NBP"), (0.3, 0.55, 0.8)),
        bid_ask_factor={"GAS_TTF": (1.5, 3.0, 6.0), "LNG_JKM": (1.2, 1.8, 2.5)},
        volatility_factor={"GAS_TTF": (1.2, 1.5, 2.0)},
        horizon_months=3,
        half_life_months=1,
        sources=("TTF: open interest of futures fell by some two fifths, 2021 to autumn 2022 (R)",),
    ),
    energy_scenario(
        "power_freeze",
        FAMILY,
        "German power freezes",
        "Margins of exchanges drive traders out of German power, which its neighbours are hedged with.",
        level={"POWER": (0.05, 0.15, 0.30)},
        hub_freeze={"DE": (0.30, 0.55, 0.80), "NL": (0.20, 0.40, 0.60), "FR": (0.20, 0.40, 0.60)},
        bid_ask_factor={"POWER": (1.5, 3.0, 5.0)},
        volatility_factor={"POWER": (1.1, 1.4, 1.8)},
        horizon_months=3,
        half_life_months=1,
        sources=("EEX: margins of power futures several times those of a year before, autumn 2022 (R)",),
    ),
    energy_scenario(
        "waha_freeze",
        FAMILY,
        "Waha cannot be left",
        "Pipelines out of the Permian are full: gas at Waha has no buyer, and a price below zero for some days.",
        hub_level={"WAHA": (-0.20, -0.45, -0.80)},
        hub_add={"WAHA": (-1.0, -2.5, -5.0)},
        hub_freeze={"WAHA": (0.30, 0.60, 0.90)},
        bid_ask_factor={"GAS_HH": (1.1, 1.2, 1.5)},
        horizon_months=3,
        half_life_months=1,
        sources=("EIA: Waha spot below zero for weeks in 2019, -4 USD/MMBtu and less in April (R)",),
    ),
)
