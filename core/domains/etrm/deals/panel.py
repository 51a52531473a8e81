"""A whole panel of deals: books and their days, deals with their labels, injected faults, and the separate truth."""

from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.domains.draws import codes_at, draw_codes, stream
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.settings import COMMODITIES
from core.domains.etrm.deals import calibration as cal
from core.domains.etrm.deals.books import BOOK_NAMES, BookDays, draw_book_days
from core.domains.etrm.deals.columns import CATEGORIES, COLUMNS
from core.domains.etrm.deals.hidden import hide, known_of
from core.domains.etrm.deals.markets import SLOPE_TENOR, Markets, markets_of
from core.domains.etrm.deals.moves import UNMOVED, DealMoves
from core.domains.etrm.deals.quotes import miss_of, price_unit, quote_sd
from core.domains.etrm.deals.scores import DealLabels, expected_log_odds, mean_parts, score_parts
from core.domains.etrm.deals.settings import DealSettings
from core.models.interface import Panel
from core.progress import begins

HOURS_A_MONTH = 730.0


def draw_deals(n_rows: int, seed: int, price_seed: int, settings: DealSettings, moves: DealMoves = UNMOVED) -> Panel:
    """Draw a panel of exactly `n_rows` deals; the same arguments give the same bytes.

    Args:
        n_rows: How many deals.
        seed: Draws books, deals, noise and labels; panels of different seeds share no book.
        price_seed: Draws the price path.
        settings: The period, and the injected faults.
        moves: What moves the markets on the day of every deal.
    """
    begins(f"drawing {n_rows:,} deals")
    markets = markets_of(price_seed, settings.n_years)
    days = draw_book_days(seed, n_rows, settings, markets, moves)
    at = np.repeat(np.arange(len(days.book)), days.n_deals)[:n_rows]
    labels, columns = _deals(seed, days, at, markets)
    if moves is not UNMOVED:
        columns |= _moved(columns, labels["hub"][0], markets, moves)
    empty = _empty_cells(seed, n_rows, settings)
    hide(seed, columns, empty)
    off_market = _off_market(seed, n_rows, settings)
    sd = quote_sd(columns, labels)
    columns["price"] = np.round(_prices(seed, columns["market_price"], sd, off_market), 4)
    miss = miss_of(columns["price"], columns["market_price"])
    known = known_of(miss, columns, labels, empty, settings.off_market_share)
    _value(seed, settings, columns, labels)
    parts = score_parts(columns, labels)
    log_odds = expected_log_odds(parts, empty, mean_parts(labels, known.ln_volatility, known.ln_liquidation))
    full = expected_log_odds(parts, {}, {})
    noise = stream(seed, "scores").normal(0.0, settings.score_noise, n_rows)
    score = 1.0 / (1.0 + np.exp(-(full + days.book_effect[days.book[at]] + noise)))
    columns |= {
        "risk_score": np.clip(score, 1e-6, 1 - 1e-6),
        "limit_breach_5d": days.breached[at].astype(np.float64),
        "is_off_market": off_market.astype(np.float64),
    }
    keys = {
        "deal_id": np.array([f"D{seed:010d}-{number:07d}" for number in range(n_rows)], dtype=object),
        "book_id": np.array([f"B{seed:010d}-{number:06d}" for number in days.book[at]], dtype=object),
        "as_of_date": markets.dates[days.day[at]],
    }
    truth = pd.DataFrame(
        {
            "log_odds": log_odds,
            "breach_chance": days.breach_chance[at],
            "off_market_evidence": known.evidence,
            "quote_sd": sd,
        }
    )
    return Panel(_frame(keys, labels, columns, empty), truth)


def _deals(seed: int, days: BookDays, at: IntArray, markets: Markets) -> tuple[DealLabels, dict[str, FloatArray]]:
    """Draw what is known of each deal but its price and its value."""
    rng = stream(seed, "deals")
    n = len(at)
    commodity = _commodities(rng.random(n), days.kind[at])
    hub = _hubs(rng.random(n), commodity, markets)
    tenor = codes_at(rng.random(n), np.array(cal.TENOR_SHARES.value))
    day = days.day[at]
    lots = [market_cal.LOTS.value[name][0] for name in COMMODITIES]
    contracts = [market_cal.CONTRACTS.value[name] for name in COMMODITIES]
    units = np.array([each.lot_units * (HOURS_A_MONTH if each.is_hourly else 1.0) for each in contracts])
    volume = np.array(lots)[commodity] * units[commodity] * np.exp(rng.normal(0.0, market_cal.LOTS_SD.value, n))
    hedged = np.array([book.hedge_share for book in market_cal.BOOKS.value])[days.kind[at]]
    labels: DealLabels = {
        "book": (days.kind[at], BOOK_NAMES),
        "commodity": (commodity, COMMODITIES),
        "hub": (hub, markets.names),
        "instrument": (draw_codes(rng, cal.INSTRUMENT_SHARES.value, n), CATEGORIES["instrument"]),
        "venue": (draw_codes(rng, cal.VENUE_SHARES.value, n), CATEGORIES["venue"]),
        "side": (rng.integers(0, 2, n), CATEGORIES["side"]),
        "status": ((rng.random(n) < cal.CANCELLED_SHARE.value).astype(np.int64), CATEGORIES["status"]),
        "counterparty_grade": (draw_codes(rng, cal.GRADE_SHARES.value, n), CATEGORIES["counterparty_grade"]),
    }
    columns = {name: values[at] for name, values in days.columns.items()} | {
        "collateralised": (rng.random(n) < cal.COLLATERAL_SHARE.value).astype(np.float64),
        "hedge_flag": (rng.random(n) < hedged).astype(np.float64),
        "volume": np.maximum(np.round(volume), 1.0),
        "market_price": np.round(markets.forward[day, hub, tenor], 4),
        "volatility": np.round(markets.volatility[day, hub], 4),
        "tenor_months": np.array(cal.TENOR_MONTHS.value, dtype=np.float64)[tenor],
        "exposure_meur": np.maximum(np.round(np.exp(rng.normal(*cal.LN_EXPOSURE.value, n)), 4), 1e-4),
        "liquidation_days": np.maximum(np.round(np.exp(rng.normal(*cal.LN_LIQUIDATION_DAYS.value, n)), 4), 0.01),
        "concentration": np.round(rng.beta(*cal.CONCENTRATION.value, n), 4),
        "curve_slope": np.round(markets.slope[day, hub], 4),
        "fx_rate": np.where(markets.is_usd[hub], cal.FX_RATE.value["USD"], cal.FX_RATE.value["EUR"]),
        "over_limit": (days.columns["utilisation"][at] > 1).astype(np.float64),
    }
    return labels, columns


def _moved(columns: dict[str, FloatArray], hub: IntArray, markets: Markets, moves: DealMoves) -> dict[str, FloatArray]:
    """Return the columns of deals that the market tells, as moved."""
    commodity, months = markets.commodity[hub], columns["tenor_months"]
    shift = np.array([market_cal.PRICE_LAWS.value[name].shift for name in COMMODITIES])[commodity]
    shifted = (columns["market_price"] + shift) * np.exp(moves.ln_price(hub, months))
    near, far = np.ones(len(hub)), np.full(len(hub), float(SLOPE_TENOR))
    return {
        "market_price": np.round(shifted - shift + moves.price(hub, months), 4),
        "volatility": np.round(columns["volatility"] * np.array(moves.volatility)[commodity], 4),
        "liquidation_days": np.round(columns["liquidation_days"] * np.array(moves.liquidation)[hub], 4),
        "curve_slope": np.round(columns["curve_slope"] + moves.ln_price(hub, far) - moves.ln_price(hub, near), 4),
    }


def _commodities(uniform: FloatArray, kind: IntArray) -> IntArray:
    """Choose a commodity of each deal's book, by the weights of the market."""
    weight = np.array([market_cal.COMMODITY_WEIGHTS.value[name] for name in COMMODITIES])
    chosen = np.zeros(len(kind), dtype=np.int64)
    for number, book in enumerate(market_cal.BOOKS.value):
        rows = kind == number
        chosen[rows] = codes_at(uniform[rows], weight * np.array([name in book.commodities for name in COMMODITIES]))
    return chosen


def _hubs(uniform: FloatArray, commodity: IntArray, markets: Markets) -> IntArray:
    chosen = np.zeros(len(commodity), dtype=np.int64)
    for code in range(len(COMMODITIES)):
        rows = commodity == code
        chosen[rows] = codes_at(uniform[rows], markets.weight * (markets.commodity == code))
    return chosen


def _off_market(seed: int, n_rows: int, settings: DealSettings) -> BoolArray:
    """Choose the off-market deals, by count."""
    chosen = np.zeros(n_rows, dtype=np.bool_)
    n = round(settings.off_market_share * n_rows)
    chosen[stream(seed, "off market").permutation(n_rows)[:n]] = True
    return chosen


def _prices(seed: int, market: FloatArray, sd: FloatArray, off_market: BoolArray) -> FloatArray:
    rng = stream(seed, "prices")
    miss = rng.normal(0.0, 1.0, len(market))
    moved = rng.uniform(*cal.OFF_MARKET.value, len(market)) * rng.choice((-1.0, 1.0), len(market))
    return np.asarray(market + price_unit(market) * sd * (miss + np.where(off_market, moved, 0.0)))


def _value(seed: int, settings: DealSettings, columns: dict[str, FloatArray], labels: DealLabels) -> None:
    """Value each deal at the market; a cancelled one weighs nothing. Some contradict, if the settings want it."""
    sign = np.where(labels["side"][0] == 0, 1.0, -1.0) * (labels["status"][0] == 0)
    value = sign * columns["volume"] * (columns["market_price"] - columns["price"]) * columns["fx_rate"]
    rng = stream(seed, "contradictions")
    wrong = rng.random(len(value)) < settings.identity_error_rate
    columns["mtm_eur"] = np.round(np.where(wrong, 1.5 * value + 1_000.0, value), 2) + 0.0


def _empty_cells(seed: int, n_rows: int, settings: DealSettings) -> dict[str, BoolArray]:
    rng = stream(seed, "empty cells")
    return {column.name: rng.random(n_rows) < settings.missing_rate for column in COLUMNS if column.can_lack}


def _frame(
    keys: dict[str, AnyArray], labels: DealLabels, columns: dict[str, FloatArray], empty: dict[str, BoolArray]
) -> pd.DataFrame:
    """Arrange arrays by the column dictionary, rounded as published."""
    laid_out: dict[str, Any] = {}
    for column in COLUMNS:
        if column.kind == "category":
            codes, names = labels[column.name]
            laid_out[column.name] = pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(list(names)))
        elif column.kind == "date":
            laid_out[column.name] = keys[column.name].astype("datetime64[s]")
        elif column.kind == "string":
            laid_out[column.name] = keys[column.name]
        elif column.kind == "bool":
            laid_out[column.name] = columns[column.name].astype(np.int64)
        else:
            values = np.round(columns[column.name], column.decimals) + 0.0
            laid_out[column.name] = np.where(empty[column.name], np.nan, values) if column.can_lack else values
    return pd.DataFrame(laid_out, copy=False)
