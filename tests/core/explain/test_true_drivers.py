"""Columns that the law of the synthetic bonds reads are ranked above every column that it does not read."""

import numpy as np
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.explain.explainer import Explainer, ExplainMethod
from core.explain.global_explanation import stratified_rows

DECOYS = ("web_traffic_z", "news_count", "supplier_stress")
DRIVERS = {
    "spread": {
        "rating_num", "credit_cycle", "leverage_x", "interest_coverage_x", "maturity_years", "sector", "region",
        "liquidity_index", "seniority", "outlook",
    },
    "downgrade": {
        "rating_num", "credit_cycle", "leverage_x", "interest_coverage_x", "outlook", "market_implied_gap",
        "debt_due_12m", "news_sentiment",
    },
}  # fmt: skip


@pytest.mark.truth
@pytest.mark.parametrize("name", DRIVERS)
def test_true_drivers_are_above_every_decoy(name, truth):
    for seed in range(1 if truth.scale == 1 else 5):
        model = create(name, algorithm="lightgbm")
        model.fit(generate(PanelSettings(n_rows=10_000, seed=seed, macro_seed=seed)), seed=seed)
        table = generate(PanelSettings(n_rows=1_000, seed=100 + seed, macro_seed=seed)).frame
        for method in (ExplainMethod.PATH_DEPENDENT, ExplainMethod.BACKGROUND):
            explainer = Explainer(model, table.head(60), columns=(), method=method)
            rows = table.iloc[stratified_rows(explainer.margin(table), 250, seed=0)]
            sizes = np.abs(explainer.contributions(rows).values).mean(axis=0)
            by_name = dict(zip(explainer.players, sizes.tolist(), strict=True))
            worst = max(by_name[decoy] for decoy in DECOYS)
            assert {driver for driver in DRIVERS[name] if by_name[driver] <= worst} == set()
