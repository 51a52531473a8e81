import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data import BondPanel, PanelSettings, generate


@pytest.fixture(scope="session")
def big_panel() -> BondPanel:
    """100,000 sound rows: for what only shows in large samples."""
    return generate(PanelSettings(n_rows=100_000, seed=11, anomaly_share=0, maturity_error_rate=0, missing_rate=0))


@pytest.fixture(scope="session")
def many_worlds() -> pd.DataFrame:
    """Sound rows of twelve macro paths together, for levels that depend on the path."""
    settings = (PanelSettings(n_rows=8_000, seed=seed, anomaly_share=0, maturity_error_rate=0) for seed in range(12))
    bonds = pd.concat([generate(one).bonds for one in settings], ignore_index=True)
    cycle = bonds["credit_cycle"]
    times = np.select([cycle <= -1, cycle.abs() <= 0.5, cycle >= 1.5], ["calm", "neutral", "crisis"], "other")
    return bonds.assign(high_yield=bonds["rating_num"] >= 10, times=times)


@pytest.fixture(scope="session")
def panel() -> BondPanel:
    """An ordinary panel, faults included."""
    return generate(PanelSettings(n_rows=4_000, seed=5))
