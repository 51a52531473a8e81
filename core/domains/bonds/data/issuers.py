"""Issuers: their attributes, start and length of life, and their yearly observations."""

from dataclasses import dataclass, fields, replace

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.macro import MONTHS
from core.domains.bonds.data.ratings import LETTER_OF_NOTCH, N_LIVE, notch_shift
from core.domains.draws import codes_at, draw_codes

MAX_LIFE = cal.LIFE_YEARS.value[1]
SECTOR_NAMES = tuple(sector.name for sector in cal.SECTORS.value)
REGION_NAMES = tuple(region.name for region in cal.REGIONS.value)
OUTLOOKS = tuple(cal.OUTLOOK_SHARES.value)
COUNTRY_NAMES = tuple(sorted({name for shares in cal.COUNTRIES.value.values() for name in shares}))

CYCLICALITY = np.array([sector.cyclicality for sector in cal.SECTORS.value])
EMERGING = np.array([region.emerging for region in cal.REGIONS.value])


@dataclass(frozen=True, slots=True)
class Issuers:
    """The constant attributes of each issuer; every array has shape (n_issuers,)."""

    sector: IntArray
    region: IntArray
    country: IntArray
    entry_notch: IntArray
    entry_month: IntArray  # within the panel; also fixes the month of the yearly review
    life_years: IntArray
    n_bonds: IntArray
    size_z: FloatArray
    u_issuer: FloatArray


@dataclass(frozen=True, slots=True)
class Reviews:
    """The observations of each issuer at each yearly review; every array has shape (n_issuers, n_years).

    No observation here depends on the rating, so the same law applies to every notch.
    """

    z_leverage: FloatArray
    z_coverage: FloatArray
    z_esg: FloatArray
    sentiment: FloatArray
    debt_due: FloatArray
    outlook: IntArray
    gap: FloatArray
    u_issuer_year: FloatArray

    def year(self, index: int) -> "Reviews":
        """Return one year of reviews, every array of shape (n_issuers,)."""
        return replace(self, **{field.name: getattr(self, field.name)[:, index] for field in fields(self)})


def draw_issuers(rng: np.random.Generator, n: int, n_panel_months: int) -> Issuers:
    """Draw `n` issuers over a panel of the given length."""
    sector = codes_at(rng.random(n), np.array([s.weight for s in cal.SECTORS.value]))
    region = codes_at(rng.random(n), np.array([r.weight for r in cal.REGIONS.value]))
    shift = np.array([[notch_shift(s, r) for r in cal.REGIONS.value] for s in cal.SECTORS.value])
    mean = np.array([s.mean_notch for s in cal.SECTORS.value])[sector] + shift[sector, region]
    notch = np.rint(rng.normal(mean, np.array([s.sd_notch for s in cal.SECTORS.value])[sector]))
    shortest, longest = cal.LIFE_YEARS.value
    life = rng.integers(shortest, longest + 1, n)
    fewest, most = cal.BONDS_PER_ISSUER.value
    return Issuers(
        sector=sector,
        region=region,
        country=_draw_country(rng, region),
        entry_notch=np.clip(notch, 0, N_LIVE - 1).astype(np.int64),
        entry_month=np.floor(rng.random(n) * (n_panel_months - MONTHS * (life - 1))).astype(np.int64),
        life_years=life,
        n_bonds=rng.integers(fewest, most + 1, n),
        size_z=rng.standard_normal(n),
        u_issuer=cal.SPREAD_SD.value["issuer"] * rng.standard_normal(n),
    )


def _draw_country(rng: np.random.Generator, region: IntArray) -> IntArray:
    uniform = rng.random(len(region))
    country = np.zeros(len(region), dtype=np.int64)
    for index, name in enumerate(REGION_NAMES):
        shares = cal.COUNTRIES.value[name]
        inside = region == index
        names = np.array([COUNTRY_NAMES.index(code) for code in shares])
        country[inside] = names[codes_at(uniform[inside], np.array(list(shares.values())))]
    return country


def draw_reviews(rng: np.random.Generator, n_issuers: int, n_years: int) -> Reviews:
    """Draw the observations of the yearly reviews.

    The issuer-year effect on spreads is drawn every year: if it lasted, today's rating, which it moved, would
    reveal it, and the expected spread given the observations would no longer be the model's.
    """
    shape = (n_issuers, n_years)
    correlation = cal.LEVERAGE_COVERAGE_CORRELATION.value
    fundamentals, esg = cal.PERSISTENCE.value["fundamentals"], cal.PERSISTENCE.value["esg"]
    z_leverage = _autoregressive(rng.standard_normal(shape), fundamentals)
    own = _autoregressive(rng.standard_normal(shape), fundamentals)
    effect_z = rng.standard_normal(shape)
    gap = cal.GAP.value["signal"] * effect_z + cal.GAP.value["noise"] * rng.standard_normal(shape)
    return Reviews(
        z_leverage=z_leverage,
        z_coverage=correlation * z_leverage + np.sqrt(1 - correlation**2) * own,
        z_esg=_autoregressive(rng.standard_normal(shape), esg),
        sentiment=rng.standard_normal(shape),
        debt_due=rng.beta(cal.DEBT_DUE.value["a"], cal.DEBT_DUE.value["b"], shape),
        outlook=draw_codes(rng, cal.OUTLOOK_SHARES.value, n_issuers * n_years).reshape(shape),
        gap=gap,
        u_issuer_year=cal.SPREAD_SD.value["issuer_year"] * effect_z,
    )


def _autoregressive(shocks: FloatArray, persistence: float) -> FloatArray:
    """Turn independent standard normals, shape (n, n_years), into a stationary yearly AR(1) of unit variance."""
    values = shocks.copy()
    for year in range(1, shocks.shape[1]):
        values[:, year] = persistence * values[:, year - 1] + np.sqrt(1 - persistence**2) * shocks[:, year]
    return values


def public_sector_scale(sector: IntArray, notch: IntArray) -> FloatArray:
    """Return k_sov: the share of a corporate spread that a sovereign or a supranational pays."""
    by_letter = np.array(cal.SOVEREIGN_SCALE.value)[LETTER_OF_NOTCH[notch]]
    scale = np.where(sector == SECTOR_NAMES.index("sovereign"), by_letter, 1.0)
    supranational = sector == SECTOR_NAMES.index("supranational_agency")
    return np.where(supranational, cal.SUPRANATIONAL_SCALE.value, scale)


def settled_outlook(outlook: IntArray, notch: IntArray) -> IntArray:
    """Return the outlook as an agency would give it: the best rating cannot have a positive outlook."""
    cannot_rise = (notch == 0) & (outlook == OUTLOOKS.index("positive"))
    return np.where(cannot_rise, OUTLOOKS.index("stable"), outlook)


def is_high_yield(notch: IntArray) -> BoolArray:
    """Return which notches are speculative grade."""
    return notch >= cal.FIRST_HIGH_YIELD.value


def in_sectors(sector: IntArray, names: tuple[str, ...]) -> BoolArray:
    """Return which sector codes are among the named sectors."""
    return np.isin(sector, [SECTOR_NAMES.index(name) for name in names])
