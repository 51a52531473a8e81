"""Plants, pipelines and terminals that fail: one place is short, and its neighbours pay, too."""

from core.domains.etrm.stress.scenario import energy_scenario

FAMILY = "outage"
SCENARIOS = (
    energy_scenario(
        "nuclear_outage",
        FAMILY,
        "Outage of a nuclear fleet",
        "Reactors of one country stand still over a winter: its power rises above that of its neighbours.",
        level={"POWER": (0.05, 0.15, 0.30), "GAS_TTF": (0.03, 0.10, 0.20), "CARBON": (0.02, 0.05, 0.10)},
        hub_level={"FR": (0.10, 0.25, 0.45), "IT": (0.03, 0.08, 0.15)},
        hub_front={"FR": (0.30, 0.60, 1.00)},
        volatility_factor={"POWER": (1.1, 1.3, 1.6)},
        bid_ask_factor={"POWER": (1.2, 1.8, 2.5)},
        horizon_months=9,
        half_life_months=6,
        sources=("RTE: French nuclear output 361 TWh in 2021, 279 TWh in 2022 (R)",),
    ),
    energy_scenario(
        "pipeline_outage",
        FAMILY,
        "Outage of a pipeline",
        "A pipeline into Germany ends: gas at the hubs behind it rises above the others.",
        level={"GAS_TTF": (0.15, 0.40, 0.70), "POWER": (0.10, 0.25, 0.45), "LNG_JKM": (0.08, 0.20, 0.35)},
        front={"GAS_TTF": (0.05, 0.15, 0.25)},
        hub_level={"THE": (0.02, 0.05, 0.10), "NBP": (-0.03, -0.10, -0.25)},
        volatility_factor={"GAS_TTF": (1.2, 1.6, 2.0)},
        bid_ask_factor={"GAS_TTF": (1.3, 2.0, 3.0)},
        horizon_months=9,
        half_life_months=6,
        sources=("Nord Stream: flows cut to 40 % in June, 20 % in July and none from September 2022 (R)",),
    ),
    energy_scenario(
        "terminal_outage",
        FAMILY,
        "Outage of an LNG terminal",
        "An export terminal burns: gas is trapped in North America, and missing everywhere else.",
        level={"GAS_HH": (-0.05, -0.12, -0.20), "GAS_TTF": (0.05, 0.12, 0.20), "LNG_JKM": (0.05, 0.12, 0.25)},
        front={"GAS_HH": (-0.05, -0.10, -0.15), "GAS_TTF": (0.05, 0.10, 0.15)},
        volatility_factor=dict.fromkeys(("GAS_HH", "GAS_TTF", "LNG_JKM"), (1.1, 1.2, 1.4)),
        bid_ask_factor={"LNG_JKM": (1.3, 2.0, 3.0)},
        horizon_months=6,
        half_life_months=3,
        sources=("EIA: Henry Hub futures fell by 16 % in a day when Freeport LNG closed, June 2022 (R)",),
    ),
)
