import pandas as pd
import pytest

from core.domains.bonds.data import PanelSettings, generate


@pytest.fixture(scope="session")
def sound() -> pd.DataFrame:
    """A panel without injected faults; copy it before changing it."""
    return generate(PanelSettings(n_rows=1500, seed=4, anomaly_share=0, maturity_error_rate=0, missing_rate=0)).bonds
