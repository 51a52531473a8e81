"""What `bondx data generate etrm` writes. Light to import."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from core.domains.etrm.data.settings import COMMODITIES, REGIONS, ETRMDataConfig
from core.domains.generator import Generated


class TradingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a data set of energy trading; `ETRMDataConfig` refuses what cannot be."""

    trades: Annotated[int, Meta(description="Trades to draw.")] = 1_000
    positions: Annotated[int, Meta(description="Rows of positions, the most recent.")] = 500
    risk_reports: Annotated[int, Meta(description="Reports, each of a book and a day.")] = 100
    start: Annotated[date, Meta(description="First day of trading.")] = date(2023, 1, 1)
    end: Annotated[date, Meta(description="Last day of trading.")] = date(2024, 12, 31)
    commodities: Annotated[tuple[str, ...], Meta(description="Commodities to trade.")] = COMMODITIES
    regions: Annotated[tuple[str, ...], Meta(description="Regions whose hubs are traded.")] = REGIONS
    seed: Annotated[int, Meta(description="Same seed, same bytes.")] = 42


def write(options: TradingOptions, folder: Path, formats: Sequence[str]) -> Generated:
    """Draw a data set and write it with its metadata; each table is written in every format."""
    from core.domains.etrm.data.files import write_data_set

    config = ETRMDataConfig(
        num_trades=options.trades,
        num_positions=options.positions,
        num_risk_reports=options.risk_reports,
        start_date=options.start,
        end_date=options.end,
        commodities=options.commodities,
        regions=options.regions,
        random_seed=options.seed,
    )
    metadata = write_data_set(config, folder)
    rows = metadata["row_counts"]
    made = f"{rows['trades']} synthetic trades, {rows['positions']} positions, {rows['risk_reports']} risk reports"
    return Generated(metadata, f"{made}, seed {options.seed}")
