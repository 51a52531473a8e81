"""The column dictionary: the meaning, unit and permitted use of each column of a bond panel."""

from typing import Literal

import msgspec

BondColumnKind = Literal["string", "date", "category", "float", "int", "bool"]
BondColumnRole = Literal["id", "feature", "label", "price", "leakage"]


class BondColumn(msgspec.Struct, frozen=True):
    """One column of the panel."""

    name: str
    kind: BondColumnKind
    unit: str
    role: BondColumnRole
    nullable: bool = False  # may be empty without a fault
    can_lack: bool = False  # faults of the source leave cells empty here
    decimals: int | None = None  # as published
    least: float | None = None  # values outside these are impossible
    most: float | None = None


def _id(name: str, kind: BondColumnKind = "string", unit: str = "") -> BondColumn:
    return BondColumn(name, kind, unit, "id")


def _category(name: str, *, can_lack: bool = False, role: BondColumnRole = "feature") -> BondColumn:
    return BondColumn(name, "category", "", role, can_lack=can_lack)


def _float(
    name: str,
    unit: str,
    decimals: int,
    *,
    role: BondColumnRole = "feature",
    nullable: bool = False,
    can_lack: bool = False,
    within: tuple[float | None, float | None] = (None, None),
) -> BondColumn:
    return BondColumn(name, "float", unit, role, nullable, can_lack, decimals, *within)


_SHARE = (0.0, 1.0)
_SCALE = (0.0, 100.0)
_POSITIVE = (0.0, None)


COLUMNS: tuple[BondColumn, ...] = (
    _id("bond_id"),
    _id("issuer_id"),
    _id("isin_like"),
    _id("as_of_date", "date"),
    _id("issue_date", "date"),
    _id("maturity_date", "date"),
    _category("sector"),
    _category("region"),
    _category("country", can_lack=True),
    _category("currency"),
    _category("seniority"),
    _category("rating"),
    _category("outlook", can_lack=True),
    BondColumn("rating_num", "int", "notch 0-21", "feature", least=0, most=21),
    _float("maturity_years", "years", 4),
    _float("age_years", "years", 4, within=_POSITIVE),
    _float("original_tenor", "years", 0, can_lack=True, within=_POSITIVE),
    _float("coupon_pct", "%", 3, can_lack=True, within=_POSITIVE),
    _float("issue_size_musd", "USD m", 1, can_lack=True, within=_POSITIVE),
    _float("face", "currency", 0, within=_POSITIVE),
    BondColumn("callable", "bool", "", "feature"),
    _category("coupon_type", can_lack=True),
    _float("leverage_x", "×", 4, can_lack=True, within=_POSITIVE),
    _float("interest_coverage_x", "×", 4, can_lack=True, within=_POSITIVE),
    _float("debt_due_12m", "share", 4, can_lack=True, within=_SHARE),
    _float("log_assets", "ln USD m", 4, can_lack=True),
    _float("esg_score", "0-100", 2, nullable=True, within=_SCALE),
    _float("esg_e", "0-100", 2, nullable=True, within=_SCALE),
    _float("esg_s", "0-100", 2, nullable=True, within=_SCALE),
    _float("esg_g", "0-100", 2, nullable=True, within=_SCALE),
    _float("esg_provider2", "0-100", 2, nullable=True, within=_SCALE),
    _float("bid_ask_bps", "bp of price", 3, can_lack=True, within=_POSITIVE),
    _float("turnover_annual", "1/year", 4, can_lack=True, within=_POSITIVE),
    _float("zero_trade_share", "share", 4, can_lack=True, within=_SHARE),
    _float("liquidity_index", "0-100", 3, can_lack=True, within=_SCALE),
    _float("fund_ownership", "share", 4, can_lack=True, within=_SHARE),
    _float("news_sentiment", "z", 4, can_lack=True),
    _float("web_traffic_z", "z", 4, can_lack=True),
    BondColumn("news_count", "int", "documents", "feature", least=0),
    _float("satellite_activity", "z", 4, nullable=True),
    _float("supplier_stress", "z", 4, can_lack=True),
    _float("market_implied_gap", "z", 4, role="leakage", can_lack=True),
    _float("policy_rate", "%", 4),
    _float("slope", "%", 4),
    _float("cpi_yoy", "%", 4),
    _float("fx_vol", "1/√year", 5, within=_POSITIVE),
    _float("credit_cycle", "z", 4),
    _float("vix", "index", 3, within=_POSITIVE),
    _float("dealer_inventory_z", "z", 4),
    BondColumn("recent_downgrade", "bool", "", "feature"),
    BondColumn("first_call_date", "date", "", "price", nullable=True),
    _float("spread_bps", "bp", 3, role="price"),
    _float("base_yield_pct", "%", 5, role="price"),
    _float("ytm_pct", "%", 5, role="price"),
    _float("clean_price", "% of par", 5, role="price", within=_POSITIVE),
    _float("mod_duration", "years", 5, role="price", within=_POSITIVE),
    _float("convexity", "years²", 4, role="price", within=_POSITIVE),
    BondColumn("downgrade_12m", "int", "0/1", "label", least=0, most=1),
    BondColumn("upgrade_12m", "int", "0/1", "label", least=0, most=1),
    BondColumn("default_12m", "int", "0/1", "label", least=0, most=1),
    BondColumn("liquidity_shock_1m", "int", "0/1", "label", least=0, most=1),
    BondColumn("is_anomaly", "int", "0/1", "label", least=0, most=1),
    _category("anomaly_type", role="label"),
    _category("rating_next", role="label"),
)

TRUTH_COLUMNS: tuple[BondColumn, ...] = (
    _id("bond_id"),
    _id("as_of_date", "date"),
    _float("s_full", "bp", 9),
    _float("s_opt", "bp", 9),
    _float("eta_down", "logit", 9),
    _float("p_down", "1", 9),
    _float("p_liq", "1", 9),
    _float("u_issuer", "ln bp", 9),
    _float("u_issuer_year", "ln bp", 9),
    _float("u_bond", "ln bp", 9),
    _float("u_sector_month", "ln bp", 9),
    _float("u_region_month", "ln bp", 9),
    _float("clean_spread", "bp", 9),
    BondColumn("clean_rating_num", "int", "notch 0-20", "label"),
)
"""Known only to the generator; kept in a separate file, and never a feature."""

BY_NAME = {column.name: column for column in COLUMNS}


def names(*, role: BondColumnRole | None = None, kind: BondColumnKind | None = None) -> tuple[str, ...]:
    """Return the names of the panel's columns, in order, optionally of one role or kind."""
    return tuple(c.name for c in COLUMNS if role in (None, c.role) and kind in (None, c.kind))


def required() -> tuple[str, ...]:
    """Return the columns whose every cell should be filled; the coverage gate counts them."""
    return tuple(c.name for c in COLUMNS if not c.nullable and c.role != "label")
