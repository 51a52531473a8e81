"""A portfolio of bonds as arrays: from a panel, or from a user's file of positions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.instruments import CURRENCY_NAMES, SENIORITY_NAMES, years_between
from core.domains.bonds.data.issuers import COUNTRY_NAMES, OUTLOOKS, REGION_NAMES, SECTOR_NAMES
from core.domains.bonds.data.panel import CATEGORIES
from core.domains.bonds.data.pricing import base_yield, recovery_floor
from core.domains.bonds.data.ratings import N_LIVE
from core.domains.bonds.own_file import as_bonds
from core.domains.bonds.stress.repricing import price_to_worst, redemptions, yield_at
from core.errors import UsageError
from core.tables import Table

POSITION = "position_musd"
_LONGEST = 100.0  # years; a longer maturity is an error of the source
_LARGEST_Z = 4.0
_THETA = dict(zip(cal.MACRO_FACTORS.value, cal.MACRO_THETA.value, strict=True))
_TYPICAL: dict[str, float] = {
    "age_years": 3.0,
    "issue_size_musd": cal.TYPICAL_ISSUE_SIZE.value,
    "callable": 0.0,
    "debt_due_12m": 0.1,
    "bid_ask_bps": np.nan,
    "liquidity_index": cal.LIQUIDITY_INDEX_SCALE.value["centre"],
    "turnover_annual": cal.LIQUIDITY_INDEX.value["typical_turnover"],
    "zero_trade_share": cal.LIQUIDITY_INDEX.value["typical_zero_trade"],
    "fund_ownership": cal.LIQUIDITY_SHOCK_EFFECTS.value["typical_fund_ownership"],
    "news_sentiment": 0.0,
    "market_implied_gap": 0.0,
    "esg_score": cal.ESG.value["mean"],
    "policy_rate": _THETA["policy_rate"],
    "slope": _THETA["slope"],
    "cpi_yoy": _THETA["cpi_yoy"],
    "fx_vol": cal.TYPICAL_FX_VOL.value,
    "credit_cycle": 0.0,
    "vix": float(np.exp(_THETA["ln_vix"])),
    "dealer_inventory_z": 0.0,
    "recent_downgrade": 0.0,
}
"""What an empty cell, or a missing column, is taken as: the middle of the market."""
_POSITIVE, _SHARE, _SD = (1e-6, 1e6), (0.0, 1.0), (-20.0, 20.0)
_RANGES: dict[str, tuple[float, float]] = {
    "coupon_pct": (0.0, 1e3),
    "ytm_pct": (-99.0, 1e4),
    "base_yield_pct": (-99.0, 1e4),
    "spread_bps": (-1e6, 1e6),
    "clean_price": (1e-3, 1e5),
    POSITION: (-1e9, 1e9),
    "age_years": (0.0, 1e3),
    "bid_ask_bps": (1e-6, 1e6),
    "liquidity_index": (0.0, 100.0),
    "esg_score": (0.0, 100.0),
    "policy_rate": (-99.0, 1e3),
    "slope": (-99.0, 1e3),
    "cpi_yoy": (-99.0, 300.0),
    **dict.fromkeys(("issue_size_musd", "turnover_annual", "fx_vol", "vix"), _POSITIVE),
    **dict.fromkeys(("debt_due_12m", "zero_trade_share", "fund_ownership"), _SHARE),
    **dict.fromkeys(("credit_cycle", "dealer_inventory_z", "news_sentiment", "market_implied_gap"), _SD),
}
"""What a number of a user's file may be: beyond, it is an error of the source, and no figure would follow from it."""
_TYPICAL_LEVEL = {
    "sector": "industrials",
    "region": "north_america",
    "currency": "USD",
    "seniority": "senior_unsecured",
    "outlook": "stable",
}
_LEVELS = {
    "sector": SECTOR_NAMES,
    "region": REGION_NAMES,
    "currency": CURRENCY_NAMES,
    "seniority": SENIORITY_NAMES,
    "outlook": OUTLOOKS,
}


class MissingColumnError(UsageError):
    """Positions lack a column that a price needs."""


@dataclass(frozen=True)
class BondPortfolio:
    """Bonds that are held; every array of numbers has shape (n,), categories are codes.

    Attributes:
        names: The identifiers.
        issuers: The identifiers of the issuers, shape (n_issuers,), sorted.
        issuer: Into `issuers`.
        representative: The bond that speaks for each issuer, shape (n_issuers,).
        notional: Face amount held, USD m.
        codes: Categories by column.
        numbers: Numbers by column.
        country: Code, or -1.
        notch: Live notch.
        maturity: Years.
        coupon: % of par a year.
        earliest: Years to the earliest redemption.
        base_yield: %.
        spread: bp.
        notes: What was assumed or left out.
    """

    names: AnyArray
    issuers: AnyArray
    issuer: IntArray
    representative: IntArray
    notional: FloatArray
    codes: dict[str, IntArray]
    numbers: dict[str, FloatArray]
    country: IntArray
    notch: IntArray
    maturity: FloatArray
    coupon: FloatArray
    earliest: FloatArray
    base_yield: FloatArray
    spread: FloatArray
    notes: tuple[str, ...] = ()

    @classmethod
    def of_table(cls, table: Table) -> "BondPortfolio":
        """Read positions from a user's file.

        Raises:
            TableError: A column is missing, or a cell contradicts the column dictionary.
        """
        frame = as_bonds(table)
        if POSITION in table.frame:
            table.require_clear([POSITION])
            held = pd.to_numeric(table.frame[POSITION], errors="coerce")
            if held.isna().any():
                row = int(np.argmax(held.isna().to_numpy()))
                cure = "Write the face amount, USD m."
                raise table.error("the position is no number", cure, column=POSITION, row=row)
            frame[POSITION] = held.to_numpy(dtype=np.float64)
        for name, limits in _RANGES.items():
            table.require_within(name, _number(frame, name), limits, "Correct it, or leave the cell empty.")
        try:
            return cls.of_frame(frame)
        except MissingColumnError as error:
            raise table.error(str(error), "Add it: the page on stress tests lists the columns.") from None
        except UsageError as error:
            cure = (
                "A bond needs a live rating, a maturity within 100 years, a coupon, and a yield, a spread or a price."
            )
            raise table.error(str(error), cure) from None

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> "BondPortfolio":
        """Take a panel, or positions in its columns; of a bond with several days, the newest is held.

        Raises:
            MissingColumnError: A column that a price needs is missing.
            UsageError: No row can be priced.
        """
        _require_columns(frame)
        notes: list[str] = []
        frame = _newest(frame, notes)
        notch, maturity, coupon = _notch(frame), _maturity(frame), _number(frame, "coupon_pct")
        sound = (notch >= 0) & (notch < N_LIVE) & (maturity > 0) & (maturity <= _LONGEST) & ~np.isnan(coupon)
        sound &= ~np.isnan(_priced_by(frame))
        if not sound.all():
            notes.append(
                f"{int((~sound).sum()):,} of {len(sound):,} rows cannot be priced and are left out: rating D or none, "
                "a maturity that is past or beyond 100 years, or no coupon, yield, spread or price."
            )
        if not sound.any():
            raise UsageError("no row can be priced")
        frame = frame.loc[sound].reset_index(drop=True)
        notch, maturity, coupon = notch[sound], maturity[sound], coupon[sound]
        numbers = {name: _filled(frame, name, value, notes) for name, value in _TYPICAL.items()}
        codes = {name: _codes(frame, name, notes) for name in _TYPICAL_LEVEL}
        numbers["bid_ask_bps"] = np.where(
            np.isnan(numbers["bid_ask_bps"]), np.array(cal.BID_ASK_BASE.value)[notch], numbers["bid_ask_bps"]
        )
        numbers |= _standing(frame, notch)
        earliest = redemptions(maturity, _first_call(frame))
        base = _base_yield(frame, numbers, codes["currency"], maturity)
        issuers, issuer = np.unique(_identifier(frame, "issuer_id", "bond_id").astype(str), return_inverse=True)
        _, representative = np.unique(issuer, return_index=True)
        names = _identifier(frame, "bond_id", None)
        notional = _notional(frame, numbers, notes)
        if n_sold := int((notional < 0).sum()):
            notes.append(f"{n_sold:,} of {len(notional):,} positions are sold: shares are of the gross value.")
        country = _known_codes(frame, "country", COUNTRY_NAMES)
        return cls(
            names=names,
            issuers=issuers,
            issuer=issuer.astype(np.int64),
            representative=representative.astype(np.int64),
            notional=notional,
            codes=codes,
            numbers=numbers,
            country=country,
            notch=notch,
            maturity=maturity,
            coupon=coupon,
            earliest=earliest,
            base_yield=base,
            spread=_spread(frame, base, coupon, maturity, earliest),
            notes=tuple(notes),
        )

    @property
    def n_instruments(self) -> int:
        """The number of bonds."""
        return len(self.notch)

    @property
    def n_issuers(self) -> int:
        """The number of issuers."""
        return len(self.issuers)

    @cached_property
    def floor(self) -> FloatArray:
        """Recovery in default, % of par."""
        return recovery_floor(self.loss_given_default)

    @cached_property
    def loss_given_default(self) -> FloatArray:
        """Share of par lost in default."""
        return np.array(list(cal.LGD.value.values()))[self.codes["seniority"]]

    @cached_property
    def price(self) -> FloatArray:
        """Clean price before any shock, % of par."""
        ytm = self.base_yield + self.spread / 100
        return price_to_worst(self.coupon, self.maturity, self.earliest, ytm, self.floor)

    @cached_property
    def value(self) -> FloatArray:
        """Market value before any shock, USD m."""
        held: FloatArray = self.notional * self.price / 100
        return held

    @cached_property
    def weight(self) -> FloatArray:
        """Market value without its sign: bonds that are held and bonds that are sold do not cancel."""
        return np.abs(self.value)

    @property
    def market_value(self) -> float:
        """The sum of the weights: the gross value."""
        return float(self.weight.sum())

    @cached_property
    def is_high_yield(self) -> BoolArray:
        """Which bonds are of speculative grade."""
        return self.notch >= cal.FIRST_HIGH_YIELD.value

    def level(self, slicing: str) -> tuple[IntArray, tuple[str, ...]]:
        """Return the codes of a slicing, and its levels."""
        if slicing == "rating":
            sizes = np.repeat(np.arange(len(cal.LETTERS.value)), cal.LETTER_SIZES.value)
            return sizes[self.notch], cal.LETTERS.value
        return self.codes[slicing], _LEVELS[slicing]


def _require_columns(frame: pd.DataFrame) -> None:
    for either in (
        ("bond_id",),
        ("coupon_pct",),
        ("rating", "rating_num"),
        ("maturity_years", "maturity_date"),
        ("spread_bps", "ytm_pct", "clean_price"),
    ):
        if not any(name in frame for name in either):
            raise MissingColumnError(f"it lacks {' or '.join(either)}")
    if "maturity_years" not in frame and "as_of_date" not in frame:
        raise MissingColumnError("it lacks as_of_date, from which maturity_date is counted, or maturity_years")


def _newest(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Keep the newest day of each bond: all positions of it or, in a panel, its last row; rows without a name stay."""
    held = frame
    if "as_of_date" in frame:
        last = frame.groupby("bond_id", observed=True)["as_of_date"].transform("max")
        held = frame[(last.isna() | (frame["as_of_date"] == last)).to_numpy()]
    if POSITION not in held:
        held = held[(held["bond_id"].isna() | ~held["bond_id"].duplicated(keep="last")).to_numpy()]
    if len(held) < len(frame):
        n_bonds = held["bond_id"].nunique()
        notes.append(f"{len(frame):,} rows are observations of {n_bonds:,} bonds: the newest of each is held.")
    named = held["bond_id"].dropna()
    if n_lots := int(named.duplicated(keep=False).sum()):
        n_bonds = named[named.duplicated()].nunique()
        notes.append(f"{n_lots:,} rows are positions in {n_bonds:,} bonds: each of them is held.")
    return held.sort_index(kind="stable").reset_index(drop=True)


def _number(frame: pd.DataFrame, name: str) -> FloatArray:
    if name not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(frame[name].to_numpy(), dtype=np.float64)


def _filled(frame: pd.DataFrame, name: str, typical: float, notes: list[str]) -> FloatArray:
    values = _number(frame, name)
    empty = np.isnan(values)
    if empty.all() and len(values):
        notes.append(
            f"{name} is not in the file: {'the level of the rating' if np.isnan(typical) else f'{typical:g}'}."
        )
    return np.where(empty, typical, values)


def _known_codes(frame: pd.DataFrame, name: str, levels: tuple[str, ...]) -> IntArray:
    if name not in frame:
        return np.full(len(frame), -1, dtype=np.int64)
    return pd.Categorical(frame[name], categories=list(levels)).codes.astype(np.int64)


def _codes(frame: pd.DataFrame, name: str, notes: list[str]) -> IntArray:
    codes = _known_codes(frame, name, _LEVELS[name])
    if (codes < 0).all():
        notes.append(f"{name} is not in the file: {_TYPICAL_LEVEL[name]}.")
    return np.where(codes < 0, _LEVELS[name].index(_TYPICAL_LEVEL[name]), codes)


def _notch(frame: pd.DataFrame) -> IntArray:
    codes = _known_codes(frame, "rating", CATEGORIES["rating"])
    if "rating_num" in frame:
        number = _number(frame, "rating_num")
        codes = np.where((codes < 0) & ~np.isnan(number), np.nan_to_num(number, nan=-1), codes).astype(np.int64)
    return codes


def _maturity(frame: pd.DataFrame) -> FloatArray:
    years = _number(frame, "maturity_years")
    if "maturity_date" in frame and "as_of_date" in frame:
        dated = years_between(_days(frame, "as_of_date"), _days(frame, "maturity_date"))
        years = np.where(np.isnan(years), dated, years)
    return np.nan_to_num(years, nan=-1.0)


def _days(frame: pd.DataFrame, name: str) -> AnyArray:
    return frame[name].to_numpy().astype("datetime64[D]")


def _first_call(frame: pd.DataFrame) -> FloatArray:
    if "first_call_date" not in frame or "as_of_date" not in frame:
        return np.full(len(frame), np.nan)
    return years_between(_days(frame, "as_of_date"), _days(frame, "first_call_date"))


def _priced_by(frame: pd.DataFrame) -> FloatArray:
    """Return the first known of spread, yield and price."""
    found = np.full(len(frame), np.nan)
    for name in ("spread_bps", "ytm_pct", "clean_price"):
        found = np.where(np.isnan(found), _number(frame, name), found)
    return found


def _spread(
    frame: pd.DataFrame, base: FloatArray, coupon: FloatArray, maturity: FloatArray, earliest: FloatArray
) -> FloatArray:
    spread = _number(frame, "spread_bps")
    ytm, price = _number(frame, "ytm_pct"), _number(frame, "clean_price")
    if (np.isnan(spread) & np.isnan(ytm)).any():
        found = yield_at(coupon, maturity, earliest, np.nan_to_num(price, nan=100.0))
        ytm = np.where(np.isnan(ytm), found, ytm)
    return np.where(np.isnan(spread), (ytm - base) * 100, spread)


def _base_yield(
    frame: pd.DataFrame, numbers: dict[str, FloatArray], currency: IntArray, maturity: FloatArray
) -> FloatArray:
    """Return the base yield as given; else that of the currency's curve at the dollar's policy rate and slope."""
    curves = [cal.CURRENCY_CURVES.value[name] for name in CURRENCY_NAMES]
    rate, rate_beta, slope, slope_beta = (
        np.array([getattr(curve, name) for curve in curves])[currency]
        for name in ("rate", "rate_beta", "slope", "slope_beta")
    )
    policy = rate + rate_beta * (numbers["policy_rate"] - _THETA["policy_rate"])
    curve = base_yield(policy, slope + slope_beta * (numbers["slope"] - _THETA["slope"]), maturity)
    given = _number(frame, "base_yield_pct")
    return np.where(np.isnan(given), curve, given)


def _standing(frame: pd.DataFrame, notch: IntArray) -> dict[str, FloatArray]:
    """Return leverage and coverage in sd among issuers of the same rating."""
    leverage, coverage = cal.LEVERAGE.value, cal.COVERAGE.value
    with np.errstate(divide="ignore", invalid="ignore"):
        z_leverage = (np.log(_number(frame, "leverage_x")) - leverage["notch"] * notch) / leverage["sd"]
        ln_coverage = np.log(_number(frame, "interest_coverage_x") / coverage["top"])
        z_coverage = (ln_coverage - coverage["notch"] * notch) / coverage["sd"]
    return {
        "z_leverage": np.clip(np.nan_to_num(z_leverage), -_LARGEST_Z, _LARGEST_Z),
        "z_coverage": np.clip(np.nan_to_num(z_coverage), -_LARGEST_Z, _LARGEST_Z),
    }


def _identifier(frame: pd.DataFrame, name: str, other: str | None) -> AnyArray:
    found: Any = frame[name] if name in frame else frame[other or name]
    if name in frame and other is not None:
        found = found.where(found.notna(), frame[other])
    return np.asarray(found.astype(object).to_numpy(), dtype=object)


def _notional(frame: pd.DataFrame, numbers: dict[str, FloatArray], notes: list[str]) -> FloatArray:
    if POSITION in frame:
        return _number(frame, POSITION)
    notes.append(f"{POSITION} is not in the file: every bond is held in the proportion of its issue size.")
    return numbers["issue_size_musd"]
