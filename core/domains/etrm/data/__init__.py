"""Synthetic energy trading with a known truth: prices, trades, positions, risk reports and texts.

The names below load pandas and SciPy when first used; `core.domains.etrm.data.settings` is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.domains.etrm.data.frames import draw_trades
    from core.domains.etrm.data.market import Market, open_market
    from core.domains.etrm.data.prices import PriceSeries, simulate_prices
    from core.domains.etrm.data.settings import ETRMDataConfig, ETRMDataConfigError

__all__ = [
    "ETRMDataConfig",
    "ETRMDataConfigError",
    "Market",
    "PriceSeries",
    "draw_trades",
    "open_market",
    "simulate_prices",
]

_HOME = {
    "ETRMDataConfig": "settings",
    "ETRMDataConfigError": "settings",
    "Market": "market",
    "PriceSeries": "prices",
    "draw_trades": "frames",
    "open_market": "market",
    "simulate_prices": "prices",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
