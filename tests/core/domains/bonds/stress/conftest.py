import pytest

from core.domains.bonds.data.panel import generate
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.stress.engine import ENGINE


@pytest.fixture(scope="session")
def bonds_frame():
    return generate(PanelSettings(n_rows=900, seed=5)).frame


@pytest.fixture(scope="session")
def held(bonds_frame):
    return ENGINE.drawn_portfolio(bonds_frame)
