from datetime import date

import pytest

from core.domains.etrm.data.dataset import generate
from core.domains.etrm.data.market import open_market
from core.domains.etrm.data.settings import ETRMDataConfig
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.stress.engine import ENGINE
from core.tables import read_table

CONFIG = ETRMDataConfig(
    num_trades=600,
    num_positions=400,
    num_risk_reports=0,
    start_date=date(2023, 1, 1),
    end_date=date(2023, 6, 29),
    random_seed=5,
)


@pytest.fixture(scope="session")
def market():
    return open_market(CONFIG)


@pytest.fixture(scope="session")
def positions():
    frame = generate(CONFIG).positions
    return frame[frame["as_of_date"] == frame["as_of_date"].max()].reset_index(drop=True)


@pytest.fixture(scope="session")
def held(positions):
    return ENGINE.drawn_portfolio(positions)


@pytest.fixture(scope="session")
def panel():
    return draw_deals(400, 7, 11, DealSettings(n_years=1)).frame


@pytest.fixture
def of_text(tmp_path):
    def read(text):
        path = tmp_path / "positions.csv"
        path.write_text(text)
        return ENGINE.portfolio(read_table(path))

    return read
