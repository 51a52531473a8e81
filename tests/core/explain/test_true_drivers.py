"""Columns that the laws of the synthetic bonds and deals read are ranked above every column that they do not read."""

import numpy as np
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.table.models.model import TableModel
from core.explain.explainer import Explainer, ExplainMethod
from core.explain.global_explanation import stratified_rows
from core.tables.signature import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of

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


RISK_DRIVERS = ("volume", "volatility", "utilisation", "concentration", "exposure_meur", "counterparty_grade")


def deals_with_decoys(n_rows, seed):
    """Draw deals with a shuffled copy of each driver: of its law, and of no influence on the risk score."""
    frame = draw_deals(n_rows, seed, seed, DealSettings()).frame.reset_index(drop=True)
    rng = np.random.default_rng(seed)
    for name in RISK_DRIVERS:
        frame[f"shuffled_{name}"] = frame[name].iloc[rng.permutation(n_rows)].array
    return frame


def risk_model(algorithm):
    """Return a model of the risk score on the drivers and their shuffled copies."""
    kinds = {
        name: ColumnKind.CATEGORY if "grade" in name else ColumnKind.NUMBER
        for driver in RISK_DRIVERS
        for name in (driver, f"shuffled_{driver}")
    }
    signature = TableSignature(
        task=Task.REGRESSION,
        target="risk_score",
        target_kind=ColumnKind.NUMBER,
        classes=(),
        columns=tuple(
            ColumnSignature(
                name=name, kind=kind, allows_missing=True, levels=tuple("ABCDE") if kind is ColumnKind.CATEGORY else ()
            )
            for name, kind in kinds.items()
        ),
        outputs=outputs_of(Task.REGRESSION, "risk_score", ()),
    )
    return TableModel.described(signature, algorithm=algorithm)


@pytest.mark.truth
@pytest.mark.parametrize("algorithm", ["lightgbm", "linear"])
def test_true_drivers_of_deals_are_above_their_shuffled_copies(algorithm, truth):
    for seed in range(1 if truth.scale == 1 else 5):
        frame, model = deals_with_decoys(10_000, seed), risk_model(algorithm)
        model.fit(frame[frame["risk_score"].notna()].reset_index(drop=True), seed=seed)
        table = deals_with_decoys(1_000, 100 + seed)
        for method in (ExplainMethod.AUTO, ExplainMethod.BACKGROUND):
            explainer = Explainer(model, table.head(60), columns=(), method=method)
            rows = table.iloc[stratified_rows(explainer.margin(table), 250, seed=0)]
            sizes = np.abs(explainer.contributions(rows).values).mean(axis=0)
            by_name = dict(zip(explainer.players, sizes.tolist(), strict=True))
            worst = max(size for name, size in by_name.items() if name.startswith("shuffled"))
            assert {driver for driver in RISK_DRIVERS if by_name[driver] <= worst} == set()
