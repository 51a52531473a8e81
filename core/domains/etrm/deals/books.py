"""Books, their days, and the chance that a book is over a limit on that day or one of the next five.

The utilisation of a book is the larger of two shares, as in the risk reports: VaR at 99 % over the limit of VaR, and
the gross exposure over the limit of that. A book that is over a limit today is in breach; the others may come to be.
"""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.domains.draws import codes_at, stream
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.settings import COMMODITIES
from core.domains.etrm.deals import calibration as cal
from core.domains.etrm.deals.markets import Markets, commodity_volatility
from core.domains.etrm.deals.moves import UNMOVED, DealMoves
from core.domains.etrm.deals.settings import DealSettings

BOOK_NAMES = tuple(book.name for book in market_cal.BOOKS.value)
_NODES = 20


@dataclass(frozen=True, slots=True)
class BookDays:
    """Each book on each of its days, m of them in the order of their books.

    Attributes:
        n_deals: The deals of each, at least one.
        book: The number of the book, from 0.
        kind: Its position in `BOOK_NAMES`.
        day: The trading day.
        columns: What is published of it, by column.
        breach_chance: The probability of a breach, frailty integrated out; 1 for a book that is over a limit.
        breached: What happened.
        book_effect: The unobserved effect of each book on its scores, in log odds, by number.
    """

    n_deals: IntArray
    book: IntArray
    kind: IntArray
    day: IntArray
    columns: dict[str, FloatArray]
    breach_chance: FloatArray
    breached: IntArray
    book_effect: FloatArray


def draw_book_days(
    seed: int, n_rows: int, settings: DealSettings, markets: Markets, moves: DealMoves = UNMOVED
) -> BookDays:
    """Draw books until they have at least `n_rows` deals; their risk follows the volatility of what they trade."""
    rng = stream(seed, "books")
    mean = (1 + cal.DAYS_PER_BOOK.value) * (1 + cal.DEALS_PER_DAY.value)
    n_books = int(np.ceil(1.3 * n_rows / mean)) + 8
    kinds = codes_at(rng.random(n_books), np.array([book.weight for book in market_cal.BOOKS.value]))
    n_days = 1 + rng.poisson(cal.DAYS_PER_BOOK.value, n_books)
    effect = rng.normal(0.0, cal.SCORE_BOOK_SD.value, n_books)
    frailty = rng.normal(0.0, cal.BREACH_LAW.value["frailty_sd"], n_books)
    start, gap = rng.integers(0, len(markets.dates), n_books), rng.integers(7, 40, n_books)
    book = np.repeat(np.arange(n_books), n_days)
    rank = np.arange(len(book)) - np.repeat(np.cumsum(n_days) - n_days, n_days)
    day = (start[book] + rank * gap[book]) % len(markets.dates)
    n_deals = 1 + rng.poisson(cal.DEALS_PER_DAY.value, len(book))
    columns = _figures(seed, len(book), settings, kinds[book], day, markets, moves.of_books())
    drift = breach_log_odds(columns, kinds[book])
    is_over = columns["utilisation"] > 1
    chance = np.where(is_over, 1.0, _integrated(drift, cal.BREACH_LAW.value["frailty_sd"]))
    happened = is_over | (rng.random(len(book)) < _logistic(drift + frailty[book]))
    return BookDays(n_deals, book, kinds[book], day, columns, chance, happened.astype(np.int64), effect)


def breach_log_odds(columns: dict[str, FloatArray], kind: IntArray) -> FloatArray:
    """Return the log odds of a breach of a book that is within its limits, without frailty."""
    law, centre = cal.BREACH_LAW.value, cal.BREACH_CENTRES.value
    return np.asarray(
        law["intercept"]
        + law["ln_utilisation"] * np.log(columns["utilisation"])
        + law["utilisation_change"] * columns["utilisation_change"]
        + law["ln_book_volatility"] * (np.log(columns["book_volatility"]) - centre["ln_book_volatility"])
        + law["pending_share"] * columns["pending_share"]
        + law["net_share"] * columns["net_exposure_meur"] / columns["gross_exposure_meur"]
        + law["prop"] * (kind == BOOK_NAMES.index("PROP"))
    )


def _figures(
    seed: int, n: int, settings: DealSettings, kind: IntArray, day: IntArray, markets: Markets, riskier: FloatArray
) -> dict[str, FloatArray]:
    rng = stream(seed, "book figures")
    mean, sd = cal.LN_UTILISATION.value
    utilisation = np.round(np.exp(rng.normal(mean + settings.utilisation_shift, sd, n)) * riskier[kind], 4)
    limit = np.round(np.exp(rng.normal(*cal.LIMIT_EUR.value, n)), 0)
    gross = np.round(np.exp(rng.normal(*cal.GROSS_EXPOSURE.value, n)), 4)
    ratio, excess_sd = cal.VAR99_OVER_VAR95.value
    rest = stream(seed, "book limits")
    var_binds, further = rest.random(n) < cal.VAR_LIMIT_BINDS.value, rest.uniform(*cal.OTHER_LIMIT.value, n)
    var99 = utilisation * np.where(var_binds, 1.0, further) * limit
    trades = np.array([[name in book.commodities for name in COMMODITIES] for book in market_cal.BOOKS.value])
    of_book = (commodity_volatility(markets)[day] * trades[kind]).sum(axis=1) / trades[kind].sum(axis=1)
    return {
        "utilisation": utilisation,
        "utilisation_change": np.round(rng.normal(0.0, cal.UTILISATION_CHANGE_SD.value, n), 4),
        "book_volatility": np.round(of_book * riskier[kind], 4),
        "pending_share": np.round(rng.beta(*cal.PENDING_SHARE.value, n), 4),
        "gross_exposure_meur": gross,
        "net_exposure_meur": np.round(gross * rng.beta(*cal.NET_SHARE.value, n), 4),
        "var95_eur": np.round(var99 / (1 + (ratio - 1) * np.exp(rng.normal(0.0, excess_sd, n))), 2),
        "var99_eur": np.round(var99, 2),
        "limit_var_eur": limit,
        "limit_exposure_meur": np.round(gross / (utilisation * np.where(var_binds, further, 1.0)), 6),
    }


def _integrated(drift: FloatArray, sd: float) -> FloatArray:
    """Return the mean of the logistic function over a normal effect, by 20 Gauss-Hermite nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return np.asarray(_logistic(drift[:, None] + sd * nodes) @ (weights / weights.sum()))


def _logistic(log_odds: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))
