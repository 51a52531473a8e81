"""Back-tests of the value at risk of each kind of book on a session's price path."""

import numpy as np

from core.arrays import FloatArray
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.settings import COMMODITIES
from core.domains.etrm.deals.markets import Markets, markets_of
from core.domains.etrm.risk.backtests import LikelihoodRatio, back_test
from core.domains.etrm.risk.historical import rolling_historical_var
from core.domains.etrm.risk.parametric import rolling_normal_var
from core.domains.report_section import ReportSection

WINDOW = 500  # days that a VaR is computed from
POSITION_EUR = 1e6  # of each commodity of a book, at the price of the day before
LEVELS = (0.95, 0.99)
COLUMNS = ("book, VaR", "days", "95 %", "K", "C", "99 %", "K", "C", "light")
ABOUT = (
    "Each book holds one million euros of the front month of each of its commodities, bought again every day at the "
    "price of the day before (of power, whose price may be negative, the price plus its shift). Its VaR is computed "
    f"from the {WINDOW} days before, and judged on the day itself: the share of days with a larger loss, at 95 and "
    "99 %, and the p-values of Kupiec's test (K: the right share) and of Christoffersen's (C: right and independent). "
    "The traffic light is that of the last 250 days at 99 %."
)
METHODS = {"hist": rolling_historical_var, "normal": rolling_normal_var}


def var_section(price_seed: int, n_years: int) -> ReportSection:
    """Back-test historical and normal VaR of every book at 95 and 99 %, on the weekdays of history and period."""
    markets = markets_of(price_seed, n_years)
    rows = []
    for book in market_cal.BOOKS.value:
        pnl = _pnl(markets, book.commodities)
        for method, rolling in METHODS.items():
            tests = [back_test(pnl[WINDOW:], rolling(pnl, level, window=WINDOW), level) for level in LEVELS]
            cells = [
                cell for test in tests for cell in (f"{100 * test.rate:.1f} %", _p(test.coverage), _p(test.conditional))
            ]
            light = tests[-1].light
            rows.append((f"{book.name} {method}", str(tests[0].n_days), *cells, str(light) if light else "–"))
    return ReportSection(title="Value at risk, back-tested", about=ABOUT, columns=COLUMNS, rows=tuple(rows))


def _p(test: LikelihoodRatio) -> str:
    return f"{test.p_value:.2f}"


def _pnl(markets: Markets, commodities: tuple[str, ...]) -> FloatArray:
    """Return the daily profit and loss, in euros, of equal positions in the first hub of each commodity.

    A move counts relative to the price of the day before, which is known then: prices are lognormal, so absolute moves
    grow with the price, and no window of the past would tell how far tomorrow's may go.
    """
    hubs = [int(np.flatnonzero(markets.commodity == COMMODITIES.index(name))[0]) for name in commodities]
    return np.asarray(POSITION_EUR * markets.moves[:, hubs].sum(axis=1))
