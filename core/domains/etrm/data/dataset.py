"""A data set in memory, for programs that train on it at once."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.arrays import AnyArray
from core.domains.etrm.data.assembly import assemble
from core.domains.etrm.data.market import open_market
from core.domains.etrm.data.series_file import series_arrays
from core.domains.etrm.data.settings import ETRMDataConfig


@dataclass(frozen=True, slots=True)
class ETRMDataset:
    """A data set; `truth` has a row for each trade in the same order, and is never a source of features."""

    trades: pd.DataFrame
    positions: pd.DataFrame
    risk_reports: pd.DataFrame
    compliance: pd.DataFrame
    truth: pd.DataFrame
    text_descriptions: list[str]
    price_series: dict[str, AnyArray]
    metadata: dict[str, Any]


class _Memory:
    def __init__(self) -> None:
        self.parts: dict[str, list[pd.DataFrame]] = {}

    def rows(self, table: str, frame: pd.DataFrame) -> None:
        self.parts.setdefault(table, []).append(frame)

    def table(self, name: str) -> pd.DataFrame:
        parts = self.parts.pop(name)
        if len(parts) == 1:
            return parts[0]
        for column in parts[0].columns:  # categories of the later pieces may be others: of the reasons of rules
            if isinstance(parts[0][column].dtype, pd.CategoricalDtype):
                levels = dict.fromkeys(level for part in parts for level in part[column].cat.categories)
                dtype = pd.CategoricalDtype(list(levels))
                parts = [part.assign(**{column: part[column].astype(dtype)}) for part in parts]
        return pd.concat(parts, ignore_index=True)


def generate(settings: ETRMDataConfig) -> ETRMDataset:
    """Generate a data set in memory; the same settings give the same bytes."""
    market, memory = open_market(settings), _Memory()
    lines, metadata = assemble(market, memory)
    names = ("trades", "positions", "risk_reports", "compliance", "truth")
    tables = {name: memory.table(name) for name in names}
    return ETRMDataset(**tables, text_descriptions=lines, price_series=series_arrays(market.prices), metadata=metadata)


class SyntheticETRMDataGenerator:
    """Draws a synthetic data set of energy trading.

    >>> generator = SyntheticETRMDataGenerator(ETRMDataConfig(num_trades=20, num_risk_reports=8))
    >>> data = generator.generate_complete_dataset()
    >>> len(data["trades"]), len(data["risk_reports"]), data["metadata"]["commodities"][:2]
    (20, 8, ['POWER', 'GAS_TTF'])
    """

    def __init__(self, config: ETRMDataConfig | None = None) -> None:
        """Remember what to draw; the defaults of `ETRMDataConfig` without a config."""
        self.config = ETRMDataConfig() if config is None else config

    def generate_complete_dataset(self) -> dict[str, Any]:
        """Draw the data set.

        Returns:
            trades, positions, risk_reports, compliance and truth as data frames, text_descriptions as a list of lines,
            price_series as a dict of arrays, metadata as a dict.
        """
        data = generate(self.config)
        return {name: getattr(data, name) for name in ETRMDataset.__slots__}
