"""The risk reports: value at risk of each book on some days, against its limits, and what the next day brought.

The P&L of risk is that of the market prices of the positions held, unchanged, over the next weekday; exchange rates are
held. Scenarios are the innovations of the hubs' factors until each of the last 500 weekdays, over as many steps of each
hub as it takes until the next weekday: three of power over a weekend, else one.
"""

import numpy as np
import pandas as pd

from core.arrays import FloatArray, IntArray
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.desks import BOOK_NAMES, OPTION_BOOK
from core.domains.etrm.data.frames import named
from core.domains.etrm.data.ledger import BookLedger, Holdings, joined
from core.domains.etrm.data.market import Market, open_market
from core.domains.etrm.data.prices import PriceSeries, delivery_middle
from core.domains.etrm.data.trade_block import (
    CALL,
    CANCELLED,
    legs,
    month_price,
    option_values,
)
from core.domains.etrm.data.trades import draw_blocks
from core.domains.etrm.risk.historical import historical_es, historical_var
from core.domains.etrm.risk.measures import HIGH, LOW, TAIL
from core.domains.etrm.risk.parametric import component_var, covariance_of, parametric_var, z_of

_HALF = 0.5


def report_days(market: Market) -> list[int]:
    """Return the days of the reports: spread evenly over the trading days, the very last left out."""
    trading = market.prices.days.trading[:-1]
    wanted = -(-market.settings.num_risk_reports // len(market.desks.books))
    n = min(wanted, len(trading))
    return [int(trading[(i + 1) * len(trading) // n - 1]) for i in range(n)]


def weekdays_of(prices: PriceSeries) -> IntArray:
    """Return the weekdays of the price series."""
    return np.flatnonzero(prices.days.is_weekday[: prices.days.n_priced])


def factor_moves(prices: PriceSeries, until: IntArray, n_days: int) -> FloatArray:
    """Return what moved the factors until each of some weekdays, over as many steps as `n_days` days have.

    The moves of power, whose prices have a step every day, are those of the last `n_days` days, whatever the weekday;
    those of the others are those of one weekday. So all have the law of the next move, if it takes `n_days` days.

    Args:
        prices: The prices.
        until: The weekdays, none among the first `n_days` days, shape (w,).
        n_days: Days until the next weekday: 3 on a Friday, else 1.
    Returns:
        The innovations of the short and of the long factors, shape (w, 2k).
    """
    hubs = np.arange(len(prices.names))
    is_daily = np.array([cal.PRICE_LAWS.value[hub.commodity].is_daily for hub in prices.hubs])
    before = np.searchsorted(weekdays_of(prices), until) - 1
    since = np.where(is_daily, until[:, None] - n_days, weekdays_of(prices)[before][:, None])
    short, long, _ = prices.curve.decay(since, hubs, until[:, None])
    return np.concatenate(
        [
            prices.short_factor[until] - short * prices.short_factor[since, hubs],
            prices.long_factor[until] - long * prices.long_factor[since, hubs],
        ],
        axis=1,
    )


class Exposure:
    """What positions of one book would earn if the factors moved."""

    def __init__(self, market: Market, day: int, holdings: Holdings) -> None:
        """Measure how far each position moves with the factors of its hub."""
        curve, hub = market.prices.curve, holdings.hub
        at = np.full(len(holdings), day)
        delivery = delivery_middle(curve.days, at, holdings.month)
        self._hub, self._n_hubs = hub, len(market.prices.names)
        self._short, self._long, _ = curve.decay(at, hub, delivery)
        euros = market.prices.euros(np.array(day), hub)
        delta, gamma = np.ones(len(holdings)), np.zeros(len(holdings))
        option = np.flatnonzero(holdings.option_type)
        value = option_values(
            curve,
            at[option],
            hub[option],
            holdings.month[option],
            holdings.strike[option],
            holdings.option_type[option] == CALL,
        )
        delta[option], gamma[option] = value.delta, value.gamma
        forward = month_price(curve, at, hub, holdings.month)
        shifted = forward + curve.shift[hub]
        self._slope = holdings.net * delta * shifted * euros
        self._bend = holdings.net * gamma * shifted**2 * euros
        value_now = holdings.net * delta * forward * euros
        self.gross, self.net = float(np.abs(value_now).sum()), float(abs(value_now.sum()))

    @property
    def weights(self) -> FloatArray:
        """The change of value for a move of 1 of each factor, in euros, shape (2k,)."""
        short = np.bincount(self._hub, self._slope * self._short, minlength=self._n_hubs)
        return np.concatenate([short, np.bincount(self._hub, self._slope * self._long, minlength=self._n_hubs)])

    def pnl(self, moves: FloatArray) -> FloatArray:
        """Return the P&L in euros for moves of all factors, shape (n, 2k)."""
        total = np.zeros(len(moves))
        for hub in np.unique(self._hub):
            rows = self._hub == hub
            log = np.outer(moves[:, hub], self._short[rows])
            log += np.outer(moves[:, self._n_hubs + hub], self._long[rows])
            change = np.expm1(log)
            total += change @ self._slope[rows] + change**2 @ (_HALF * self._bend[rows])
        return total


class RiskReports:
    """Collects the reports day by day."""

    def __init__(self, market: Market) -> None:
        """Prepare the scenarios and the limits."""
        self._market = market
        self._weekdays = weekdays_of(market.prices)
        self._limits = book_limits(market)
        self._rows: list[dict[str, float | int]] = []

    def take(self, day: int, ledger: BookLedger) -> None:
        """Add a report of each book."""
        place = int(np.searchsorted(self._weekdays, day))
        window = self._weekdays[place + 1 - cal.VAR_WINDOW.value : place + 1]
        moves = factor_moves(self._market.prices, window, int(self._weekdays[place + 1]) - day)
        covariance = covariance_of(moves)
        holdings = ledger.holdings(day)
        credit = _credit_exposures(self._market, day, ledger)
        earned = _next_day(self._market, day, int(self._weekdays[place + 1]), holdings)
        for book in self._market.desks.books.tolist():
            rows = holdings.book == book
            exposure = Exposure(self._market, day, holdings.of(rows))
            self._rows.append(
                {"day": day, "book": book}
                | _figures(exposure, moves, covariance)
                | {"credit_exposure": credit.get(book, 0.0), "actual_pnl_next_day": float(earned[rows].sum())}
            )

    def frame(self) -> pd.DataFrame:
        """Return the reports as the rows of `risk_reports.csv`: those wanted, the first ones left out."""
        market, wanted = self._market, self._market.settings.num_risk_reports
        kept = pd.DataFrame(self._rows[max(len(self._rows) - wanted, 0) :], columns=_FIRST_COLUMNS)
        day, book = (kept[name].to_numpy(dtype=np.int64) for name in ("day", "book"))
        number = {name: kept[name].to_numpy(dtype=np.float64) for name in _FIRST_COLUMNS[2:-1]}
        limit_var, limit_exposure = self._limits[0][book], self._limits[1][book]
        utilisation = np.maximum(number["var99_hist"] / limit_var, number["gross_exposure"] / limit_exposure)
        actual = number.pop("actual_pnl_next_day")
        return pd.DataFrame(
            {
                "as_of_date": market.prices.days.dates[day].astype("datetime64[s]"),
                "book": named(book, BOOK_NAMES),
                **number,
                "limit_var": limit_var,
                "limit_exposure": limit_exposure,
                "utilisation": utilisation,
                "breach_flag": utilisation > 1,
                "actual_pnl_next_day": actual,
                "exceed95": actual < -number["var95_hist"],
                "exceed99": actual < -number["var99_hist"],
                "top_driver": named(kept["top_driver"].to_numpy(dtype=np.int64), market.prices.names),
            },
            copy=False,
        )


_FIGURES = (
    *("var95_hist", "var975_hist", "var99_hist", "var95_param", "var99_param", "es975"),
    *("gross_exposure", "net_exposure"),
)
_FIRST_COLUMNS = ["day", "book", *_FIGURES, "credit_exposure", "actual_pnl_next_day", "top_driver"]


def _figures(exposure: Exposure, moves: FloatArray, covariance: FloatArray) -> dict[str, float | int]:
    pnl, weights = exposure.pnl(moves), exposure.weights
    parts = np.abs(component_var(weights, covariance, HIGH).reshape(2, -1).sum(axis=0))
    return {
        "var95_hist": float(historical_var(pnl, LOW)) + 0.0,
        "var975_hist": float(historical_var(pnl, TAIL)) + 0.0,
        "var99_hist": float(historical_var(pnl, HIGH)) + 0.0,
        "var95_param": parametric_var(weights, covariance, LOW),
        "var99_param": parametric_var(weights, covariance, HIGH),
        "es975": float(historical_es(pnl, TAIL)) + 0.0,
        "gross_exposure": exposure.gross,
        "net_exposure": exposure.net,
        "top_driver": int(parts.argmax()) if parts.any() else -1,
    }


def _next_day(market: Market, day: int, next_day: int, holdings: Holdings) -> FloatArray:
    """Return what each position earns until the next weekday, in euros at the rate of the day."""
    settled = holdings.month < market.prices.days.month[next_day]  # at the last price of the month: nothing moves
    change = holdings.marks(market, next_day) - holdings.marks(market, day)
    return np.where(settled, 0.0, holdings.net * change * market.prices.euros(np.array(day), holdings.hub))


def _credit_exposures(market: Market, day: int, ledger: BookLedger) -> dict[int, float]:
    """Return the uncleared exposure of each book: what each counterparty owes net, and an add-on of the gross."""
    book, value, gross = ledger.credit(day)
    add_on = cal.CREDIT_ADD_ON.value
    result = {}
    for number in np.unique(book).tolist():
        rows = book == number
        owed = np.maximum(value[rows].sum(axis=0), 0.0).sum()
        result[number] = float(owed + add_on * gross[rows].sum())
    result[OPTION_BOOK] = result.get(OPTION_BOOK, 0.0) + _credit_of_options(market, day, ledger)
    return result


def _credit_of_options(market: Market, day: int, ledger: BookLedger) -> float:
    """Return what the uncleared options of each counterparty are worth to the firm; premiums are paid at once."""
    trades = ledger.open_options(day)
    trades = trades.take(~trades.is_cleared)
    at = np.full(len(trades), day)
    value = option_values(
        market.prices.curve, at, trades.hub, trades.month, trades.strike, trades.option_type == CALL
    ).value
    worth = trades.sign * trades.units * value * market.prices.euros(np.array(day), trades.hub)
    return float(np.maximum(np.bincount(trades.counterparty, worth), 0.0).sum()) if len(trades) else 0.0


def book_limits(market: Market) -> tuple[FloatArray, FloatArray]:
    """Return the limits of VaR and of gross exposure of each book, in euros.

    They follow from the business planned, not from the prices or trades that came: the sides of trades are coins, so
    the variance of a book is the sum over its open trades; a sample of trades of the same law gives it, at the long-run
    prices and the volatility of the slow factor.
    """
    settings = market.settings
    sample = _sample_market(market)
    days, curve = market.prices.days, market.prices.curve
    block = joined(list(draw_blocks(sample)))
    block = block.take(block.status != CANCELLED)
    sigma = np.array([law.sigma_long for law in cal.PRICE_LAWS.value.values()])[market.prices.commodity_index]
    worth, risk, life = np.zeros((3, len(block)))
    for leg in legs(block, market.prices):
        hub, ahead = block.hub[leg.row], days.month_last[leg.month] - block.day[leg.row]
        value = leg.units * curve.level[hub] * _mean_euros(market)[hub]
        worth[leg.row] += value
        moves = sigma[hub] * np.exp(-cal.LONG_KAPPA.value * ahead / cal.DAYS_IN_YEAR)
        risk[leg.row] += value * moves / np.sqrt(cal.WEEKDAYS_IN_YEAR.value)
        life[leg.row] += ahead / block.n_months[leg.row]
    n_days = (settings.end_date - settings.start_date).days + 1
    open_share = np.minimum(life / n_days, 1.0) * settings.num_trades / sample.settings.num_trades
    n_books = len(BOOK_NAMES)
    limits = []
    for amount, multiple in ((risk * z_of(HIGH), cal.VAR_LIMIT.value), (worth, cal.EXPOSURE_LIMIT.value)):
        variance = np.bincount(block.book, amount**2 * open_share, minlength=n_books)
        limits.append(_two_digits(np.maximum(multiple * np.sqrt(variance), cal.LEAST_LIMIT.value)))
    return limits[0], limits[1]


def _sample_market(market: Market) -> Market:
    """Return the same market with the sample of trades that limits are set by."""
    settings = market.settings
    changed = type(settings)(
        **{name: getattr(settings, name) for name in settings.__struct_fields__}
        | {"num_trades": cal.LIMIT_SAMPLE.value, "random_seed": 0, "price_seed": settings.path_seed}
    )
    return open_market(changed, market.prices)


def _mean_euros(market: Market) -> FloatArray:
    rate = 1 / cal.EUR_USD.value["mean"]
    return np.array([rate if hub.currency == "USD" else 1.0 for hub in market.prices.hubs])


def _two_digits(amount: FloatArray) -> FloatArray:
    """Round amounts to two significant digits, as a committee sets limits."""
    unit = np.float64(10) ** (np.floor(np.log10(amount)) - 1)
    return np.asarray(np.rint(amount / unit) * unit)
