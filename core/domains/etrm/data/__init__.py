"""Synthetic energy trading with a known truth: prices, trades, positions, risk reports and texts.

The names below load pandas and SciPy when first used; `core.domains.etrm.data.settings` is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.domains.etrm.data.dataset import ETRMDataset, SyntheticETRMDataGenerator, generate
    from core.domains.etrm.data.files import write_data_set
    from core.domains.etrm.data.frames import draw_trades
    from core.domains.etrm.data.market import Market, open_market
    from core.domains.etrm.data.prices import PriceSeries, simulate_prices
    from core.domains.etrm.data.settings import ETRMDataConfig, ETRMDataConfigError

__all__ = [
    "ETRMDataConfig",
    "ETRMDataConfigError",
    "ETRMDataset",
    "Market",
    "PriceSeries",
    "SyntheticETRMDataGenerator",
    "draw_trades",
    "generate",
    "open_market",
    "simulate_prices",
    "write_data_set",
]

_HOME = {
    "ETRMDataConfig": "settings",
    "ETRMDataConfigError": "settings",
    "ETRMDataset": "dataset",
    "Market": "market",
    "PriceSeries": "prices",
    "SyntheticETRMDataGenerator": "dataset",
    "draw_trades": "frames",
    "generate": "dataset",
    "open_market": "market",
    "simulate_prices": "prices",
    "write_data_set": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
