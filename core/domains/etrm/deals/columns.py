"""The column dictionary of a panel of deals: unit, permitted use and limits of each column. Light to import."""

from typing import Literal

import msgspec

from core.domains.etrm.deals import calibration as cal

DealColumnKind = Literal["string", "date", "category", "float", "bool"]


class DealColumn(msgspec.Struct, frozen=True):
    """One column of the panel."""

    name: str
    kind: DealColumnKind
    unit: str = ""
    role: Literal["id", "feature", "label", "check"] = "feature"
    can_lack: bool = False
    decimals: int = 4
    least: float | None = None
    most: float | None = None


def _number(
    name: str,
    unit: str,
    least: float | None = None,
    most: float | None = None,
    *,
    decimals: int = 4,
    lacks: bool = False,
) -> DealColumn:
    return DealColumn(name, "float", unit, can_lack=lacks, decimals=decimals, least=least, most=most)


def _checked(name: str, unit: str, least: float | None = None, *, decimals: int = 2) -> DealColumn:
    return DealColumn(name, "float", unit, "check", decimals=decimals, least=least)


COLUMNS: tuple[DealColumn, ...] = (
    DealColumn("deal_id", "string", role="id"),
    DealColumn("book_id", "string", role="id"),
    DealColumn("as_of_date", "date", role="id"),
    DealColumn("book", "category"),
    DealColumn("commodity", "category"),
    DealColumn("hub", "category", role="check"),
    DealColumn("instrument", "category"),
    DealColumn("venue", "category"),
    DealColumn("side", "category"),
    DealColumn("status", "category", role="check"),
    DealColumn("counterparty_grade", "category"),
    DealColumn("collateralised", "bool"),
    DealColumn("hedge_flag", "bool"),
    _number("volume", "units of delivery", 0.0, decimals=0),
    _number("price", "currency/unit"),
    _number("market_price", "currency/unit"),
    _number("volatility", "1/√year", 0.0, 20.0, lacks=True),
    _number("tenor_months", "months", 0.0, 120.0, decimals=0, lacks=True),
    _number("exposure_meur", "EUR m", 0.0, lacks=True),
    _number("liquidation_days", "days", 0.0, 1_000.0, lacks=True),
    _number("concentration", "share", 0.0, 1.0, lacks=True),
    _number("curve_slope", "log", -10.0, 10.0, lacks=True),
    _number("utilisation", "share of a limit", 0.0, 100.0),
    _number("utilisation_change", "log in 5 days", -10.0, 10.0),
    _number("book_volatility", "1/√year", 0.0, 20.0),
    _number("pending_share", "share", 0.0, 1.0),
    _number("gross_exposure_meur", "EUR m", 0.0),
    _number("net_exposure_meur", "EUR m", 0.0),
    _checked("var95_eur", "EUR", 0.0),
    _checked("var99_eur", "EUR", 0.0),
    _checked("limit_var_eur", "EUR", 0.0),
    _checked("limit_exposure_meur", "EUR m", 0.0, decimals=6),
    _checked("fx_rate", "EUR/currency", 0.0, decimals=4),
    _checked("mtm_eur", "EUR"),
    DealColumn("over_limit", "bool", role="check"),
    DealColumn("risk_score", "float", "score", "label", decimals=6, least=0.0, most=1.0),
    DealColumn("limit_breach_5d", "bool", role="label"),
    DealColumn("is_off_market", "bool", role="label"),
)
BY_NAME = {column.name: column for column in COLUMNS}
REQUIRED = tuple(column.name for column in COLUMNS if column.role in ("id", "feature", "check"))
NUMBERS = tuple(column.name for column in COLUMNS if column.kind in ("float", "bool"))
CATEGORIES: dict[str, tuple[str, ...]] = {
    "counterparty_grade": cal.GRADES,
    "instrument": tuple(cal.INSTRUMENT_SHARES.value),
    "venue": tuple(cal.VENUE_SHARES.value),
    "side": ("buy", "sell"),
    "status": ("new", "cancelled"),
}
