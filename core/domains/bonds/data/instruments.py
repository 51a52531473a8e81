"""Bonds: each issuer's outstanding bonds, with dates, coupon, seniority and identifiers."""

import zlib
from dataclasses import dataclass

import numpy as np

from core.arrays import AnyArray, BoolArray, DateArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import (
    REGION_NAMES,
    Issuers,
    in_sectors,
    is_high_yield,
    public_sector_scale,
)
from core.domains.bonds.data.macro import MONTHS, MacroPath
from core.domains.bonds.data.pricing import base_yield
from core.domains.draws import codes_at, draw_codes

DAYS_PER_YEAR = 365.25
CURRENCY_NAMES = tuple(cal.FACES.value)
SENIORITY_NAMES = tuple(cal.SENIORITY_SHARES.value)

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LAST_COMMON_DAY = 28


@dataclass(frozen=True, slots=True)
class Instruments:
    """Every bond of every issuer, in the issuers' order; every array has shape (n_bonds,)."""

    issuer: IntArray
    number: IntArray  # within the issuer, from 1
    currency: IntArray
    seniority: IntArray
    callable: BoolArray
    issue_date: DateArray
    maturity_date: DateArray
    first_call_date: DateArray  # not a time where the bond cannot be called
    tenor: FloatArray
    coupon_pct: FloatArray
    issue_size: FloatArray
    face: FloatArray
    fund_ownership_base: FloatArray
    u_bond: FloatArray


def draw_instruments(rng: np.random.Generator, issuers: Issuers, path: MacroPath) -> Instruments:
    """Draw the bonds outstanding when their issuer is first reviewed.

    The coupon is near the par yield at issue: the base yield of the currency, the anchor spread of the rating at
    issue and independent noise, so that it reveals nothing about the issuer's own spread effect.
    """
    issuer = np.repeat(np.arange(len(issuers.sector)), issuers.n_bonds)
    n = len(issuer)
    first_of_issuer = np.cumsum(issuers.n_bonds) - issuers.n_bonds
    unsecured = in_sectors(issuers.sector, cal.UNSECURED_SECTORS.value)[issuer]
    seniority = draw_codes(rng, cal.SENIORITY_SHARES.value, n)
    seniority[unsecured] = SENIORITY_NAMES.index("senior_unsecured")
    high_yield = is_high_yield(issuers.entry_notch)[issuer]
    callable_share = np.where(
        high_yield, cal.CALLABLE_SHARE.value["high_yield"], cal.CALLABLE_SHARE.value["investment_grade"]
    )
    currency = _draw_currency(rng, issuers.region[issuer])

    tenors, shares = np.array(cal.TENORS.value).T
    tenor = tenors[codes_at(rng.random(n), shares)]
    oldest = np.minimum(cal.ENTRY_AGE_SHARE.value * tenor, cal.MAX_ENTRY_AGE.value)
    age_months = 1 + np.floor(rng.random(n) * oldest * MONTHS).astype(np.int64)
    entry = issuers.entry_month[issuer] + path.n_history
    day = rng.integers(0, _LAST_COMMON_DAY, n)
    issue_month = path.months[entry] - age_months
    at_issue = (currency, entry - age_months)
    base = base_yield(path.currency_rate[at_issue], path.currency_slope[at_issue], tenor)
    par_yield = base + spread_at_issue(issuers.entry_notch, issuers.sector)[issuer]
    coupon = np.clip(par_yield + cal.COUPON_NOISE.value * rng.standard_normal(n), 0.0, cal.MAX_COUPON.value)
    step = cal.COUPON_STEP.value

    size = cal.ISSUE_SIZE.value
    issuer_part = size["issuer_size"] * issuers.size_z[issuer]
    ln_size = np.log(size["median"]) + size["sd"] * rng.standard_normal(n) + issuer_part
    fund = cal.FUND_OWNERSHIP.value
    is_callable = rng.random(n) < callable_share
    until_call = np.rint(MONTHS * cal.FIRST_CALL_SHARE.value * tenor).astype(np.int64)
    first_call_date = (issue_month + until_call).astype("datetime64[D]") + day
    return Instruments(
        issuer=issuer,
        number=np.arange(n) - first_of_issuer[issuer] + 1,
        currency=currency,
        seniority=seniority,
        callable=is_callable,
        issue_date=issue_month.astype("datetime64[D]") + day,
        maturity_date=(issue_month + MONTHS * tenor.astype(np.int64)).astype("datetime64[D]") + day,
        first_call_date=np.where(is_callable, first_call_date, np.datetime64("NaT", "D")),
        tenor=tenor,
        coupon_pct=np.rint(coupon / step) * step,
        issue_size=np.round(np.exp(ln_size), 1),
        face=np.array(list(cal.FACES.value.values()))[currency],
        fund_ownership_base=rng.beta(fund["a"], fund["b"], n),
        u_bond=cal.SPREAD_SD.value["bond"] * rng.standard_normal(n),
    )


def spread_at_issue(entry_notch: IntArray, sector: IntArray) -> FloatArray:
    """Return the spread, in %, at which issuers borrowed: issuers in distress borrowed when they were healthier."""
    law = cal.RATING_AT_ISSUE.value
    notch = np.where(entry_notch > law["worst"], law["if_worse"], entry_notch).astype(np.int64)
    anchor: FloatArray = np.array(cal.SPREAD_ANCHOR.value)[notch] * public_sector_scale(sector, notch) / 100
    return anchor


def _draw_currency(rng: np.random.Generator, region: IntArray) -> IntArray:
    uniform = rng.random(len(region))
    currency = np.zeros(len(region), dtype=np.int64)
    for index, name in enumerate(REGION_NAMES):
        shares = cal.CURRENCIES.value[name]
        inside = region == index
        codes = np.array([CURRENCY_NAMES.index(code) for code in shares])
        currency[inside] = codes[codes_at(uniform[inside], np.array(list(shares.values())))]
    return currency


def years_between(start: DateArray, end: DateArray) -> FloatArray:
    """Return the years from one date to another, of 365.25 days each; NaN where a date is not known."""
    days = (end - start).astype("timedelta64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.float64) / DAYS_PER_YEAR)


def month_end(months: DateArray) -> DateArray:
    """Return the last day of each month."""
    last_day: DateArray = (months + 1).astype("datetime64[D]") - 1
    return last_day


def panel_code(seed: int) -> str:
    """Return five characters that distinguish the identifiers of panels with different seeds.

    >>> panel_code(42) == panel_code(42), len(panel_code(42))
    (True, 5)
    """
    number = zlib.crc32(f"bond panel {seed}".encode())
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(0, 25, 5))


def identifiers(seed: int, issuer: IntArray, number: IntArray) -> tuple[AnyArray, AnyArray]:
    """Format issuer and bond identifiers, unique across panels of different seeds.

    Returns:
        Object arrays of strings: `I-7K2QF-000012` and `B-7K2QF-000012-2`.
    """
    code = panel_code(seed)
    tails = [f"{code}-{i:06d}" for i in issuer.tolist()]
    issuer_id = np.array([f"I-{tail}" for tail in tails], dtype=object)
    bond_id = np.array([f"B-{tail}-{k}" for tail, k in zip(tails, number.tolist(), strict=True)], dtype=object)
    return issuer_id, bond_id


def isin_like(seed: int, serial: IntArray) -> AnyArray:
    """Format ISIN-shaped identifiers under the reserved prefix XX, with a valid check digit.

    Args:
        seed: Seed of the panel; it shifts the numbers.
        serial: A different number for each bond, shape (n,).
    """
    body = (zlib.crc32(f"isin {seed}".encode()) + serial * 1_000_003) % 10**9
    digits = body[:, None] // 10 ** np.arange(8, -1, -1) % 10
    check = _luhn_check(np.concatenate((np.full((len(serial), 4), 3), digits), axis=1))  # X is 33
    return np.array([f"XX{b:09d}{c}" for b, c in zip(body.tolist(), check.tolist(), strict=True)], dtype=object)


def _luhn_check(digits: IntArray) -> IntArray:
    """Return the Luhn check digit of each row of digits."""
    doubled = digits[:, ::-1].copy()
    doubled[:, ::2] *= 2
    total = (doubled // 10 + doubled % 10).sum(axis=1)
    check: IntArray = -total % 10
    return check
