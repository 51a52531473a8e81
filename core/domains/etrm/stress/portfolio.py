"""A portfolio of energy positions as arrays: of the domain, of a user's file, or a panel of deals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.data.black import OptionValue, black
from core.domains.etrm.data.prices import log_variance
from core.domains.etrm.deals.calibration import FX_RATE
from core.domains.etrm.stress import calibration as own
from core.domains.etrm.stress.shock import HUB_NAMES
from core.errors import UsageError
from core.tables import Table
from core.tables.signature import NUMERIC, ColumnKind

HUB_COMMODITY = np.array([market_cal.COMMODITIES.index(hub.commodity) for hub in market_cal.HUBS.value])
IS_USD = np.array([hub.currency == "USD" for hub in market_cal.HUBS.value])
_LAWS = [market_cal.PRICE_LAWS.value[name] for name in market_cal.COMMODITIES]
SHIFT = np.array([law.shift for law in _LAWS])
STEPS_A_YEAR = np.array([law.days_per_year for law in _LAWS])
MILLION = 1e6
_IS_DAILY = np.array([law.is_daily for law in _LAWS])
_NEEDED = ("hub", "net_quantity_units", "mark_price")
_NUMBERS = (
    *("net_quantity_units", "mark_price", "strike", "avg_price", "fx_rate"),
    *("tenor_months", "underlying_price", "delta_units", "delta_cash"),
)
_DATES = ("as_of_date", "delivery_month")
_LEAST_DELTA, _HALVINGS, _MOST_ROOT = 1e-6, 80, 6.0
_HALF_MONTH = 0.5
_MOST_UNITS = 1e12
_LARGEST = dict.fromkeys(("mark_price", "strike", "avg_price", "underlying_price"), 1e6) | {"tenor_months": 1e3}
"""Beyond, a number of a user's file is an error of the source, and no figure would follow from it."""


@dataclass(frozen=True)
class EnergyPortfolio:
    """Positions that are held; every array has shape (n,).

    Attributes:
        names: Book, hub, delivery, and of an option its type and strike.
        book: The books.
        hub: In `HUB_NAMES`.
        net: Units of delivery, negative if sold.
        forward: Price of the delivery, of the underlying of an option, in currency per unit.
        ahead: Steps of the price process until the delivery.
        after_expiry: Steps from the expiry of an option to its delivery.
        years: Until the delivery.
        is_option: Which are options.
        is_call: Which of these are calls.
        strike: Of options; 0 elsewhere.
        variance: Of the log of the shifted price until expiry; 0 elsewhere.
        fx: Euros per unit of currency.
        open_value: What the positions have won or lost so far, EUR m.
        notes: What was assumed or left out.
    """

    names: AnyArray
    book: AnyArray
    hub: IntArray
    net: FloatArray
    forward: FloatArray
    ahead: FloatArray
    after_expiry: FloatArray
    years: FloatArray
    is_option: BoolArray
    is_call: BoolArray
    strike: FloatArray
    variance: FloatArray
    fx: FloatArray
    open_value: FloatArray
    notes: tuple[str, ...] = ()

    @classmethod
    def of_table(cls, table: Table) -> "EnergyPortfolio":
        """Read positions from a file in the columns of `positions.csv`.

        Raises:
            TableError: A column is missing, or a cell is wrong.
        """
        for name in _NEEDED:
            if name not in table.frame:
                raise table.error(f"it lacks {name}", "Add it: the page on stress tests lists the columns.")
        frame = pd.DataFrame({"hub": _words(table, "hub", HUB_NAMES)})
        for name in _NUMBERS:
            if name in table.frame:
                frame[name] = _numbers(table, name)
        for name in _DATES:
            if name in table.frame:
                frame[name] = _dates(table, name)
        if "option_type" in table.frame:
            frame["option_type"] = _words(table, "option_type", ("call", "put"), may_lack=True)
        if "book" in table.frame:
            frame["book"] = table.frame["book"].astype(object)
        try:
            return cls.of_positions(frame)
        except UsageError as error:
            raise table.error(str(error), "The page on stress tests lists the columns.") from None

    @classmethod
    def of_positions(cls, frame: pd.DataFrame) -> "EnergyPortfolio":
        """Take positions of the domain; of several days, the newest is held.

        Raises:
            UsageError: A column that a price needs is missing, or no position can be priced.
        """
        notes: list[str] = []
        frame = _newest(frame, notes)
        hub = _codes(frame["hub"], HUB_NAMES)
        commodity = HUB_COMMODITY[hub]
        ahead, after_expiry, years = _times(frame, commodity)
        option = _codes(frame.get("option_type"), ("call", "put"), len(frame))
        is_option, strike = option >= 0, _number(frame, "strike", np.nan)
        mark, net = _number(frame, "mark_price"), _number(frame, "net_quantity_units")
        forward = np.where(is_option, _underlying(frame, is_option), mark)
        fx = _filled(_number(frame, "fx_rate", np.nan), _usual_fx(hub))
        opened = (mark - _filled(_number(frame, "avg_price", np.nan), mark)) * net * fx / MILLION
        sound = np.isfinite(net) & np.isfinite(mark) & (ahead >= 0) & (forward + SHIFT[commodity] > 0) & (fx > 0)
        sound &= ~is_option | (np.nan_to_num(strike, nan=-np.inf) + SHIFT[commodity] > 0)
        held = cls(
            names=_names(frame),
            book=_books(frame, notes),
            hub=hub,
            net=net,
            forward=forward,
            ahead=ahead,
            after_expiry=after_expiry,
            years=years,
            is_option=is_option,
            is_call=option == 0,
            strike=np.where(is_option, strike, 0.0),
            variance=np.zeros(len(frame)),
            fx=fx,
            open_value=opened,
        )._only(sound, notes)
        return held._with_variance(mark[sound], notes)

    @classmethod
    def of_deals(cls, deals: pd.DataFrame) -> "EnergyPortfolio":
        """Take a panel of deals as positions; cancelled deals weigh nothing.

        Raises:
            UsageError: No deal can be priced.
        """
        notes = ["The portfolio is a panel of deals: each is a position for the delivery at its tenor."]
        deals = deals[(deals["status"] != "cancelled").to_numpy()].reset_index(drop=True)
        hub = _codes(deals["hub"], HUB_NAMES)
        commodity = HUB_COMMODITY[hub]
        tenor = deals["tenor_months"].to_numpy(dtype=np.float64)
        if np.isnan(tenor).any():
            notes.append(f"{int(np.isnan(tenor).sum()):,} deals have no tenor: {own.TYPICAL_TENOR.value:g} months.")
        tenor = _filled(tenor, np.full(len(tenor), own.TYPICAL_TENOR.value))
        is_option = (deals["instrument"] == "option").to_numpy()
        if is_option.any():
            notes.append(f"{int(is_option.sum()):,} deals are options without a strike: calls at the forward.")
        forward, volume = (deals[name].to_numpy(dtype=np.float64) for name in ("market_price", "volume"))
        steps = STEPS_A_YEAR[commodity] / 12
        held = cls(
            names=deals["deal_id"].astype(object).to_numpy(),
            book=deals["book"].astype(object).to_numpy(),
            hub=hub,
            net=np.where(deals["side"] == "buy", volume, -volume),
            forward=forward,
            ahead=tenor * steps,
            after_expiry=np.minimum(tenor, _HALF_MONTH) * steps,
            years=tenor / 12,
            is_option=is_option,
            is_call=is_option,
            strike=np.where(is_option, forward, 0.0),
            variance=np.zeros(len(deals)),
            fx=deals["fx_rate"].to_numpy(dtype=np.float64),
            open_value=deals["mtm_eur"].to_numpy(dtype=np.float64) / MILLION,
        )
        sound = (forward + SHIFT[commodity] > 0) & np.isfinite(volume) & (held.fx > 0)
        held = held._only(sound, notes)
        return held._with_variance(np.full(held.n_instruments, np.nan), notes)

    @property
    def n_instruments(self) -> int:
        """The number of positions."""
        return len(self.net)

    @cached_property
    def commodity(self) -> IntArray:
        """The commodity of each position, in `COMMODITIES`."""
        return HUB_COMMODITY[self.hub]

    @cached_property
    def shift(self) -> FloatArray:
        """The shift of each price: the price plus the shift is positive."""
        return SHIFT[self.commodity]

    @cached_property
    def is_usd(self) -> BoolArray:
        """Which positions are quoted in dollars."""
        return IS_USD[self.hub]

    @cached_property
    def value(self) -> FloatArray:
        """Gross value before any shock: units, of an option times its delta, at the market price, EUR m."""
        delta = self.option_values(self.forward + self.shift, 0.0, self.variance).delta
        return np.abs(self.net * delta * self.forward * self.fx) / MILLION

    @cached_property
    def market_value(self) -> float:
        """Their sum; what is bought and what is sold do not cancel."""
        return float(self.value.sum())

    def option_values(self, shifted: FloatArray, added: Any, variance: FloatArray) -> OptionValue:
        """Value each position per unit, in currency: an option by Black's formula, another one at its price.

        Args:
            shifted: The lognormal part of the price, positive.
            added: What is added to it, shift aside: the strike moves against it.
            variance: Of its log until expiry.
        """
        n = self.n_instruments
        value, delta, gamma, vega = shifted - self.shift + added, np.ones(n), np.zeros(n), np.zeros(n)
        at = np.flatnonzero(self.is_option)
        if len(at):
            strike = (self.strike + self.shift - added)[at]
            is_certain = strike <= 0  # a call that is exercised whatever comes
            found = black(shifted[at], np.where(is_certain, 1.0, strike), variance[at], self.is_call[at])
            certain = np.where(self.is_call[at], 1.0, 0.0)
            value[at] = np.where(is_certain, certain * (shifted[at] - strike), found.value)
            delta[at] = np.where(is_certain, certain, found.delta)
            gamma[at] = np.where(is_certain, 0.0, found.gamma)
            vega[at] = np.where(is_certain, 0.0, found.vega)
        return OptionValue(value, delta, gamma, vega)

    def _only(self, sound: BoolArray, notes: list[str]) -> "EnergyPortfolio":
        """Leave out what cannot be priced."""
        if not sound.all():
            notes.append(
                f"{int((~sound).sum()):,} of {len(sound):,} positions cannot be priced and are left out: no quantity "
                "or price, a delivery that is past, a price below that of the price law, or an option without strike "
                "or price of its underlying."
            )
        if not sound.any():
            raise UsageError("no position can be priced")
        fields = {name: getattr(self, name)[sound] for name in self.__dataclass_fields__ if name != "notes"}
        return EnergyPortfolio(**fields, notes=tuple(notes))

    def _with_variance(self, premium: FloatArray, notes: list[str]) -> "EnergyPortfolio":
        """Take the variance of each option from its price; where it has none, from the price law."""
        variance = np.where(self.is_option, log_variance(self.commodity, self.ahead, self.after_expiry), 0.0)
        low, high = np.zeros(self.n_instruments), np.full(self.n_instruments, _MOST_ROOT)
        shifted = self.forward + self.shift

        def worth(root: FloatArray) -> FloatArray:
            return self.option_values(shifted, 0.0, root**2).value

        quoted = self.is_option & (premium >= worth(low)) & (premium <= worth(high))
        if quoted.any():
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                is_below = worth(middle) < premium
                low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
            variance = np.where(quoted, high**2, variance)
        if n_unquoted := int((self.is_option & ~quoted & np.isfinite(premium)).sum()):
            notes.append(
                f"{n_unquoted:,} options have a price that no volatility explains: that of the price law is used."
            )
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return EnergyPortfolio(**(fields | {"variance": variance, "notes": tuple(notes)}))


def _words(table: Table, name: str, known: tuple[str, ...], *, may_lack: bool = False) -> "pd.Series[Any]":
    values = table.frame[name].astype(object)
    lacks = values.isna() | (values == "")
    strange = (~values.isin(known) & ~(lacks if may_lack else False)).to_numpy()
    if strange.any():
        row = int(np.argmax(strange))
        raise table.error(
            f"{values.iloc[row]!r} is not a known {name}", f"Known: {', '.join(known)}.", column=name, row=row
        )
    return values.where(~lacks, None)


def _numbers(table: Table, name: str) -> FloatArray:
    table.require_clear([name])
    if table.kinds[name] not in NUMERIC:
        raise table.error(f"{name} is no number", "Correct the column.", column=name, row=0)
    numbers = table.frame[name].to_numpy(dtype=np.float64)
    most = _LARGEST.get(name, _MOST_UNITS)
    table.require_within(name, numbers, (-most, most), "Correct it.")
    return numbers


def _dates(table: Table, name: str) -> AnyArray:
    table.require_clear([name])
    if table.kinds[name] is not ColumnKind.TIME:
        raise table.error(f"{name} is no date", "Write it as 2026-03-31.", column=name, row=0)
    return table.frame[name].to_numpy().astype("datetime64[s]")


def _newest(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    if "as_of_date" not in frame:
        return frame.reset_index(drop=True)
    day = frame["as_of_date"]
    last = day.max()
    if (day != last).any():
        notes.append(f"Held are the positions of {last:%Y-%m-%d}; {int((day != last).sum()):,} of other days are not.")
    newest: pd.DataFrame = frame[(day == last).to_numpy()].reset_index(drop=True)
    return newest


def _codes(values: "pd.Series[Any] | None", known: tuple[str, ...], n: int = 0) -> IntArray:
    if values is None:
        return np.full(n, -1, dtype=np.int64)
    return pd.Categorical(values.astype(object), categories=list(known)).codes.astype(np.int64)


def _number(frame: pd.DataFrame, name: str, missing: float = np.nan) -> FloatArray:
    if name not in frame:
        return np.full(len(frame), missing)
    return frame[name].to_numpy(dtype=np.float64)


def _filled(values: FloatArray, usual: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), usual, values)


def _usual_fx(hub: IntArray) -> FloatArray:
    return np.where(IS_USD[hub], FX_RATE.value["USD"], FX_RATE.value["EUR"])


def _times(frame: pd.DataFrame, commodity: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the steps to each delivery, those from the expiry of an option to it, and the years; past: -1."""
    if "delivery_month" in frame and "as_of_date" in frame:
        return _dated_times(frame, commodity)
    if "tenor_months" not in frame:
        raise UsageError("it lacks delivery_month and as_of_date, or tenor_months")
    tenor = np.nan_to_num(_number(frame, "tenor_months"), nan=-1.0)
    steps = STEPS_A_YEAR[commodity] / 12
    return tenor * steps, np.clip(tenor, 0, _HALF_MONTH) * steps, np.maximum(tenor, 0) / 12


def _dated_times(frame: pd.DataFrame, commodity: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Count from the day to the middle of what is left of the delivery month, as the price model does."""
    known = frame["delivery_month"].notna().to_numpy()
    day = frame["as_of_date"].to_numpy().astype("datetime64[D]")
    month = frame["delivery_month"].to_numpy().astype("datetime64[M]")
    month = np.where(known, month, day.astype("datetime64[M]"))
    first, last = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]") - 1
    begin = np.maximum(first, day).astype(np.int64)
    middle = np.maximum((begin + last.astype(np.int64) + 1) // 2, day.astype(np.int64)).astype("datetime64[D]")
    expiry = np.maximum(first - 1, day)
    ahead, after = _steps(day, middle, commodity), _steps(expiry, middle, commodity)
    is_past = (last < day) | ~known
    return np.where(is_past, -1.0, ahead), after, (middle - day).astype(np.float64) / market_cal.DAYS_IN_YEAR


def _steps(start: AnyArray, end: AnyArray, commodity: IntArray) -> FloatArray:
    weekdays = np.busday_count(start + 1, end + 1)
    return np.where(_IS_DAILY[commodity], (end - start).astype(np.int64), weekdays).astype(np.float64)


def _underlying(frame: pd.DataFrame, is_option: BoolArray) -> FloatArray:
    """Return the price of what each option is on: as given, of a position in the same delivery, or by its delta."""
    found = _number(frame, "underlying_price")
    if not is_option.any():
        return found
    timed = "delivery_month" if "delivery_month" in frame else "tenor_months"
    linear = frame[~is_option].drop_duplicates(["hub", timed])
    marks: Mapping[Any, float] = dict(
        zip(zip(linear["hub"], linear[timed], strict=True), linear["mark_price"], strict=True)
    )
    of_linear = np.array([marks.get(key, np.nan) for key in zip(frame["hub"], frame[timed], strict=True)])
    delta, cash, fx = (_number(frame, name) for name in ("delta_units", "delta_cash", "fx_rate"))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_delta = np.where(np.abs(delta) > _LEAST_DELTA, cash / (delta * fx), np.nan)
    return _filled(_filled(found, of_linear), by_delta)


def _books(frame: pd.DataFrame, notes: list[str]) -> AnyArray:
    if "book" not in frame:
        notes.append("book is not in the file: all positions are of one book.")
        return np.full(len(frame), "all", dtype=object)
    return frame["book"].astype(object).where(frame["book"].notna(), "none").astype(str).astype(object).to_numpy()


def _names(frame: pd.DataFrame) -> AnyArray:
    parts = [frame["hub"].astype(str)]
    if "delivery_month" in frame:
        parts.append(frame["delivery_month"].dt.strftime("%Y-%m").fillna("no delivery"))
    elif "tenor_months" in frame:
        parts.append(frame["tenor_months"].map(lambda months: f"{months:g}m"))
    if "book" in frame:
        parts.insert(0, frame["book"].astype(object).where(frame["book"].notna(), "none").astype(str))
    names = ["/".join(words) for words in zip(*parts, strict=True)]
    option = frame["option_type"] if "option_type" in frame else pd.Series([None] * len(frame), dtype=object)
    strikes = frame["strike"] if "strike" in frame else pd.Series(np.nan, index=frame.index)
    return np.array(
        [
            f"{name}/{kind}/{strike:g}" if isinstance(kind, str) and kind else name
            for name, kind, strike in zip(names, option, strikes, strict=True)
        ],
        dtype=object,
    )
